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
from django_hili.jobs.queries import charge_of
from django_hili.models import Disclosure, EraseCause, Media, PhotoJob, SendState
from django_hili.privacy.erasure import retention
from django_hili.privacy.erasure.erase import condemn, erase_condemned


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of a cancelled job's credit."""

    is_charged: bool | None
    """True: paid. False: not paid. None: not known; the ledger will tell."""


def cancel_job(*, job_id: uuid.UUID) -> Cancelled:
    """Cancel an unfinished job. Raises `WrongStateError` if it has ended already."""
    now = timezone.now()
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        rows = PhotoJob.objects.filter(pk=job_id)
        cancelled = rows.cancel(now, kept_until=retention.job_deadline(now))
        if not cancelled:
            raise WrongStateError(Code.JOB_CHANGED)
        # Before the barrier: it finds its row closed, if it has not found the job ended.
        Disclosure.objects.filter(job_id=job_id, state=SendState.INTENDED).update(
            state=SendState.REFUSED, charged=False, answered_at=now
        )
        condemn(Media.objects.filter(job_id=job_id), EraseCause.JOB_ENDED, now)
    erase_condemned(Media.objects.filter(job_id=job_id))
    return Cancelled(charge_of(job_id))
