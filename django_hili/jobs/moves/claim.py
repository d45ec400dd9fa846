"""Takes jobs up for one worker, keeps them its own, and lets them go.

A claim gives the job a lease and a new fencing token. Every later write carries the token,
so a worker that was paused past its lease can change nothing. A job whose worker fell silent
is simply claimed again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connections, router, transaction
from django.db.models import F, Q, QuerySet

from django_hili.codes import Code
from django_hili.jobs.moves.many import held_by
from django_hili.media import sink
from django_hili.models import HeldReason, JobStatus, PhotoJob, ProviderState
from django_hili.models.job import ACTIVE

_MOST_TOGETHER = 500
"""Rows named in one statement: SQLite's has room for some thousand values."""


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
    early: Sequence[uuid.UUID] = (),
) -> list[PhotoJob]:
    """Take up at most `limit` due jobs of a provider, and silent workers' jobs before them.

    A waiting job goes on as `takes_up_as`; one that a silent worker left in a state of `adopts`
    goes on as processing. Where two workers reach for the same row, one of them gets it. `only`
    narrows the choice to the jobs a caller waits for; those that are `early` and were never taken
    up need not be due. However many jobs, it is two statements, and two more where it `adopts`.
    """
    words: dict[str, Any] = {
        "worker": worker, "lease": lease, "now": now, "provider": provider, "only": only
    }  # fmt: skip
    claimed = adopt(limit=limit, adopts=adopts, **words) if adopts else []
    if len(claimed) < limit:
        waiting = _rows(provider, only).filter(_waiting(now, early))
        mark = _mark(worker, lease, now, takes_up_as)
        claimed += _take(waiting.order_by("due_at"), limit - len(claimed), mark)
    return claimed


def adopt(
    *,
    worker: str,
    limit: int,
    lease: dt.timedelta,
    now: dt.datetime,
    provider: str,
    adopts: Sequence[JobStatus],
    only: Sequence[uuid.UUID] | None = None,
) -> list[PhotoJob]:
    """Take up at most `limit` of a provider's jobs that silent workers left in these states."""
    silent = _rows(provider, only).filter(status__in=list(adopts), lease_until__lte=now)
    mark = _mark(worker, lease, now, JobStatus.PROCESSING)
    return _take(silent.order_by("lease_until"), min(limit, _MOST_TOGETHER), mark)


def _rows(provider: str, only: Sequence[uuid.UUID] | None) -> QuerySet[PhotoJob]:
    rows = PhotoJob.objects.using(router.db_for_write(PhotoJob)).filter(provider=provider)
    return rows if only is None else rows.filter(pk__in=only)


def _mark(worker: str, lease: dt.timedelta, now: dt.datetime, status: JobStatus) -> dict[str, Any]:
    return {
        "status": status, "lease_owner": worker, "lease_until": now + lease, "started_at": now,
        "stage": "", "percent": None,
    }  # fmt: skip


def _take(rows: QuerySet[PhotoJob], limit: int, mark: dict[str, Any]) -> list[PhotoJob]:
    """Put `mark` and a new token on some rows; return those that were still as they were read."""
    skips = connections[rows.db].features.has_select_for_update_skip_locked
    with transaction.atomic(using=rows.db):
        # Rows that another worker is taking are passed over, where the database can do that.
        found = list((rows.select_for_update(skip_locked=True) if skips else rows)[:limit])
        if not found:
            return []
        same = rows.order_by().filter(held_by(found))
        mine = same.update(token=F("token") + 1, attempts=F("attempts") + 1, **mark)
        for job in found:
            job.token += 1
            job.attempts += 1
            for name, value in mark.items():
                setattr(job, name, value)
        if mine < len(found):
            held = PhotoJob.objects.using(rows.db).filter(
                held_by(found), lease_owner=mark["lease_owner"]
            )
            kept = set(held.values_list("pk", flat=True))
            found = [job for job in found if job.pk in kept]
    return found


def keep(
    *, worker: str, lease: dt.timedelta, now: dt.datetime, in_hand: Collection[uuid.UUID]
) -> int:
    """Renew the lease of everything a worker has in hand. Returns how many jobs that is.

    What is its own by the row and not in its hand, such as after a claim that was committed and
    never heard of, is left to run out, or nobody would ever take it up.
    """
    mine = PhotoJob.objects.filter(lease_owner=worker, status__in=ACTIVE)
    # Just claimed, and perhaps not in hand yet.
    kept = mine.filter(started_at__gt=now - lease / 2).update(lease_until=now + lease)
    jobs = list(in_hand)
    for start in range(0, len(jobs), _MOST_TOGETHER):
        some = mine.filter(pk__in=jobs[start : start + _MOST_TOGETHER])
        kept += some.filter(started_at__lte=now - lease / 2).update(lease_until=now + lease)
    return kept


def report(*, job: PhotoJob, stage: str, percent: int) -> None:
    """Write down how far a job is. Changes nothing if the job is no longer this worker's."""
    report_all(progress=[(job, stage, percent)])


def report_all(*, progress: Iterable[tuple[PhotoJob, str, int]]) -> None:
    """Write down how far jobs are, in one statement for all that have come equally far."""
    equal: dict[tuple[str, int], list[PhotoJob]] = defaultdict(list)
    for job, stage, percent in progress:
        equal[stage, percent].append(job)
    for (stage, percent), jobs in equal.items():
        for start in range(0, len(jobs), _MOST_TOGETHER):
            some = jobs[start : start + _MOST_TOGETHER]
            rows = PhotoJob.objects.filter(held_by(some), status__in=ACTIVE)
            rows.update(stage=stage, percent=percent)


def release(*, job: PhotoJob, now: dt.datetime) -> bool:
    """Give a job back untouched, for the next worker to take up at once."""
    return put_off(job=job, until=now)


def let_go(*, jobs: Sequence[PhotoJob], now: dt.datetime) -> int:
    """Leave jobs in their states for the next worker to adopt at once. Returns how many."""
    gone = 0
    for start in range(0, len(jobs), _MOST_TOGETHER):
        some = jobs[start : start + _MOST_TOGETHER]
        mine = PhotoJob.objects.filter(held_by(some), status__in=ACTIVE)
        gone += mine.update(lease_until=now, lease_owner="")
    return gone


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


def hold_strangers(*, known: Sequence[str], now: dt.datetime) -> dict[str, int]:
    """Hold waiting jobs of providers that are not set up any more. Returns how many of each.

    Once the provider is back, resuming it lets them go on.
    """
    rows = PhotoJob.objects.filter(status=JobStatus.QUEUED, due_at__lte=now)
    strange = rows.exclude(provider__in=known)
    found = set(strange.order_by().values_list("provider", flat=True).distinct())
    return {
        alias: rows.filter(provider=alias).update(
            status=JobStatus.HELD,
            held_reason=HeldReason.PROVIDER_PAUSED,
            code=Code.PROVIDER_PAUSED.value,
        )
        for alias in sorted(found)
    }


def hold_paused(*, now: dt.datetime) -> int:
    """Hold due jobs of paused providers. Returns how many.

    Pausing holds what waits; what was in a worker's hands then may be queued again after it.
    """
    database = router.db_for_write(PhotoJob)
    paused = ProviderState.objects.using(database).filter(is_paused=True)
    if not paused.exists():
        return 0
    with transaction.atomic(using=database):
        # Locked, so that nothing is held right after it was resumed: nobody would resume it again.
        aliases = list(paused.select_for_update().values_list("alias", flat=True))
        return PhotoJob.objects.filter(
            status=JobStatus.QUEUED, due_at__lte=now, provider__in=aliases
        ).update(status=JobStatus.HELD, held_reason=HeldReason.PROVIDER_PAUSED)


def silent_senders(*, provider: str, now: dt.datetime) -> list[PhotoJob]:
    """Return the jobs whose worker fell silent while a photo was leaving."""
    rows = PhotoJob.objects.filter(provider=provider, status=JobStatus.SENDING)
    return list(rows.filter(lease_until__lte=now))


def has_work(
    *,
    now: dt.datetime,
    only: Sequence[uuid.UUID] | None = None,
    early: Sequence[uuid.UUID] = (),
) -> bool:
    """Whether any job could be claimed right now: none is while the site waits for a replay."""
    rows = PhotoJob.objects.filter(_waiting(now, early) | _silent(now))
    # In this order: an idle worker asks one question a second.
    return (rows if only is None else rows.filter(pk__in=only)).exists() and not sink.is_behind()


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


def _waiting(now: dt.datetime, early: Sequence[uuid.UUID]) -> Q:
    is_due = Q(due_at__lte=now)
    if early:
        is_due |= Q(pk__in=early, attempts=0)
    return Q(status=JobStatus.QUEUED) & is_due


def _silent(now: dt.datetime) -> Q:
    return Q(status__in=ACTIVE, lease_until__lte=now)
