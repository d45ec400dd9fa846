"""Ends a job on request, and says what that means for the credit.

A job that has not left costs nothing. One that has is no longer waited for; its credit is gone.
A worker that still has the job in hand finds it ended and stops.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import router, transaction
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.models import Disclosure, EraseCause, JobStatus, Media, PhotoJob
from django_hili.models.job import ENDED
from django_hili.privacy import retention
from django_hili.privacy.erase import condemn, erase_condemned


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of a cancelled job's credit."""

    is_charged: bool | None
    """True: paid. False: not paid. None: not known; the ledger will tell."""


def cancel_job(*, job_id: uuid.UUID) -> Cancelled:
    """Cancel an unfinished job. Raises `WrongStateError` if it has ended already."""
    now = timezone.now()
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        rows = PhotoJob.objects.filter(pk=job_id).exclude(status__in=ENDED)
        cancelled = rows.update(
            status=JobStatus.CANCELLED,
            held_reason="",
            ended_at=now,
            expires_at=retention.job_deadline(now),
            lease_until=None,
            lease_owner="",
            stage="",
            percent=None,
        )
        if not cancelled:
            raise WrongStateError(Code.JOB_CHANGED)
        condemn(Media.objects.filter(job_id=job_id), EraseCause.JOB_ENDED, now)
    erase_condemned(Media.objects.filter(job_id=job_id))
    return Cancelled(_charge_of(job_id))


def _charge_of(job_id: uuid.UUID) -> bool | None:
    charges = list(Disclosure.objects.filter(job_id=job_id).values_list("charged", flat=True))
    if any(charges):
        return True
    return None if None in charges else False
