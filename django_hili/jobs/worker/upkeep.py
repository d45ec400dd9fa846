"""What a worker does every minute besides photos: end overdue jobs, tell of late ones, sweep.

Clauses C16, C17: no source outlives its ceiling, whether or not its job was taken up.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import router, transaction
from django.db.models import Q
from django.utils import timezone

from django_hili.codes import Code
from django_hili.jobs.worker.late import tell_late
from django_hili.media.keys import past_keys
from django_hili.models import (
    EraseCause,
    Erasure,
    Heartbeat,
    JobStatus,
    Media,
    MediaKind,
    MediaState,
    PhotoJob,
)
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.erasure import retention
from django_hili.privacy.erasure.erase import condemn
from django_hili.privacy.erasure.rows import due_rows
from django_hili.privacy.erasure.sweep import SweepReport, sweep, sweep_thoroughly, without_job
from django_hili.signals import enhancement_failed

LOOK_INTERVAL = dt.timedelta(hours=1)
"""How often one of the workers looks at everything there is."""


def upkeep(now: dt.datetime | None = None) -> SweepReport:
    """End jobs whose source is past its ceiling, then enforce every deadline."""
    now = now or timezone.now()
    before = Heartbeat.objects.last()
    Heartbeat.objects.begin(now)
    end_overdue(now)
    # All workers share the heartbeat: who comes next begins where this one ended.
    tell_late(since=before.began_at if before else None, now=now)
    report = sweep(now)
    if Heartbeat.objects.look(now, every=LOOK_INTERVAL):
        sweep_thoroughly(now)
    Heartbeat.objects.finish(now)
    return report


@dataclass(frozen=True, slots=True)
class Outlook:
    """What upkeep would make go now. What it would renew, copy or ask, nobody loses by."""

    jobs_ended: int
    erased: int
    rows_deleted: int
    keys_destroyed: int
    elsewhere: int
    """Erasures that stores of the site would be asked for."""


def look(now: dt.datetime | None = None) -> Outlook:
    """Say what upkeep would make go; change nothing."""
    now = now or timezone.now()
    overdue = _overdue(now)
    past = Q(expires_at__lte=now) | Q(state=MediaState.CONDEMNED) | Q(job__in=overdue.values("pk"))
    left_behind = without_job(now)
    return Outlook(
        jobs_ended=overdue.count(),
        erased=Media.objects.filter(past | Q(pk__in=left_behind.values("pk"))).count(),
        rows_deleted=due_rows(now, ending=overdue),
        keys_destroyed=past_keys(now),
        elsewhere=Erasure.objects.due(now).count(),
    )


def end_overdue(now: dt.datetime) -> int:
    """Fail unfinished jobs whose source may no longer exist. Returns how many."""
    return sum(_end(job, now) for job in _overdue(now))


def _overdue(now: dt.datetime) -> PhotoJobQuerySet:
    past = Media.objects.filter(
        kind=MediaKind.SOURCE,
        state=MediaState.LIVE,
        expires_at__lte=now,
        job__isnull=False,
    )
    return PhotoJob.objects.unfinished().filter(pk__in=past.values("job_id"))


def _end(job: PhotoJob, now: dt.datetime) -> bool:
    # A worker that still has the job in hand finds it in another state, and stops.
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        moved = PhotoJob.objects.move(
            job.pk,
            JobStatus(job.status),
            JobStatus.FAILED,
            token=job.token,
            code=Code.SOURCE_EXPIRED.value,
            ended_at=now,
            expires_at=retention.job_deadline(now),
            lease_until=None,
            lease_owner="",
        )
        if moved:
            condemn(Media.objects.filter(job_id=job.pk), EraseCause.EXPIRED, now)
    if moved:
        ended = PhotoJob.objects.filter(pk=job.pk).first()
        enhancement_failed.send_robust(sender=PhotoJob, job=ended)
    return moved
