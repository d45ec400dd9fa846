"""Ends a worker's turn with a job: done, failed, or tried again later.

Owns the transactions in which a job ends. The source is condemned in the very transaction
that ends the job, whatever the end. Clauses C16: HILI-4.2, AIART-F2, PIXEL-3.1, MIAO-2.1f.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError
from django_hili.jobs.moves.many import each, held_by, move_all, update_all
from django_hili.media import vault
from django_hili.media.vault import Described
from django_hili.models import EraseCause, JobStatus, Media, MediaKind, MediaState, PhotoJob
from django_hili.privacy.erasure import retention
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.providers.base import EnhancedPhoto, Step
from django_hili.signals import enhancement_failed, photo_enhanced

_WRITTEN = (
    "size", "content_type", "width", "height", "expires_at", "key_bucket", "wrapped_key",
)  # fmt: skip
"""What of a result's row is known, or known anew, once it has been written."""
_NOBODY: dict[str, Any] = {"lease_until": None, "lease_owner": "", "stage": "", "percent": None}


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished photo whose bytes have been written, and the job it ends."""

    job: PhotoJob
    media: Media
    result: Described
    steps: tuple[Step, ...] = ()
    warnings: tuple[Code, ...] = ()


def begin_storing(*, job: PhotoJob, now: dt.datetime, result: EnhancedPhoto | None = None) -> Media:
    """Reserve the row of a result, if the job is still this worker's. Raises `LostLeaseError`."""
    del result  # what it is is said when it has been written
    with transaction.atomic(using=_database()):
        media = begin_storing_all(jobs=[job], now=now).get(job.pk)
        if media is None:
            raise LostLeaseError
        return media


def begin_storing_all(*, jobs: Sequence[PhotoJob], now: dt.datetime) -> dict[uuid.UUID, Media]:
    """Reserve the rows of results, for those jobs that are still this worker's.

    A job that was fetching already goes on: its earlier row has a deadline of its own.
    """
    with transaction.atomic(using=_database()):
        held = move_all(jobs, JobStatus.PROCESSING, JobStatus.FETCHING)
        expires_at = retention.unfinished_result_deadline(now)
        rows = [
            vault.plan(kind=MediaKind.RESULT, now=now, expires_at=expires_at, job_id=job.pk)
            for job in jobs
            if job.pk in held
        ]
        Media.objects.bulk_create(rows)
    return {row.job_id: row for row in rows if row.job_id}


def reserve_raw(*, entries: Sequence[PhotoJob], now: dt.datetime) -> list[Media | None]:
    """Reserve rows for results as they arrive, before they are checked; None for a lost job."""
    mine = PhotoJob.objects.filter(held_by(entries), status=JobStatus.FETCHING)
    held = set(mine.values_list("pk", flat=True))
    expires_at = retention.unfinished_result_deadline(now)
    rows = {
        pk: vault.plan(kind=MediaKind.RESULT, now=now, expires_at=expires_at, job_id=pk)
        for pk in held
    }
    Media.objects.bulk_create(rows.values())
    return [rows.get(job.pk) for job in entries]


def complete(*, job: PhotoJob, media: Media, result: EnhancedPhoto, now: dt.datetime) -> None:
    """End a job as done: the result becomes readable and the source unreadable at once.

    Raises `LostLeaseError` if the job is no longer this worker's; its result is gone then.
    """
    stored = Stored(job, media, result, result.steps, result.warnings)
    try:
        with transaction.atomic(using=_database()):
            is_done = complete_all(entries=[stored], now=now)[0]
    except LostLeaseError:
        is_done = False
    if not is_done:
        discard(media=media, now=now)
        raise LostLeaseError
    clear_up(entries=[job], now=now)


def complete_all(*, entries: Sequence[Stored], now: dt.datetime) -> list[bool]:
    """End jobs as done; say of each whether it was still this worker's.

    To be called in a transaction. Raises `LostLeaseError`, and nothing holds then, where a result
    was condemned while it was being written: by itself, only that one is concerned.
    """
    done = _end_all(entries, now)
    results = {entry.media.pk for entry in entries if entry.job.pk in done}
    if not _publish_all([entry for entry in entries if entry.job.pk in done], now) == results:
        raise LostLeaseError
    condemn(
        Media.objects.filter(job_id__in=done).exclude(pk__in=results), EraseCause.JOB_ENDED, now
    )
    return [entry.job.pk in done for entry in entries]


def discard(*, media: Media, now: dt.datetime) -> None:
    """Condemn a written result that nobody wants any more, and delete its bytes."""
    condemn(Media.objects.filter(pk=media.pk), EraseCause.JOB_ENDED, now)
    vault.discard(media)


def clear_up(*, entries: Sequence[PhotoJob], now: dt.datetime) -> list[None]:
    """Erase what done jobs no longer need, then tell who listens. After the commit."""
    del now
    pks = [job.pk for job in entries]
    erase_condemned(Media.objects.filter(job_id__in=pks))
    if photo_enhanced.has_listeners(PhotoJob):
        for fresh in PhotoJob.objects.filter(pk__in=pks):
            photo_enhanced.send_robust(sender=PhotoJob, job=fresh)
    return [None] * len(pks)


def fail(*, job: PhotoJob, code: Code, now: dt.datetime) -> None:
    """End a job without a result. Raises `LostLeaseError` if it is no longer this worker's."""
    with transaction.atomic(using=_database()):
        _end(job, _state(job), JobStatus.FAILED, now, code=code.value)
        condemn(_media_of(job), EraseCause.JOB_ENDED, now)
    erase_condemned(_media_of(job))
    _announce(enhancement_failed, job)


def back_to_processing(*, job: PhotoJob, now: dt.datetime) -> None:
    """Undo the start of storing, so that the result can be fetched again. Idempotent.

    Raises `LostLeaseError` if the job is no longer this worker's: a result may be another's.
    """
    rows = PhotoJob.objects.filter(pk=job.pk, token=job.token)
    with transaction.atomic(using=_database()):
        ours = rows.filter(status__in=[JobStatus.FETCHING, JobStatus.PROCESSING])
        if not ours.update(status=JobStatus.PROCESSING):
            raise LostLeaseError
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


def _end_all(entries: Sequence[Stored], now: dt.datetime) -> set[uuid.UUID]:
    words = {entry.job.pk: _what_was_done(entry) for entry in entries}
    own = {
        name: each(
            PhotoJob,
            name,
            {pk: said[name] for pk, said in words.items()},
            using=_database(),
        )
        for name in ("steps", "warnings")
    }
    return move_all(
        [entry.job for entry in entries],
        JobStatus.FETCHING,
        JobStatus.DONE,
        ended_at=now,
        expires_at=retention.job_deadline(now),
        **_NOBODY,
        **own,
    )


def _publish_all(entries: Sequence[Stored], now: dt.datetime) -> set[uuid.UUID]:
    """Make written results readable, unless condemned meanwhile; return which are."""
    if not entries:
        return set()
    media = {entry.media.pk: entry.media for entry in entries}
    for entry in entries:
        entry.media.content_type = entry.result.content_type
        entry.media.width, entry.media.height = entry.result.width, entry.result.height
        entry.media.expires_at = retention.result_deadline(now, promised=entry.job.result_kept)
        if entry.media.format_number:
            vault.rewrap(entry.media, now)
    own = {
        name: each(
            Media, name, {pk: getattr(row, name) for pk, row in media.items()}, using=_database()
        )
        for name in _WRITTEN
    }
    rows = Media.objects.filter(pk__in=list(media))
    return update_all(
        rows.filter(state=MediaState.WRITING),
        rows.filter(state=MediaState.LIVE),
        set(media),
        state=MediaState.LIVE,
        **own,
    )


def _state(job: PhotoJob) -> JobStatus:
    """Where the job is now, in the database; the row in hand may be older."""
    status = PhotoJob.objects.filter(pk=job.pk, token=job.token).values_list("status", flat=True)
    found = status.first()
    if found not in {JobStatus.SENDING, JobStatus.PROCESSING, JobStatus.FETCHING}:
        raise LostLeaseError
    return JobStatus(found)


def _what_was_done(stored: Stored) -> dict[str, list[Any]]:
    warnings = [*stored.job.warnings, *(code.value for code in stored.warnings)]
    for step in stored.steps:
        warnings += step.warnings
    steps = [
        {"operation": step.operation, "method": step.method, "confidence": step.confidence}
        for step in stored.steps
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
