"""One photo leaving for a remote provider, from the intention to the answer.

Owns what follows from each way a send can end. The order that makes paying twice impossible is
`send.py`'s; what happens to an accepted photo is `remote.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import DatabaseError
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import (
    HiliConfigurationError,
    LostLeaseError,
    ProviderError,
    StorageError,
    log_name,
)
from django_hili.jobs.moves import breakers, claim, send
from django_hili.jobs.moves.breakers import Gate
from django_hili.jobs.moves.send import Acceptance, Prepared
from django_hili.jobs.worker.budget import Share
from django_hili.jobs.worker.crash import crash_point
from django_hili.jobs.worker.desk import Desk
from django_hili.jobs.worker.direct import end_or_retry
from django_hili.media import vault
from django_hili.models import Disclosure, Media, PhotoJob
from django_hili.models.provider_state import SEND_SLOTS
from django_hili.providers.remote import MOST_IN_DOUBT, Charging, RemoteProvider, Upload

PATIENCE = 0.02
"""Seconds that a write may wait for others to be written with it, where others are expected."""

LONG_PATIENCE = 0.25
"""The same for what nobody waits for."""

KEEP_TRYING = 1.0
"""Seconds between two tries to keep an answer."""

logger = logging.getLogger(__name__)

OnAccepted = Callable[[PhotoJob, Disclosure], None]


@dataclass(slots=True)
class _Attempt:
    """One send as it goes along."""

    job: PhotoJob
    row: Disclosure
    has_passed: bool = False
    is_in_doubt: bool = False
    """Past the barrier, with nothing written yet about how it ended."""


class Sender:
    """Sends photos to one remote provider, as many at a time as its budget allows."""

    def __init__(
        self, desk: Desk, provider: RemoteProvider, gate: Gate, *, on_accepted: OnAccepted,
        in_hand: Callable[[], int],
    ) -> None:  # fmt: skip
        self.budget = Share(SEND_SLOTS)
        self._desk = desk
        self._provider = provider
        self._gate = gate
        self._on_accepted = on_accepted
        self._in_hand = in_hand
        """How many jobs are being sent, or wait to be."""
        self._max_in_doubt = min(provider.max_in_doubt, MOST_IN_DOUBT)
        self._doubt = asyncio.Semaphore(self._max_in_doubt)
        self.unanswered = 0
        """Sends that wait for a slot, are leaving, or wait for their answers."""
        self._leaving = 0
        """Sends that have begun and are not past the barrier."""
        self._in_doubt_now = 0
        """Sends past the barrier without an answer."""
        self._is_away = False
        """Whether a photo was left in doubt since the provider was last known to be there."""

    @property
    def _is_free(self) -> bool:
        """Whether sending a photo again costs nothing."""
        return self._provider.charging is Charging.DOWNLOAD

    async def prepare(self, jobs: Sequence[PhotoJob]) -> list[Prepared]:
        """Write down, all at once, that the photos of claimed jobs are about to leave."""
        offer, now = self._provider.capabilities, timezone.now()
        self._is_away = False
        try:
            return await self._desk.rows(send.prepare, jobs=jobs, capabilities=offer, now=now)
        except Exception as error:  # noqa: BLE001 - nothing has left yet
            if len(jobs) == 1:
                await end_or_retry(self._desk, jobs[0], error)
                return []
            return [found for job in jobs for found in await self.prepare([job])]

    async def send(self, prepared: Prepared) -> None:
        """Send a claimed job's photo once, and write down how that ended."""
        job = prepared.job
        if prepared.known is not None:
            # The vendor has it already: an answer that was taken for lost came after all.
            await self._desk.rows(send.resume, job=job)
            self._on_accepted(job, prepared.known)
        elif prepared.source is None or prepared.row is None:
            await end_or_retry(self._desk, job, StorageError(Code.SOURCE_GONE))
        else:
            crash_point("after_intend")
            await self._send_once(_Attempt(job, prepared.row), prepared.source)

    async def _send_once(self, attempt: _Attempt, source: Media) -> None:
        try:
            handle = await self._leave(attempt, source)
            await self._accepted(attempt, handle)
        except asyncio.CancelledError:
            await self._cut_short(attempt)
        except ProviderError as error:
            await self._not_accepted(attempt, error)
        except LostLeaseError:
            self._desk.report.lost += 1
        except _OversleptError:
            await self._unsent(attempt)
        except _HeldBackError as wait:
            await self._unsent(attempt, until=wait.until)
        except HiliConfigurationError:
            # The set-up is wrong, not the photo: wait for somebody to put it right.
            await self._not_accepted(attempt, _wrong_setup())
        except Exception as error:  # noqa: BLE001 - what is not known to be free is in doubt
            await self._broken(attempt, error)
        finally:
            self._settle(attempt)

    async def _leave(self, attempt: _Attempt, source: Media) -> str:
        upload = Upload(source.size, source.content_type, partial(_pieces, source))
        self.unanswered += 1
        try:
            async with self.budget.slot():
                self._check_there()
                if until := self._gate.shut_until(timezone.now()):
                    raise _HeldBackError(until)
                self._leaving += 1
                try:
                    return await self._provider.send(
                        upload, attempt.job.enhancement, barrier=partial(self._barrier, attempt)
                    )
                finally:
                    self._leaving -= not attempt.has_passed
        finally:
            self.unanswered -= 1

    def _check_there(self) -> None:
        """Raise once a photo was left in doubt: the next would only share its fate."""
        if self._is_away:
            raise ProviderError(Code.PROVIDER_DOWN, retryable=True, charged=False)

    async def _barrier(self, attempt: _Attempt) -> None:
        crash_point("before_barrier")
        await self._doubt.acquire()
        began, may_pass = asyncio.get_running_loop().time(), False
        try:
            self._check_there()
            may_pass = await self._desk.write(
                send.pass_barrier_all,
                (attempt.job, attempt.row),
                company=min(self._max_in_doubt - self._in_doubt_now, self._leaving),
                patience=PATIENCE,
            )
        finally:
            if not may_pass:
                self._doubt.release()
        if not may_pass:
            raise LostLeaseError
        attempt.has_passed = attempt.is_in_doubt = True
        self._leaving -= 1
        self._in_doubt_now += 1
        crash_point("after_barrier")
        if asyncio.get_running_loop().time() - began >= self._desk.lease.total_seconds():
            # Asleep since the commit, so somebody may have judged this send: it never leaves.
            raise _OversleptError

    async def _accepted(self, attempt: _Attempt, handle: str) -> None:
        crash_point("after_answer")
        kept = self._provider.capabilities.copy_kept_seconds
        kept_for = dt.timedelta(seconds=kept) if kept else None
        await self._write_down(Acceptance(attempt.row, handle, self._provider.charging, kept_for))
        self._settle(attempt)
        crash_point("after_accepted")
        self.budget.grow()
        if not self._gate.is_quiet:
            with contextlib.suppress(DatabaseError):  # the next one says so too
                await self._desk.rows(breakers.note_success, self._provider.alias)
            self._gate.forget()
        # No hurry: a crash before this goes on from the answer in the ledger.
        if not await self._desk.write_surely(
            send.under_way_all, attempt.job, company=self._in_hand(), patience=LONG_PATIENCE
        ):
            raise LostLeaseError
        attempt.row.handle = handle
        attempt.row.vendor_due_at = timezone.now() + kept_for if kept_for else None
        self._on_accepted(attempt.job, attempt.row)

    async def _write_down(self, answer: Acceptance) -> None:
        """Write an answer into the ledger, until it is there: only this process knows it.

        It is sealed on the way, so the keys' storage has to be there as well as the database.
        """
        while True:
            try:
                await self._desk.write_surely(
                    send.answered_all, answer, company=self._in_doubt_now, patience=PATIENCE
                )
            except Exception as error:  # noqa: BLE001 - every storage has errors of its own
                why = log_name(error)
                logger.warning("Send %s: the answer cannot be kept: %s.", answer.row.pk, why)
                await asyncio.sleep(KEEP_TRYING)
            else:
                return

    def _settle(self, attempt: _Attempt) -> None:
        """Let the next photo pass the barrier: what became of this one is written down."""
        if attempt.is_in_doubt:
            attempt.is_in_doubt = False
            self._in_doubt_now -= 1
            self._doubt.release()

    async def _not_accepted(self, attempt: _Attempt, error: ProviderError) -> None:
        if error.charged is not False:
            self._is_away = True
            await self._in_doubt(attempt, error.vendor_words)
            trouble = ProviderError(Code.PROVIDER_DOWN)
            until = await self._desk.rows(
                breakers.note_failure, self._provider.alias, trouble, timezone.now()
            )
            self._gate.forget(until)
            return
        now = timezone.now()
        if error.retry_after is not None:
            # Before anything is awaited: the next photo waits for this one's slot.
            self._gate.forget(now + dt.timedelta(seconds=error.retry_after))
        self.budget.heard(error)
        await self._desk.rows_surely(send.refused, send=attempt.row, error=error, now=now)
        again = await self._desk.rows(breakers.note_failure, self._provider.alias, error, now)
        self._gate.forget(again)
        if error.code is Code.PROVIDER_CLOCK_LEARNED:
            again = now  # our clock was wrong, not the photo: at once, with the right one
        if again is None:
            await end_or_retry(self._desk, attempt.job, error)
        else:
            # The provider is at fault, not the photo: wait without counting the attempt.
            await self._desk.rows(claim.put_off, job=attempt.job, until=again)
            self._desk.report.again += 1

    async def _in_doubt(self, attempt: _Attempt, words: str) -> None:
        now, job, row = timezone.now(), attempt.job, attempt.row
        if self._is_free:
            verb = send.doubt_that_is_free
            await self._desk.rows_surely(verb, job=job, send=row, words=words, now=now)
            return
        is_held = await self._desk.rows_surely(
            send.in_doubt, job=job, send=row, words=words, now=now
        )
        self._desk.report.held += is_held

    async def _cut_short(self, attempt: _Attempt) -> None:
        """The worker stops. Before the barrier the photo is simply given back."""
        if attempt.has_passed:
            await self._in_doubt(attempt, "")
            return
        await self._unsent(attempt)

    async def _unsent(self, attempt: _Attempt, until: dt.datetime | None = None) -> None:
        """The last bytes have not left and never will: give the photo back, to wait `until`."""
        unsent = ProviderError(Code.SEND_UNKNOWN, charged=False)
        now = timezone.now()
        await self._desk.rows_surely(send.refused, send=attempt.row, error=unsent, now=now)
        await self._desk.rows_surely(claim.put_off, job=attempt.job, until=until or now)

    async def _broken(self, attempt: _Attempt, error: Exception) -> None:
        if attempt.has_passed and self._is_free and not isinstance(error, DatabaseError):
            # A fault that nobody knows, of this side: it would be there the next time as well.
            if await self._desk.rows_surely(send.unanswered, send=attempt.row):
                await end_or_retry(self._desk, attempt.job, error)
            else:
                now = timezone.now()
                await self._desk.rows_surely(claim.let_go, jobs=[attempt.job], now=now)
            return
        if attempt.has_passed:
            await self._in_doubt(attempt, "")
            return
        unsent = ProviderError(Code.SEND_UNKNOWN, charged=False)
        now = timezone.now()
        await self._desk.rows_surely(send.refused, send=attempt.row, error=unsent, now=now)
        if isinstance(error, DatabaseError):
            # Not the photo's fault: the barrier could not be written down.
            await self._desk.rows_surely(claim.release, job=attempt.job, now=now)
            return
        await end_or_retry(self._desk, attempt.job, error)


class _OversleptError(Exception):
    """The barrier was passed so long ago that the photo must not leave any more."""


class _HeldBackError(Exception):
    """The provider has said meanwhile, here or to another worker, that it is not to be asked."""

    def __init__(self, until: dt.datetime) -> None:
        self.until = until
        super().__init__()


async def _pieces(source: Media) -> AsyncIterator[bytes]:
    pieces, left = vault.stream_claimed(source), source.size
    while left > 0 and (piece := await asyncio.to_thread(next, pieces, b"")):
        crash_point("mid_body")
        left -= len(piece)
        yield piece


def _wrong_setup() -> ProviderError:
    return ProviderError(Code.PROVIDER_BAD_CREDENTIALS, retryable=True, charged=False)
