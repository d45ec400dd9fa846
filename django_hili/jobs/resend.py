"""Has a provider process a photo again that it still holds, while the caller waits for its word.

Owns one send without a photo: the ledger row, the barrier and the answer are those of every other
send. No bytes leave but what shall be done, so it is over in a moment; from the answer on, a
worker follows the new job like any other. Clauses C13: HILI-API-1.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import secrets
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import router, transaction
from django.utils import timezone

from django_hili import queue
from django_hili.codes import Code
from django_hili.exceptions import (
    HiliConfigurationError,
    LostLeaseError,
    ProviderError,
    WrongStateError,
)
from django_hili.jobs.moves import breakers, send
from django_hili.jobs.moves.lineage import claim_repeat
from django_hili.jobs.queries import kept_copy_of
from django_hili.jobs.submit import columns_of
from django_hili.models import Disclosure, JobStatus, PhotoJob
from django_hili.privacy.consent.entry import Entry, ask_to_repeat
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.providers.registry import build_provider
from django_hili.providers.remote import Charging, RemoteProvider
from django_hili.vocabulary import Enhancement

PATIENCE = 30.0
"""Seconds that the provider has for its answer."""
_LEASE = dt.timedelta(seconds=3 * PATIENCE)
"""Longer than the call may take; a process that dies meanwhile is found by a worker after it."""


def resend(*, job: PhotoJob, enhancement: Enhancement, preset: str, requested_by: Any) -> PhotoJob:
    """Make a job of the photo that the provider of an ended `job` still holds; return it.

    It is being processed, or held where nobody knows whether the provider took it. Raises
    `ProviderError` where it certainly did not, and `WrongStateError`; no job is left then.
    Must not be called in a transaction: the ledger has to be written before the call.
    """
    copy = kept_copy_of(job)
    provider = build_provider(job.provider)
    if copy is None or not isinstance(provider, RemoteProvider):
        raise WrongStateError(Code.UPLOAD_AGAIN)
    entry = ask_to_repeat(job=job, provider=job.provider)
    again, row = _intend(entry, job, enhancement, preset, requested_by, provider)
    attempt = _Attempt(provider, again, row)
    try:
        handle = async_to_sync(attempt.ask)(copy.handle)
    except (HiliConfigurationError, LostLeaseError, ProviderError, TimeoutError) as error:
        return attempt.not_answered(error)
    return attempt.answered(handle)


def _intend(
    entry: Entry, job: PhotoJob, enhancement: Enhancement, preset: str, requested_by: Any,
    provider: RemoteProvider,
) -> tuple[PhotoJob, Disclosure]:  # fmt: skip
    """Commit the new job, already in this caller's hands, and the send that is intended."""
    now = timezone.now()
    with transaction.atomic(using=router.db_for_write(PhotoJob), durable=True):
        owner_ref = entry.confirm()
        actor_ref = subject_ref_for(requested_by) if requested_by is not None else owner_ref
        claim_repeat(job=job, enhancement=enhancement)
        again = PhotoJob.objects.create(
            **entry.columns(),
            **columns_of(enhancement, now),
            again_of=job.pk,
            subject_ref=owner_ref,
            requested_by_ref=actor_ref,
            provider=job.provider,
            preset=preset,
            source_mark=job.source_mark,
            target_model=job.target_model,
            target_pk=job.target_pk,
            target_field=job.target_field,
            status=JobStatus.SENDING,
            started_at=now,
            token=1,
            attempts=1,
            lease_owner=secrets.token_hex(8),
            lease_until=now + _LEASE,
        )
        rows = send.intend(
            jobs=[again], sizes={again.pk: 0}, capabilities=provider.capabilities, now=now
        )
    return again, rows[again.pk]


class _Attempt:
    """One send as it goes along."""

    def __init__(self, provider: RemoteProvider, job: PhotoJob, row: Disclosure) -> None:
        self._provider = provider
        self._job = job
        self._row = row
        self._has_passed = False

    async def ask(self, handle: str) -> str:
        """Ask the provider, and return the handle of the photo to come."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._provider.send_again(
                    handle, self._job.enhancement, barrier=self._barrier
                )
        finally:
            await self._provider.aclose()

    async def _barrier(self) -> None:
        await sync_to_async(self._pass)()
        self._has_passed = True

    def _pass(self) -> None:
        send.pass_barrier(job=self._job, send=self._row, now=timezone.now())

    def answered(self, handle: str) -> PhotoJob:
        """Write that the provider took the photo, and leave the job to the next worker."""
        kept = self._provider.capabilities.copy_kept_seconds
        kept_for = dt.timedelta(seconds=kept) if kept else None
        database = router.db_for_write(PhotoJob)
        with transaction.atomic(using=database):
            with contextlib.suppress(LostLeaseError):  # cancelled meanwhile; the ledger is written
                send.accepted(
                    job=self._job,
                    send=self._row,
                    handle=handle,
                    charging=self._provider.charging,
                    kept_for=kept_for,
                    now=timezone.now(),
                )
            PhotoJob.objects.filter(
                pk=self._job.pk, token=self._job.token, status=JobStatus.PROCESSING
            ).update(lease_until=timezone.now(), lease_owner="")
            queue.wake(database)
        breakers.note_success(self._provider.alias)
        return self._fresh()

    def not_answered(self, error: Exception) -> PhotoJob:
        """Write what the failure means; raise it where nothing can have been charged."""
        failure = self._as_failure(error)
        now = timezone.now()
        if failure.charged is False or self._provider.charging is Charging.DOWNLOAD:
            send.refused(send=self._row, error=failure, now=now)
            PhotoJob.objects.filter(pk=self._job.pk, token=self._job.token).delete()
            breakers.note_failure(self._provider.alias, failure, now)
            raise failure from None
        send.in_doubt(job=self._job, send=self._row, words=failure.vendor_words, now=now)
        return self._fresh()

    def _as_failure(self, error: Exception) -> ProviderError:
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, TimeoutError):
            charged = None if self._has_passed else False
            return ProviderError(Code.PROVIDER_DOWN, charged=charged)
        if isinstance(error, HiliConfigurationError):
            return ProviderError(Code.PROVIDER_BAD_CREDENTIALS, charged=False)
        return ProviderError(Code.JOB_CHANGED, charged=False)

    def _fresh(self) -> PhotoJob:
        return PhotoJob.objects.get(pk=self._job.pk)
