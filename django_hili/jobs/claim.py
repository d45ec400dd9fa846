"""Takes jobs up for one worker, keeps them its own, and lets them go.

A claim gives the job a lease and a new fencing token. Every later write carries the token,
so a worker that was paused past its lease can change nothing. A job whose worker fell silent
is simply claimed again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django.db import connections, router, transaction
from django.db.models import F, Q

from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import ACTIVE


def claim(
    *,
    worker: str,
    limit: int,
    lease: dt.timedelta,
    now: dt.datetime,
    provider: str,
    takes_up_as: JobStatus = JobStatus.PROCESSING,
    adopts: Sequence[JobStatus] = (JobStatus.PROCESSING, JobStatus.FETCHING),
    only: Sequence[uuid.UUID] | None = None,
) -> list[PhotoJob]:
    """Take up at most `limit` due jobs of a provider, and silent workers' jobs before them.

    A waiting job goes on as `takes_up_as`; one that a silent worker left in a state of `adopts`
    goes on as processing. Each is claimed by one conditional update; where two workers reach
    for the same row, one of them gets it. `only` narrows the choice to the jobs a caller waits
    for.
    """
    database = router.db_for_write(PhotoJob)
    rows = PhotoJob.objects.using(database).filter(provider=provider)
    if only is not None:
        rows = rows.filter(pk__in=only)
    silent = Q(status__in=list(adopts), lease_until__lte=now)
    waiting = Q(status=JobStatus.QUEUED, due_at__lte=now)
    candidates = [
        (*row, claimable, status)
        for claimable, status in ((silent, JobStatus.PROCESSING), (waiting, takes_up_as))
        for row in rows.filter(claimable).order_by("due_at").values_list("pk", "token")[:limit]
    ][:limit]
    if not candidates:
        return []
    with transaction.atomic(using=database):
        claimed = [
            pk
            for pk, token, claimable, status in candidates
            if rows.filter(claimable, pk=pk, token=token).update(
                status=status,
                token=F("token") + 1,
                attempts=F("attempts") + 1,
                lease_owner=worker,
                lease_until=now + lease,
                started_at=now,
                stage="",
                percent=None,
            )
        ]
    return list(PhotoJob.objects.using(database).filter(pk__in=claimed, lease_owner=worker))


def keep(*, worker: str, lease: dt.timedelta, now: dt.datetime) -> int:
    """Renew the lease of everything a worker has in hand. Returns how many jobs that is."""
    mine = PhotoJob.objects.filter(lease_owner=worker, status__in=ACTIVE)
    return mine.update(lease_until=now + lease)


def report(*, job: PhotoJob, stage: str, percent: int) -> None:
    """Write down how far a job is. Changes nothing if the job is no longer this worker's."""
    rows = PhotoJob.objects.filter(pk=job.pk, token=job.token, status__in=ACTIVE)
    rows.update(stage=stage, percent=percent)


def release(*, job: PhotoJob, now: dt.datetime) -> bool:
    """Give a job back untouched, for the next worker to take up at once."""
    return put_off(job=job, until=now)


def let_go(*, job: PhotoJob, now: dt.datetime) -> bool:
    """Leave a job in its state for the next worker to adopt at once."""
    mine = PhotoJob.objects.filter(pk=job.pk, token=job.token, status__in=ACTIVE)
    return bool(mine.update(lease_until=now, lease_owner=""))


def put_off(*, job: PhotoJob, until: dt.datetime) -> bool:
    """Queue a job again without counting the attempt: the provider was the reason."""
    mine = PhotoJob.objects.filter(pk=job.pk, token=job.token, status__in=ACTIVE)
    return bool(
        mine.update(
            status=JobStatus.QUEUED,
            lease_until=None,
            lease_owner="",
            attempts=F("attempts") - 1,
            due_at=until,
            stage="",
            percent=None,
        )
    )


def silent_senders(*, provider: str, now: dt.datetime) -> list[PhotoJob]:
    """Return the jobs whose worker fell silent while a photo was leaving."""
    rows = PhotoJob.objects.filter(provider=provider, status=JobStatus.SENDING)
    return list(rows.filter(lease_until__lte=now))


def has_work(*, now: dt.datetime, only: Sequence[uuid.UUID] | None = None) -> bool:
    """Whether any job could be claimed right now."""
    rows = PhotoJob.objects.filter(_claimable(now))
    return (rows if only is None else rows.filter(pk__in=only)).exists()


def has_unfinished(*, only: Sequence[uuid.UUID] | None = None) -> bool:
    """Whether any job is still to be done, now or later, here or by another worker."""
    rows = PhotoJob.objects.filter(status__in=[JobStatus.QUEUED, *ACTIVE])
    return (rows if only is None else rows.filter(pk__in=only)).exists()


def another_worker_is_busy(*, worker: str, now: dt.datetime) -> bool:
    """Whether a live worker other than this one has jobs in hand."""
    active = PhotoJob.objects.filter(status__in=ACTIVE, lease_until__gt=now)
    return active.exclude(lease_owner=worker).exists()


def takes_one_worker() -> bool:
    """Whether the database is one that several writers only slow down (SQLite)."""
    return connections[router.db_for_write(PhotoJob)].vendor == "sqlite"


def _claimable(now: dt.datetime) -> Q:
    waiting = Q(status=JobStatus.QUEUED, due_at__lte=now)
    silent = Q(status__in=ACTIVE, lease_until__lte=now)
    return waiting | silent
