"""Holds a waiting job back, and lets a held one go on, because a person says so.

What a job waits for decides who may let it go on: a consent, an approval and a paused provider
cannot be skipped, and a send in doubt only with open eyes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import router, transaction
from django.utils import timezone

from django_hili import queue
from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.jobs.pause import is_paused
from django_hili.jobs.queries import charge_of, kept_copy_of
from django_hili.models import HeldReason, JobStatus, Media, MediaKind, PhotoJob
from django_hili.providers.registry import capabilities_of

_NOT_SKIPPED = (
    HeldReason.CONSENT_NEEDED,
    HeldReason.APPROVAL_NEEDED,
    HeldReason.PROVIDER_PAUSED,
)


@dataclass(frozen=True, slots=True)
class Released:
    """What releasing a job means for its credit."""

    was_charged: bool | None
    """True: an earlier send was paid. False: none was. None: not known."""
    credits: int
    """What the next send costs."""


def hold_job(*, job_id: uuid.UUID) -> None:
    """Keep a waiting job from being taken up. Raises `WrongStateError` if it no longer waits.

    Nothing has been sent, so nothing is charged. Its source keeps its deadline: a job that is
    still held then ends.
    """
    held = PhotoJob.objects.move(
        job_id, JobStatus.QUEUED, JobStatus.HELD, held_reason=HeldReason.ON_REQUEST
    )
    if not held:
        raise WrongStateError(Code.JOB_CHANGED)


def release_job(*, job_id: uuid.UUID, accept_possible_charge: bool = False) -> Released:
    """Let a held job go on. Raises `WrongStateError` if it may not, or is not held.

    A send that may have been charged needs `accept_possible_charge`: the photo goes out again,
    and may be charged a second time.
    """
    job = PhotoJob.objects.filter(pk=job_id, status=JobStatus.HELD).first()
    if job is None:
        raise WrongStateError(Code.JOB_CHANGED)
    if job.held_reason in _NOT_SKIPPED:
        raise WrongStateError(Code.RELEASE_NOT_ALLOWED)
    if job.held_reason == HeldReason.SEND_UNKNOWN and not accept_possible_charge:
        raise WrongStateError(Code.CHARGE_NOT_ACCEPTED)
    if not _can_go_on(job):
        raise WrongStateError(Code.UPLOAD_AGAIN)
    released = Released(charge_of(job_id), capabilities_of(job.provider).credits_per_send)
    _queue_or_pause(job)
    return released


def _can_go_on(job: PhotoJob) -> bool:
    sources = Media.objects.live().filter(job_id=job.pk, kind=MediaKind.SOURCE)
    return sources.exists() or kept_copy_of(job) is not None


def _queue_or_pause(job: PhotoJob) -> None:
    database = router.db_for_write(PhotoJob)
    with transaction.atomic(using=database):
        changes = {"code": "", "due_at": timezone.now(), "attempts": 0}
        if is_paused(job.provider):
            changes["held_reason"] = HeldReason.PROVIDER_PAUSED
        else:
            changes |= {"status": JobStatus.QUEUED, "held_reason": ""}
        rows = PhotoJob.objects.filter(
            pk=job.pk, status=JobStatus.HELD, held_reason=job.held_reason, token=job.token
        )
        if not rows.update(**changes):
            raise WrongStateError(Code.JOB_CHANGED)
        queue.wake(database)
