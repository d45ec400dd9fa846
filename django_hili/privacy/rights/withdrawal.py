"""What follows from a consent that is taken back.

In one transaction: the event is recorded, waiting and running work that rests on it is
cancelled, and what is stored because of it is condemned. A worker that still has a job in hand
finds it ended and stops. What was done before, and the proof of it, stands.
Clauses C31: HILI-6, AIART-1.2.8, AIART-5.4, PIXEL-6.3, PIXEL-7.3, MIAO-2.2c, MIAO-8.3.
"""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction
from django.utils import timezone

from django_hili.exceptions import StorageError
from django_hili.media import vault
from django_hili.models import (
    Basis,
    Consent,
    EraseCause,
    IdempotencyKey,
    JobStatus,
    Media,
    MediaKind,
    MediaState,
    PhotoJob,
    Purpose,
)
from django_hili.models.job import PhotoJobQuerySet
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.consent.consents import record_withdrawal
from django_hili.privacy.consent.processors import recipient_of
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.erasure import retention
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.evidence.noting import note
from django_hili.providers.registry import provider_aliases


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal did."""

    was_given: bool
    cancelled: int
    """Jobs that were waiting or being worked on."""
    photos: int
    """Photos that can no longer be read."""


def withdraw_consent(*, subject: Any, purpose: str, processor: str = "") -> Withdrawal:
    """Take a consent back, at once. Nothing has to be named but what is taken back."""
    ref = known_subject_ref(subject)
    if ref is None:
        return Withdrawal(was_given=False, cancelled=0, photos=0)
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        if not record_withdrawal(subject=subject, purpose=purpose, processor=processor):
            return Withdrawal(was_given=False, cancelled=0, photos=0)
        note("consent_withdrawn", ref, purpose=str(purpose), processor=processor)
        cancelled, photos = _undo(ref, purpose, processor, timezone.now())
    return Withdrawal(was_given=True, cancelled=cancelled, photos=photos)


def withdraw_everything(*, subject: Any) -> Withdrawal:
    """Take every consent back: what a guardian who disagrees does."""
    ref = known_subject_ref(subject)
    cancelled = photos = 0
    given = Consent.objects.all().standing([ref]) if ref else []
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        for event in given:
            done = withdraw_consent(
                subject=subject, purpose=event.purpose, processor=event.processor
            )
            cancelled, photos = cancelled + done.cancelled, photos + done.photos
    return Withdrawal(was_given=bool(given), cancelled=cancelled, photos=photos)


def _undo(ref: uuid.UUID, purpose: str, processor: str, now: dt.datetime) -> tuple[int, int]:
    resting = PhotoJob.objects.filter(subject_ref=ref, basis=Basis.CONSENT)
    if purpose == Purpose.LONGER:
        return 0, _back_to_the_usual_deadline(resting, now)
    if processor:
        # What came back before rests on the core consent, which stands.
        aliases = [name for name in provider_aliases() if recipient_of(name).name == processor]
        resting = resting.unfinished().filter(provider__in=aliases)
        resting = PhotoJob.objects.filter(pk__in=list(resting.values_list("pk", flat=True)))
    cancelled = resting.cancel(now, kept_until=retention.job_deadline(now))
    return cancelled, _condemn(resting, EraseCause.WITHDRAWN, now)


def _condemn(jobs: PhotoJobQuerySet, cause: EraseCause, now: dt.datetime) -> int:
    ids = list(jobs.values_list("pk", flat=True))
    media = Media.objects.filter(job_id__in=ids)
    condemned = condemn(media, cause, now)
    IdempotencyKey.objects.all().forget_photos(ids)
    transaction.on_commit(
        lambda: erase_condemned(media), using=router.db_for_write(PhotoJob), robust=True
    )
    return condemned


def _back_to_the_usual_deadline(jobs: PhotoJobQuerySet, now: dt.datetime) -> int:
    gone = 0
    for job in jobs.filter(status=JobStatus.DONE):
        usual = retention.result_deadline(job.ended_at or now, promised=job.result_kept)
        results = Media.objects.filter(
            job_id=job.pk, kind=MediaKind.RESULT, state=MediaState.LIVE, expires_at__gt=usual
        )
        if usual <= now:
            gone += _condemn(PhotoJob.objects.filter(pk=job.pk), EraseCause.WITHDRAWN, now)
        else:
            _shorten(results, usual, now)
    return gone


def _shorten(results: MediaQuerySet, usual: dt.datetime, now: dt.datetime) -> None:
    """Move deadlines earlier, and with them the hour from which their keys open nothing."""
    for media in results:
        media.expires_at = usual
        changes: dict[str, Any] = {"expires_at": usual}
        # A key that is gone already opens nothing at any hour.
        with suppress(StorageError):
            vault.rewrap(media, now)
            changes |= {"wrapped_key": media.wrapped_key, "key_bucket": media.key_bucket}
        results.filter(pk=media.pk).update(**changes)
