"""What a worker does every minute besides photos: end overdue jobs, then sweep.

Clauses C16, C17: no source outlives its ceiling, whether or not its job was taken up.
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, field

from django.db import router, transaction
from django.utils import timezone

from django_hili.codes import Code
from django_hili.models import EraseCause, JobStatus, Media, MediaKind, MediaState, PhotoJob
from django_hili.privacy import retention
from django_hili.privacy.erase import condemn
from django_hili.privacy.sweep import SweepReport, sweep, sweep_orphan_files
from django_hili.signals import enhancement_failed

ORPHAN_INTERVAL = dt.timedelta(hours=1)


@dataclass(slots=True)
class _LastLook:
    """When this process last walked the storage for files without a row."""

    at: dt.datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self, now: dt.datetime) -> bool:
        """Say whether an hour has passed, and begin the next one if so."""
        with self.lock:
            if self.at is not None and now - self.at < ORPHAN_INTERVAL:
                return False
            self.at = now
            return True


_last_orphan_look = _LastLook()


def upkeep(now: dt.datetime | None = None) -> SweepReport:
    """End jobs whose source is past its ceiling, then enforce every deadline."""
    now = now or timezone.now()
    end_overdue(now)
    report = sweep(now)
    if _last_orphan_look.is_due(now):
        sweep_orphan_files(now)
    return report


def end_overdue(now: dt.datetime) -> int:
    """Fail unfinished jobs whose source may no longer exist. Returns how many."""
    overdue = Media.objects.filter(
        kind=MediaKind.SOURCE,
        state=MediaState.LIVE,
        expires_at__lte=now,
        job__isnull=False,
    )
    ended = 0
    for job in PhotoJob.objects.unfinished().filter(pk__in=overdue.values("job_id")):
        ended += _end(job, now)
    return ended


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
