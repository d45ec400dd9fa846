"""The lane of a provider that takes photos away: send, ask in batches, fetch, store.

Owns the slots for sending and fetching, the tick on which the provider is asked about many
photos in one call, and what follows from each answer. The guarantees about money are
`send.py`'s; this module only calls its verbs in their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import random
from dataclasses import dataclass, field
from functools import partial

from django.utils import timezone

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import (
    HiliError,
    InvalidPhotoError,
    LostLeaseError,
    ProviderError,
    StorageError,
    WrongStateError,
)
from django_hili.imaging.clean import clean
from django_hili.imaging.encode import SourceType
from django_hili.imaging.marking import marked
from django_hili.jobs import breakers, claim, finish, held, send
from django_hili.jobs.crash import crash_point
from django_hili.jobs.desk import Desk
from django_hili.jobs.direct import end_or_retry, store
from django_hili.jobs.outbound import Sender
from django_hili.models import Disclosure, JobStatus, PhotoJob
from django_hili.providers.base import EnhancedPhoto, Step
from django_hili.providers.remote import (
    Charging,
    RemoteProvider,
    RemoteStage,
    RemoteState,
)

logger = logging.getLogger(__name__)

SEND_SLOTS = 8
FETCH_SLOTS = 8
MOST_IN_FLIGHT = 2000
TICK = 0.5
"""Seconds between two questions about photos that could be done."""
YOUNG = 60.0
"""Seconds after a send in which *no such photo* only means *not yet*."""
SAFETY = dt.timedelta(minutes=5)
"""A result is given up this long before the vendor deletes it."""


@dataclass(slots=True)
class InFlight:
    """A photo the vendor has."""

    job: PhotoJob
    handle: str
    since: float
    """When it was sent, by the loop's clock."""
    due_at: dt.datetime | None
    """When the vendor deletes it."""
    not_before: float = 0.0
    unheard: int = 0
    """Questions about it in a row that failed."""
    unfetched: int = 0
    """Fetches that failed."""


@dataclass(slots=True)
class _Learned:
    """How long the vendor has taken lately, so that it is not asked too early."""

    seconds: list[float] = field(default_factory=list)

    def note(self, seconds: float) -> None:
        """Remember one photo's time, the last fifty of them."""
        self.seconds = [*self.seconds[-49:], seconds]

    @property
    def earliest(self) -> float:
        """Before this many seconds hardly any photo was done."""
        return 0.8 * min(self.seconds) if len(self.seconds) >= 5 else 0.0  # noqa: PLR2004


class RemoteLane:
    """Jobs of one remote provider."""

    takes_up_as = JobStatus.SENDING
    adopts = (JobStatus.PROCESSING, JobStatus.FETCHING)
    """What a silent worker left with the vendor is asked about again; it is never sent again."""

    def __init__(self, desk: Desk, provider: RemoteProvider) -> None:
        self.provider = provider
        self._desk = desk
        self._sending: set[asyncio.Task[None]] = set()
        self._fetching: set[asyncio.Task[None]] = set()
        self._in_flight: dict[str, InFlight] = {}
        self._ready: list[InFlight] = []
        self._learned = _Learned()
        self._sender = Sender(desk, provider, on_accepted=self._watch)
        self._next_tick = 0.0
        self._next_recovery = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether any job is in hand."""
        return bool(self._sending or self._fetching or self._in_flight or self._ready)

    async def free(self) -> int:
        """How many more photos may leave now. Ready results are fetched first."""
        room = min(
            SEND_SLOTS - len(self._sending),
            MOST_IN_FLIGHT - len(self._in_flight) - len(self._sending),
        )
        if room <= 0 or self._ready:
            return 0
        state = await self._desk.rows(breakers.state_of, self.provider.alias)
        return room if state.may_be_asked(timezone.now()) else 0

    def start(self, job: PhotoJob) -> None:
        """Begin with a claimed job: send it, or go on where a silent worker left it."""
        work = self._sender.send(job) if job.status == JobStatus.SENDING else self._adopt(job)
        self._spawn(self._sending, job, work)

    async def tick(self) -> None:
        """Ask about what could be done, fetch what is, and settle silent senders' jobs."""
        now = _clock()
        if now >= self._next_recovery:
            self._next_recovery = now + self._desk.lease.total_seconds() / 3
            await self._recover()
            await self._count_credits()
        if self._in_flight and now >= self._next_tick:
            self._next_tick = now + TICK
            await self._ask()
        while self._ready and len(self._fetching) < FETCH_SLOTS:
            photo = self._ready.pop(0)
            self._spawn(self._fetching, photo.job, self._fetch(photo))

    async def wind_up(self, patience: float | None) -> None:
        """Finish sends and fetches within `patience` seconds; let the vendor's photos go on.

        A send that has not passed the barrier is given back; one that has is waited for, and
        held if no answer comes.
        """
        tasks = self._sending | self._fetching
        if tasks:
            await asyncio.wait(tasks, timeout=patience if patience is not None else 30.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for photo in [*self._in_flight.values(), *self._ready]:
            await self._desk.rows(claim.let_go, job=photo.job, now=timezone.now())
        self._in_flight.clear()
        self._ready.clear()

    async def aclose(self) -> None:
        """Close the provider's connections."""
        await self.provider.aclose()

    # Waiting.

    async def _recover(self) -> None:
        now = timezone.now()
        alias = self.provider.alias
        is_free = self.provider.charging is Charging.DOWNLOAD
        for job in await self._desk.rows(claim.silent_senders, provider=alias, now=now):
            await self._desk.rows(send.recover, job=job, is_free_again=is_free, now=now)

    async def _count_credits(self) -> None:
        """Keep a count to reckon from; settle doubts by a new one while nothing is on its way."""
        alias = self.provider.alias
        if self._sending or not await self._desk.rows(held.wants_a_count, provider=alias):
            return
        try:
            left = await self.provider.credits()
        except ProviderError:
            return
        if not self._sending:
            exclusive = self.provider.is_exclusive
            with contextlib.suppress(WrongStateError):
                await self._desk.rows(
                    held.reconcile, provider=alias, credits_left=left, is_exclusive=exclusive
                )

    async def _adopt(self, job: PhotoJob) -> None:
        known = await self._desk.rows(send.last_handle, job)
        if known is None:
            error = ProviderError(Code.PROVIDER_COPY_GONE)
            await end_or_retry(self._desk, job, error)
            return
        self._watch(job, known)

    def _watch(self, job: PhotoJob, row: Disclosure) -> None:
        job.status = JobStatus.PROCESSING
        self._in_flight[row.handle] = InFlight(job, row.handle, _clock(), row.vendor_due_at)

    async def _ask(self) -> None:
        now = _clock()
        due = [
            photo.handle
            for photo in self._in_flight.values()
            if now >= photo.not_before and now - photo.since >= self._learned.earliest
        ]
        most = self.provider.handles_per_call
        calls = [due[start : start + most] for start in range(0, len(due), most)]
        await asyncio.gather(*(self._ask_about(handles) for handles in calls))

    async def _ask_about(self, handles: list[str]) -> None:
        try:
            states = await self.provider.states(handles)
        except ProviderError as error:
            await self._desk.rows(breakers.note_failure, self.provider.alias, error, timezone.now())
            states = dict.fromkeys(handles, error)
        for handle, state in states.items():
            photo = self._in_flight.get(handle)
            if photo is not None:
                await self._heard(photo, state)

    async def _heard(self, photo: InFlight, state: RemoteState | ProviderError) -> None:
        if isinstance(state, ProviderError):
            await self._later(photo, state)
            return
        photo.unheard = 0
        if state.stage is RemoteStage.DONE:
            self._learned.note(_age(photo))
            self._ready.append(self._in_flight.pop(photo.handle))
        elif state.stage is RemoteStage.FAILED:
            await self._give_up(photo, Code.PROVIDER_PROCESSING_FAILED)
        elif _is_too_late(photo) or (state.stage is RemoteStage.GONE and _age(photo) > YOUNG):
            await self._give_up(photo, Code.PROVIDER_COPY_GONE)
        elif state.operation:
            self._desk.note_progress(photo.job, state.operation, 0.5)

    async def _later(self, photo: InFlight, error: ProviderError) -> None:
        """Ask again later: back-off with full jitter, for errors only, never for *not yet*."""
        if not error.retryable or _is_too_late(photo):
            await self._give_up(photo, error.code)
            return
        photo.unheard += 1
        longest = min(30.0, 2.0 ** min(photo.unheard, 5))
        pause = error.retry_after or random.uniform(TICK, longest)  # noqa: S311 - jitter
        photo.not_before = _clock() + pause

    async def _give_up(self, photo: InFlight, code: Code) -> None:
        self._in_flight.pop(photo.handle, None)
        try:
            await self._desk.rows(finish.fail, job=photo.job, code=code, now=timezone.now())
            self._desk.report.failed += 1
        except LostLeaseError:
            self._desk.report.lost += 1

    # Fetching.

    async def _fetch(self, photo: InFlight) -> None:
        try:
            result = await self._result(photo)
            await store(self._desk, photo.job, result)
        except LostLeaseError:
            self._desk.report.lost += 1
        except asyncio.CancelledError:
            await self._desk.rows(claim.let_go, job=photo.job, now=timezone.now())
        except (ProviderError, StorageError) as error:
            await self._fetch_later(photo, error)
        except InvalidPhotoError:
            await self._give_up(photo, Code.RESULT_INVALID)
        except Exception as error:  # noqa: BLE001 - the lease runs out and the job is adopted
            logger.warning("Job %s: fetch: %s.", photo.job.pk, type(error).__name__)
            await self._desk.rows(claim.let_go, job=photo.job, now=timezone.now())

    async def _result(self, photo: InFlight) -> EnhancedPhoto:
        content = bytearray()

        async def sink(piece: bytes) -> None:
            content.extend(piece)

        limit = get_settings().limits.max_result_bytes
        await self.provider.fetch(photo.handle, sink, max_bytes=limit)
        crash_point("after_fetch")
        return await asyncio.to_thread(_as_result, bytes(content), photo.job)

    async def _fetch_later(self, photo: InFlight, error: HiliError) -> None:
        await self._desk.rows(finish.back_to_processing, job=photo.job, now=timezone.now())
        photo.unfetched += 1
        retryable = error.retryable if isinstance(error, ProviderError) else True
        # An outage is waited out while the vendor keeps the photo; a bad answer is not.
        is_outage = error.code in breakers.OPENS
        is_spent = photo.unfetched >= self._desk.settings.max_attempts and not is_outage
        if not retryable or is_spent or _is_too_late(photo):
            await self._give_up(photo, error.code)
            return
        photo.not_before = _clock() + random.uniform(TICK, min(30.0, 2.0**photo.unfetched))  # noqa: S311
        self._in_flight[photo.handle] = photo

    def _spawn(self, kept: set[asyncio.Task[None]], job: PhotoJob, work: object) -> None:
        task = asyncio.create_task(self._guarded(job, work))
        kept.add(task)
        task.add_done_callback(partial(self._put_down, kept, job))

    async def _guarded(self, job: PhotoJob, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except LostLeaseError:
            self._desk.report.lost += 1
        except Exception as error:  # noqa: BLE001 - one photo must not end the worker
            logger.warning("Job %s: %s.", job.pk, type(error).__name__)

    def _put_down(
        self, kept: set[asyncio.Task[None]], job: PhotoJob, task: asyncio.Task[None]
    ) -> None:
        kept.discard(task)
        self._desk.forget(job)


def _as_result(content: bytes, job: PhotoJob) -> EnhancedPhoto:
    """Clean what came from outside and mark it as made by software."""
    limits = get_settings().limits
    photo = clean(content, max_megapixels=limits.max_result_side**2 // 1_000_000)
    return EnhancedPhoto(
        content=marked(photo, dpi=job.dpi, mark=SourceType.MODEL),
        content_type=photo.content_type,
        width=photo.width,
        height=photo.height,
        steps=tuple(Step(name, f"provider:{job.provider}") for name in job.operations),
        warnings=photo.warnings,
    )


def _is_too_late(photo: InFlight) -> bool:
    return photo.due_at is not None and timezone.now() >= photo.due_at - SAFETY


def _age(photo: InFlight) -> float:
    """Seconds since the photo was sent, or since it was adopted from a silent worker."""
    return _clock() - photo.since


def _clock() -> float:
    return asyncio.get_running_loop().time()
