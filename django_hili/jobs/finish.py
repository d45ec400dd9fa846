"""Ends a worker's turn with a job: done, failed, or tried again later.

Owns the transactions in which a job ends. The source is condemned in the very transaction
that ends the job, whatever the end. Clauses C16: HILI-4.2, AIART-F2, PIXEL-3.1, MIAO-2.1f.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import router, transaction

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError
from django_hili.jobs.crash import crash_point
from django_hili.media import vault
from django_hili.models import EraseCause, JobStatus, Media, MediaKind, PhotoJob
from django_hili.privacy import retention
from django_hili.privacy.erase import condemn, erase_condemned
from django_hili.providers.base import EnhancedPhoto
from django_hili.signals import enhancement_failed, photo_enhanced

_NOBODY: dict[str, Any] = {"lease_until": None, "lease_owner": "", "stage": "", "percent": None}


def begin_storing(*, job: PhotoJob, result: EnhancedPhoto, now: dt.datetime) -> Media:
    """Reserve the row of a result, if the job is still this worker's. Raises `LostLeaseError`."""
    with transaction.atomic(using=_database()):
        _move(job, JobStatus.PROCESSING, JobStatus.FETCHING)
        return vault.reserve(
            result,
            kind=MediaKind.RESULT,
            now=now,
            expires_at=retention.unfinished_result_deadline(now),
            job_id=job.pk,
        )


def complete(*, job: PhotoJob, media: Media, result: EnhancedPhoto, now: dt.datetime) -> None:
    """End a job as done: the result becomes readable and the source unreadable at once.

    Raises `LostLeaseError` if the job is no longer this worker's; its result is gone then.
    """
    try:
        with transaction.atomic(using=_database()):
            _end(job, JobStatus.FETCHING, JobStatus.DONE, now, **_what_was_done(job, result))
            _publish(media, job)
            kept = Media.objects.filter(pk=media.pk)
            kept.update(expires_at=retention.result_deadline(now))
            condemn(_media_of(job).exclude(pk=media.pk), EraseCause.JOB_ENDED, now)
    except LostLeaseError:
        condemn(Media.objects.filter(pk=media.pk), EraseCause.JOB_ENDED, now)
        vault.discard(media)
        raise
    crash_point("after_commit")
    erase_condemned(_media_of(job))
    _announce(photo_enhanced, job)


def fail(*, job: PhotoJob, code: Code, now: dt.datetime) -> None:
    """End a job without a result. Raises `LostLeaseError` if it is no longer this worker's."""
    with transaction.atomic(using=_database()):
        _end(job, _state(job), JobStatus.FAILED, now, code=code.value)
        condemn(_media_of(job), EraseCause.JOB_ENDED, now)
    erase_condemned(_media_of(job))
    _announce(enhancement_failed, job)


def back_to_processing(*, job: PhotoJob, now: dt.datetime) -> None:
    """Undo the start of storing, so that the result can be fetched again. Idempotent."""
    rows = PhotoJob.objects.filter(pk=job.pk, token=job.token)
    with transaction.atomic(using=_database()):
        rows.filter(status=JobStatus.FETCHING).update(status=JobStatus.PROCESSING)
        condemn(_media_of(job).filter(kind=MediaKind.RESULT), EraseCause.JOB_ENDED, now)


def try_again(*, job: PhotoJob, delay: dt.timedelta, now: dt.datetime) -> None:
    """Queue a job again for later. Raises `LostLeaseError` if it is no longer this worker's."""
    with transaction.atomic(using=_database()):
        _move(job, _state(job), JobStatus.QUEUED, due_at=now + delay, **_NOBODY)
        unfinished = _media_of(job).filter(kind=MediaKind.RESULT)
        condemn(unfinished, EraseCause.JOB_ENDED, now)
    erase_condemned(_media_of(job))


def _end(
    job: PhotoJob, source: JobStatus, target: JobStatus, now: dt.datetime, **changes: Any
) -> None:
    kept_until = retention.job_deadline(now)
    _move(job, source, target, ended_at=now, expires_at=kept_until, **_NOBODY, **changes)


def _move(job: PhotoJob, source: JobStatus, target: JobStatus, **changes: Any) -> None:
    if not PhotoJob.objects.move(job.pk, source, target, token=job.token, **changes):
        raise LostLeaseError


def _publish(media: Media, job: PhotoJob) -> None:
    if not vault.publish(media, job_id=job.pk):
        raise LostLeaseError


def _state(job: PhotoJob) -> JobStatus:
    """Where the job is now, in the database; the row in hand may be older."""
    status = PhotoJob.objects.filter(pk=job.pk, token=job.token).values_list("status", flat=True)
    found = status.first()
    if found not in {JobStatus.SENDING, JobStatus.PROCESSING, JobStatus.FETCHING}:
        raise LostLeaseError
    return JobStatus(found)


def _what_was_done(job: PhotoJob, result: EnhancedPhoto) -> dict[str, Any]:
    warnings = [*job.warnings, *(code.value for code in result.warnings)]
    for step in result.steps:
        warnings += step.warnings
    steps = [
        {"operation": step.operation, "method": step.method, "confidence": step.confidence}
        for step in result.steps
    ]
    return {"steps": steps, "warnings": list(dict.fromkeys(warnings))}


def _media_of(job: PhotoJob) -> Any:
    return Media.objects.filter(job_id=job.pk)


def _announce(signal: Any, job: PhotoJob) -> None:
    fresh = PhotoJob.objects.filter(pk=job.pk).first()
    if fresh is not None:
        signal.send_robust(sender=PhotoJob, job=fresh)


def _database() -> str:
    return router.db_for_write(PhotoJob)
