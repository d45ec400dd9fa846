"""Has an ended job's photo enhanced again, as a new job: the ended one stays what it is.

Owns where the photo comes from. Our own copy went when the job ended, so it is the provider's
copy, while it is still held there, or else the host's own photo. Each is a new send and costs
what a send costs.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any

from django_hili.codes import Code
from django_hili.exceptions import ProviderError, WrongStateError
from django_hili.jobs.pause import is_paused
from django_hili.jobs.queries import kept_copy_of, target_file
from django_hili.jobs.resend import resend
from django_hili.jobs.submit import submit
from django_hili.models import JobStatus, PhotoJob
from django_hili.providers.registry import capabilities_of, provider_aliases
from django_hili.vocabulary import Enhancement


class Origin(StrEnum):
    """Where the photo of a repeated job comes from."""

    PROVIDER = "provider"
    """The provider still holds it: nothing is sent again but what shall be done."""
    HOST = "host"
    """The host's own photo, taken in anew."""
    NOWHERE = "nowhere"
    """It has to be uploaded again."""


_POINTLESS = frozenset(
    {
        Code.PHOTO_NOT_AN_IMAGE, Code.PHOTO_FORMAT_UNSUPPORTED, Code.PHOTO_DAMAGED,
        Code.PHOTO_TOO_MANY_PIXELS, Code.PHOTO_ANIMATED, Code.PHOTO_UNREADABLE,
        Code.PHOTO_TOO_SMALL, Code.PERSON_NOT_FOUND, Code.BACKGROUND_BUSY,
        Code.PROVIDER_REFUSED_OPTIONS, Code.PROVIDER_REFUSED_FILE, Code.PROVIDER_DAMAGED_PHOTO,
        Code.RESULT_TOO_LARGE, Code.RESULT_FILE_TOO_LARGE,
    }
)  # fmt: skip
"""Failures that say something about this photo with these choices: they would come again."""

_GONE_AFTER_ALL = (
    Code.PROVIDER_COPY_GONE,
    Code.PROVIDER_CANNOT_REPEAT,
    # What is asked for was checked before, so a bad parameter is the handle.
    Code.PROVIDER_REFUSED_OPTIONS,
)


def retry_job(*, job_id: uuid.UUID, requested_by: Any = None) -> PhotoJob:
    """Have a failed job's photo go again with the same choices; return the new job.

    It costs what a send costs: ask `charge_of` whether the failed one was charged too. Raises
    `WrongStateError` if the job has not failed, would fail again, goes again already, or its
    photo is kept nowhere any more; `ProviderError` if the provider cannot now.
    """
    job = PhotoJob.objects.filter(pk=job_id, status=JobStatus.FAILED).first()
    if job is None:
        raise WrongStateError(Code.JOB_CHANGED)
    if problem := why_not_retried(job):
        raise WrongStateError(problem)
    return repeat(
        job=job,
        enhancement=job.enhancement,
        preset=job.preset,
        provider=job.provider,
        requested_by=requested_by,
    )


def why_not_retried(job: PhotoJob) -> Code | None:
    """Return why a failed job cannot be retried, or None if it can."""
    if job.code in _POINTLESS:
        return Code.RETRY_POINTLESS
    if job.provider not in provider_aliases():
        return Code.PROVIDER_UNKNOWN
    return Code.UPLOAD_AGAIN if origin_of(job, job.provider) is Origin.NOWHERE else None


def origin_of(job: PhotoJob, provider: str) -> Origin:
    """Say where the photo of an ended job would come from if `provider` enhanced it again."""
    if _is_held_by(job, provider):
        return Origin.PROVIDER
    return Origin.HOST if target_file(job) is not None else Origin.NOWHERE


def repeat(
    *, job: PhotoJob, enhancement: Enhancement, preset: str, provider: str, requested_by: Any
) -> PhotoJob:
    """Make a new job of an ended one's photo. Everything is checked before anything is stored."""
    enhancement.check(capabilities_of(provider))
    if _is_held_by(job, provider):
        try:
            return resend(
                job=job, enhancement=enhancement, preset=preset, requested_by=requested_by
            )
        except ProviderError as error:
            if error.code not in _GONE_AFTER_ALL:
                raise
    photo = target_file(job)
    if photo is None:
        raise WrongStateError(Code.UPLOAD_AGAIN)
    try:
        return submit(
            photo,
            enhancement=enhancement,
            preset=preset,
            provider=provider,
            requested_by=requested_by,
            again_of=job,
        )
    except FileNotFoundError:
        raise WrongStateError(Code.UPLOAD_AGAIN) from None


def _is_held_by(job: PhotoJob, provider: str) -> bool:
    """Whether the job's own provider still holds the photo and may be asked to go on with it."""
    if provider != job.provider or not capabilities_of(provider).can_repeat:
        return False
    return not is_paused(provider) and kept_copy_of(job) is not None
