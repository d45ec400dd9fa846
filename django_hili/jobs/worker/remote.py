"""The lane of a provider that takes photos away: send, ask in batches, fetch, store.

Owns the slots for sending and fetching, and what follows from each answer. When the provider is
asked about which photo is `poll.py`'s; the guarantees about money are `send.py`'s; this module
only calls their verbs in their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import uuid
from collections.abc import Sequence
from functools import partial

from django.db import DatabaseError
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import (
    HiliError,
    InvalidPhotoError,
    LostLeaseError,
    ProviderError,
    StorageError,
    WrongStateError,
    log_name,
)
from django_hili.jobs.moves import breakers, claim, finish, reconcile, send
from django_hili.jobs.moves.finish import Stored
from django_hili.jobs.worker.budget import Budget
from django_hili.jobs.worker.crash import crash_point
from django_hili.jobs.worker.desk import Desk
from django_hili.jobs.worker.direct import end_as_done, end_or_retry
from django_hili.jobs.worker.inbound import Receiver
from django_hili.jobs.worker.outbound import Sender
from django_hili.jobs.worker.poll import InFlight, Watch
from django_hili.jobs.worker.probe import probe_copies
from django_hili.models import JobStatus, Media, PhotoJob
from django_hili.models.provider_state import SEND_SLOTS
from django_hili.providers.remote import Charging, RemoteProvider

logger = logging.getLogger(__name__)

FETCH_SLOTS = 8
AHEAD = 48
"""Photos that are claimed and written down before a slot is free for them."""
PATIENCE = 0.1
"""Seconds that a finished photo may wait for others to be ended with it."""
AT_ONCE = 64
"""Results for which rows are reserved in one go."""
MOST_IN_FLIGHT = 5000
PROBE = 60.0
"""Seconds between two questions about copies that should be gone."""
OUTAGES = {*breakers.OPENS, Code.STORAGE_FAILED, Code.ENGINE_UNAVAILABLE}
"""What says nothing about a result that could not be brought in: the provider was away, or the
storage, or the process that checks it."""


class RemoteLane:
    """Jobs of one remote provider."""

    takes_up_as = JobStatus.SENDING
    adopts = (JobStatus.PROCESSING, JobStatus.FETCHING)
    """What a silent worker left with the vendor is asked about again; it is never sent again."""

    def __init__(self, desk: Desk, provider: RemoteProvider) -> None:
        self.provider = provider
        self.next_look = 0.0
        """By the loop's clock: not before then is it worth asking for more jobs."""
        self._desk = desk
        self._sending: set[asyncio.Task[None]] = set()
        self._fetching: set[asyncio.Task[None]] = set()
        self._at_work: dict[asyncio.Task[None], uuid.UUID] = {}
        self._ready: list[InFlight] = []
        self._fetches = Budget(FETCH_SLOTS)
        self._unended = 0
        """Fetches that have begun and are not about to end their jobs."""
        self._overdue: set[uuid.UUID] = set()
        """Jobs whose results were ready when an outage was over, and have not begun to arrive."""
        self._receiver = Receiver(desk, provider)
        self._gate = breakers.Gate(provider.alias, desk.worker)
        self._watch = Watch(
            desk, provider, self._gate, on_done=self._is_done, on_lost=self._give_up
        )
        self._sender = Sender(
            desk, provider, self._gate, on_accepted=self._watch.begin,
            in_hand=lambda: len(self._sending),
        )  # fmt: skip
        self._next_count = 0.0
        self._next_recovery = 0.0
        self._next_probe = 0.0
        self._knocking: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether any job is in hand, or the provider is being asked whether it is there."""
        in_hand = self._sending or self._fetching or self._watch or self._ready
        return bool(in_hand) or self._is_knocking

    @property
    def next_tick(self) -> float:
        """By the loop's clock: when the lane has to be looked at again at the latest."""
        return self._watch.next_tick

    @property
    def _is_knocking(self) -> bool:
        return self._knocking is not None and not self._knocking.done()

    @property
    def in_hand(self) -> set[uuid.UUID]:
        """The jobs that this worker has not let go of."""
        waiting = (photo.job.pk for photo in [*self._watch, *self._ready])
        return {*self._at_work.values(), *waiting}

    async def free(self) -> int:
        """How many more photos may leave now.

        None while a result waits for a slot, or for the provider's answer after an outage, or may
        wait unseen because the provider was away.
        """
        room = self._room_to_send()
        return room if room and await self._may_send() else 0

    def _room_to_send(self) -> int:
        waiting = len(self._sending)
        room = min(SEND_SLOTS + AHEAD - waiting, MOST_IN_FLIGHT - len(self._watch) - waiting)
        # A few at a time cost as many statements as many: wait until there is room for some.
        is_worth_it = room > 0 and (not waiting or room >= AHEAD // 2)
        is_behind = self._overdue or self._unended > self._fetches.slots
        return room if is_worth_it and not is_behind else 0

    async def _may_send(self) -> bool:
        """Whether the provider is there, as far as is known. Where nobody knows, find out."""
        if self._is_knocking or not await self._desk.rows(self._gate.is_open, timezone.now()):
            return False
        if not self._gate.share:
            return False  # more workers than slots: it is others' turn
        if not self._gate.is_quiet:
            self._knocking = asyncio.create_task(self._knock())
            return False
        if self._watch.silences:
            self._watch.hear_of_provider()
            return False
        return True

    async def room(self) -> int:
        """How many photos that the vendor has already may be watched besides those in hand."""
        return MOST_IN_FLIGHT - len(self._watch) - len(self._sending)

    async def start(self, jobs: Sequence[PhotoJob]) -> None:
        """Begin with claimed jobs: send them, or go on where a silent worker left them."""
        leaving = [job for job in jobs if job.status == JobStatus.SENDING]
        if leaving:
            for prepared in await self._sender.prepare(leaving):
                self._spawn(self._sending, prepared.job, self._sender.send(prepared))
        await self._adopt([job for job in jobs if job.status != JobStatus.SENDING])

    async def tick(self) -> None:
        """Ask about what could be done, and fetch what is."""
        await self._share_slots()
        if _clock() >= self._next_count:
            self._next_count = _clock() + self._desk.lease.total_seconds() / 3
            await self._count_credits()
        await self._watch.tick()
        await self._begin_fetching()

    async def tend(self) -> None:
        """See to what no photo waits for: silent senders' jobs, and copies that should be gone."""
        now = _clock()
        if now >= self._next_recovery:
            self._next_recovery = now + self._desk.lease.total_seconds() / 3
            await self._recover()
        if now >= self._next_probe:
            self._next_probe = now + PROBE
            # A pause stops photos, not the proof that their copies are gone; an outage does.
            if await self._desk.rows(self._gate.is_there, timezone.now()):
                await probe_copies(self._desk, self.provider)

    async def wind_up(self, patience: float | None) -> None:
        """Finish sends and fetches within `patience` seconds; let the vendor's photos go on.

        A send that has not begun is given back at once, one that has not passed the barrier by
        then as well; one that has is waited for, and held if no answer comes.
        """
        self._sender.budget.close()
        tasks = self._sending | self._fetching
        if self._knocking is not None:
            self._knocking.cancel()
            await asyncio.gather(self._knocking, return_exceptions=True)
        if tasks:
            await asyncio.wait(tasks, timeout=patience if patience is not None else 30.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left = [photo.job for photo in [*self._watch, *self._ready]]
        await self._desk.rows(claim.let_go, jobs=left, now=timezone.now())
        self._watch.forget()
        self._ready.clear()

    async def aclose(self) -> None:
        """Close the provider's connections and end the process apart."""
        await self._receiver.aclose()
        await self.provider.aclose()

    # Waiting.

    async def _share_slots(self) -> None:
        """Take this worker's part of the account's slots, as the row and the others say."""
        budget = self._sender.budget
        if budget.has_earned:
            budget.has_earned = False
            await self._desk.rows(breakers.note_round, self.provider.alias)
            self._gate.forget()
        if self._sending:
            await self._desk.rows(self._gate.is_open, timezone.now())
        budget.take(self._gate.share, account=self._gate.slots)

    async def _recover(self) -> None:
        now = timezone.now()
        alias = self.provider.alias
        is_free = self.provider.charging is Charging.DOWNLOAD
        for job in await self._desk.rows(claim.silent_senders, provider=alias, now=now):
            await self._desk.rows(send.recover, job=job, is_free_again=is_free, now=now)

    async def _knock(self) -> None:
        """After trouble, ask something that costs nothing first: a photo would be in doubt."""
        alias, asked_at = self.provider.alias, timezone.now()
        error: ProviderError | None = None
        left: int | None = None
        until: dt.datetime | None = None
        try:
            left = await self.provider.credits()
            if not left:
                error = ProviderError(Code.PROVIDER_NO_CREDITS, retryable=True)
        except ProviderError as trouble:
            error = trouble
        except Exception as trouble:  # noqa: BLE001 - asked again at the next look
            logger.warning("The provider could not be asked: %s.", log_name(trouble))
            return
        if error is None:
            await self._desk.rows_surely(breakers.note_success, alias)
        else:
            now = timezone.now()
            until = await self._desk.rows_surely(breakers.note_failure, alias, error, now)
        if left is not None:
            with contextlib.suppress(DatabaseError):
                # Credits that were bought meanwhile must not be reckoned from later.
                if await self._desk.rows(reconcile.is_news, provider=alias, credits_left=left):
                    await self._take_count(left, asked_at)
        self._gate.forget(until)
        self._desk.wake.set()

    async def _count_credits(self) -> None:
        """Keep a count to reckon from; settle doubts by a new one while nothing is on its way."""
        alias = self.provider.alias
        if self._sending or not await self._desk.rows(self._gate.is_open, timezone.now()):
            return
        if not await self._desk.rows(reconcile.wants_a_count, provider=alias):
            return
        asked_at = timezone.now()
        try:
            left = await self.provider.credits()
        except ProviderError:
            return
        if not self._sending:
            await self._take_count(left, asked_at)

    async def _take_count(self, left: int, asked_at: dt.datetime) -> None:
        with contextlib.suppress(WrongStateError):
            await self._desk.rows(
                reconcile.reconcile,
                provider=self.provider.alias,
                credits_left=left,
                is_exclusive=self.provider.is_exclusive,
                asked_at=asked_at,
            )

    async def _adopt(self, jobs: Sequence[PhotoJob]) -> None:
        known = await self._desk.rows(send.last_handles, jobs=jobs) if jobs else {}
        for job in jobs:
            if job.pk in known:
                self._watch.begin(job, known[job.pk])
            else:
                error = ProviderError(Code.PROVIDER_COPY_GONE)
                self._spawn(self._sending, job, end_or_retry(self._desk, job, error))

    async def _give_up(self, photo: InFlight, code: Code) -> None:
        try:
            await self._desk.rows_surely(finish.fail, job=photo.job, code=code, now=timezone.now())
            self._desk.report.failed += 1
        except LostLeaseError:
            self._desk.report.lost += 1

    # Fetching.

    def _is_done(self, photo: InFlight) -> None:
        self._ready.append(photo)
        if photo.is_blurred:
            self._overdue.add(photo.job.pk)

    async def _begin_fetching(self) -> None:
        if not self._ready or self._unended > FETCH_SLOTS:
            return
        photos = self._ready[:AT_ONCE]
        del self._ready[:AT_ONCE]
        try:
            reserved = await self._desk.rows(
                finish.begin_storing_all, jobs=[photo.job for photo in photos], now=timezone.now()
            )
        except Exception:
            # The database, or the keys' storage: they are asked for again at the next look.
            self._ready[:0] = photos
            raise
        for photo in photos:
            media = reserved.get(photo.job.pk)
            if media is None:
                self._overdue.discard(photo.job.pk)
                self._desk.report.lost += 1
            else:
                crash_point("after_reserve")
                self._spawn(self._fetching, photo.job, self._fetch(photo, media))

    async def _fetch(self, photo: InFlight, media: Media) -> None:
        try:
            stored = await self._bring_in(photo, media)
            await end_as_done(
                self._desk,
                stored,
                # The last of those being fetched takes the others with it.
                company=MOST_IN_FLIGHT if self._unended else 1,
                patience=PATIENCE,
                in_hand=len(self._fetching) + len(self._watch) + len(self._sending),
            )
        except LostLeaseError:
            self._desk.report.lost += 1
        except asyncio.CancelledError:
            await self._desk.rows(claim.let_go, jobs=[photo.job], now=timezone.now())
        except (ProviderError, StorageError) as error:
            await self._fetch_later(photo, error)
        except InvalidPhotoError:
            await self._give_up(photo, Code.RESULT_INVALID)
        except Exception as error:  # noqa: BLE001 - the next look adopts the job
            logger.warning("Job %s: fetch: %s.", photo.job.pk, log_name(error))
            await self._let_go(photo.job)

    async def _bring_in(self, photo: InFlight, media: Media) -> Stored:
        self._unended += 1
        try:
            async with self._fetches.slot():
                stored = await self._receiver.fetch(
                    photo.job, photo.handle, media,
                    on_granted=partial(self._overdue.discard, photo.job.pk),
                )  # fmt: skip
        finally:
            self._unended -= 1
        self._fetches.grow()
        return stored

    async def _fetch_later(self, photo: InFlight, error: HiliError) -> None:
        if isinstance(error, ProviderError):
            self._fetches.heard(error)
        await self._desk.rows_surely(finish.back_to_processing, job=photo.job, now=timezone.now())
        photo.unfetched += 1
        retryable = error.retryable if isinstance(error, ProviderError) else True
        # An outage is waited out while the vendor keeps the photo, and so is an answer that says
        # nothing about it; a file that is no photo is not.
        is_spent = photo.unfetched >= self._desk.settings.max_attempts and error.code not in OUTAGES
        if not retryable or is_spent or photo.is_too_late:
            await self._give_up(photo, error.code)
            return
        told = error.retry_after if isinstance(error, ProviderError) else None
        photo.ask_later(photo.unfetched, told)
        self._watch.go_on(photo)

    def _spawn(self, kept: set[asyncio.Task[None]], job: PhotoJob, work: object) -> None:
        task = asyncio.create_task(self._guarded(job, work))
        kept.add(task)
        self._at_work[task] = job.pk
        task.add_done_callback(partial(self._put_down, kept, job))

    async def _guarded(self, job: PhotoJob, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except LostLeaseError:
            self._desk.report.lost += 1
        except Exception as error:  # noqa: BLE001 - one photo must not end the worker
            logger.warning("Job %s: %s.", job.pk, log_name(error))
            await self._let_go(job)

    async def _let_go(self, job: PhotoJob) -> None:
        """Leave a job to the next look: while this worker lives, its lease would never end."""
        await self._desk.rows_surely(claim.let_go, jobs=[job], now=timezone.now())

    def _put_down(
        self, kept: set[asyncio.Task[None]], job: PhotoJob, task: asyncio.Task[None]
    ) -> None:
        kept.discard(task)
        self._at_work.pop(task, None)
        self._overdue.discard(job.pk)
        self._desk.forget(job)


def _clock() -> float:
    return asyncio.get_running_loop().time()
