"""One photo leaving for a remote provider, from the intention to the answer.

Owns what follows from each way a send can end. The order that makes paying twice impossible is
`send.py`'s; what happens to an accepted photo is `remote.py`'s.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import HiliConfigurationError, LostLeaseError, ProviderError
from django_hili.jobs import breakers, claim, send
from django_hili.jobs.crash import crash_point
from django_hili.jobs.desk import Desk
from django_hili.jobs.direct import end_or_retry, source_of
from django_hili.media import vault
from django_hili.models import Disclosure, Media, PhotoJob
from django_hili.providers.remote import Charging, RemoteProvider, Upload

IN_DOUBT_SLOTS = 4
"""Photos that may be between the barrier and the vendor's answer at any time."""

OnAccepted = Callable[[PhotoJob, Disclosure], None]


@dataclass(slots=True)
class _Attempt:
    """One send as it goes along."""

    job: PhotoJob
    row: Disclosure
    has_passed: bool = False


class Sender:
    """Sends photos to one remote provider."""

    def __init__(self, desk: Desk, provider: RemoteProvider, *, on_accepted: OnAccepted) -> None:
        self._desk = desk
        self._provider = provider
        self._on_accepted = on_accepted
        self._doubt = asyncio.Semaphore(IN_DOUBT_SLOTS)

    async def send(self, job: PhotoJob) -> None:
        """Send a claimed job's photo once, and write down how that ended."""
        known = await self._desk.rows(send.last_handle, job)
        if known is not None:
            # The vendor has it already: an answer that was taken for lost came after all.
            await self._desk.rows(send.resume, job=job)
            self._on_accepted(job, known)
            return
        try:
            source = await self._desk.rows(source_of, job)
            rows = await self._desk.rows(
                send.intend,
                jobs=[job],
                sizes={job.pk: source.size},
                capabilities=self._provider.capabilities,
                now=timezone.now(),
            )
        except Exception as error:  # noqa: BLE001 - nothing has left yet
            await end_or_retry(self._desk, job, error)
            return
        crash_point("after_intend")
        await self._send_once(_Attempt(job, rows[job.pk]), source)

    async def _send_once(self, attempt: _Attempt, source: Media) -> None:
        job = attempt.job
        upload = Upload(source.size, source.content_type, partial(_pieces, source))
        try:
            handle = await self._provider.send(
                upload, job.enhancement, barrier=partial(self._barrier, attempt)
            )
        except asyncio.CancelledError:
            await self._cut_short(attempt)
        except ProviderError as error:
            await self._not_accepted(attempt, error)
        except LostLeaseError:
            self._desk.report.lost += 1
        except HiliConfigurationError:
            # The set-up is wrong, not the photo: wait for somebody to put it right.
            await self._not_accepted(attempt, _wrong_setup())
        except Exception as error:  # noqa: BLE001 - what is not known to be free is in doubt
            await self._broken(attempt, error)
        else:
            await self._accepted(attempt, handle)
        finally:
            if attempt.has_passed:
                self._doubt.release()

    async def _barrier(self, attempt: _Attempt) -> None:
        crash_point("before_barrier")
        await self._doubt.acquire()
        try:
            now = timezone.now()
            await self._desk.rows(send.pass_barrier, job=attempt.job, send=attempt.row, now=now)
        except BaseException:
            self._doubt.release()
            raise
        attempt.has_passed = True
        crash_point("after_barrier")

    async def _accepted(self, attempt: _Attempt, handle: str) -> None:
        crash_point("after_answer")
        kept = self._provider.capabilities.copy_kept_seconds
        now = timezone.now()
        kept_for = dt.timedelta(seconds=kept) if kept else None
        try:
            await self._desk.rows_surely(
                send.accepted,
                job=attempt.job,
                send=attempt.row,
                handle=handle,
                charging=self._provider.charging,
                kept_for=kept_for,
                now=now,
            )
        except LostLeaseError:
            self._desk.report.lost += 1
            return
        crash_point("after_accepted")
        await self._desk.rows(breakers.note_success, self._provider.alias)
        attempt.row.handle = handle
        attempt.row.vendor_due_at = now + kept_for if kept_for else None
        self._on_accepted(attempt.job, attempt.row)

    async def _not_accepted(self, attempt: _Attempt, error: ProviderError) -> None:
        if error.charged is not False:
            await self._in_doubt(attempt, error.vendor_words)
            return
        now = timezone.now()
        await self._desk.rows_surely(send.refused, send=attempt.row, error=error, now=now)
        again = await self._desk.rows(breakers.note_failure, self._provider.alias, error, now)
        if again is None:
            await end_or_retry(self._desk, attempt.job, error)
        else:
            # The provider is at fault, not the photo: wait without counting the attempt.
            await self._desk.rows(claim.put_off, job=attempt.job, until=again)
            self._desk.report.again += 1

    async def _in_doubt(self, attempt: _Attempt, words: str) -> None:
        is_free = self._provider.charging is Charging.DOWNLOAD
        verb = send.doubt_that_is_free if is_free else send.in_doubt
        now = timezone.now()
        await self._desk.rows_surely(verb, job=attempt.job, send=attempt.row, words=words, now=now)
        self._desk.report.held += 0 if is_free else 1

    async def _cut_short(self, attempt: _Attempt) -> None:
        """The worker stops. Before the barrier the photo is simply given back."""
        if attempt.has_passed:
            await self._in_doubt(attempt, "")
            return
        unsent = ProviderError(Code.SEND_UNKNOWN, charged=False)
        now = timezone.now()
        await self._desk.rows_surely(send.refused, send=attempt.row, error=unsent, now=now)
        await self._desk.rows(claim.release, job=attempt.job, now=now)

    async def _broken(self, attempt: _Attempt, error: Exception) -> None:
        if attempt.has_passed:
            await self._in_doubt(attempt, "")
            return
        unsent = ProviderError(Code.SEND_UNKNOWN, charged=False)
        await self._desk.rows_surely(
            send.refused, send=attempt.row, error=unsent, now=timezone.now()
        )
        await end_or_retry(self._desk, attempt.job, error)


async def _pieces(source: Media) -> AsyncIterator[bytes]:
    pieces = vault.stream(source)
    while piece := await asyncio.to_thread(next, pieces, b""):
        crash_point("mid_body")
        yield piece


def _wrong_setup() -> ProviderError:
    return ProviderError(Code.PROVIDER_BAD_CREDENTIALS, retryable=True, charged=False)
