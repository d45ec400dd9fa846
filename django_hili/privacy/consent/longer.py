"""Keeps one result for longer than the policy says, because its person agreed to that.

A deadline moves later only here, and only with a consent of its own behind it that can be taken
back. Clauses C17: HILI-4.2, PIXEL-4.4a, MIAO-5.2.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

from django.db import router, transaction
from django.db.models import F
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, PrivacyRefusedError, Problem, StorageError
from django_hili.media import vault
from django_hili.models import Basis, Media, MediaKind, PhotoJob, Subject
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.consent.asking import ask_longer, person_of
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.evidence.noting import note

LONGEST: Final = dt.timedelta(days=365)
"""How far from now a deadline can be moved; who still wants the photo then moves it again."""


def keep_longer(*, subject: Any, job_id: uuid.UUID, until: dt.datetime) -> bool:
    """Move the deadline of a person's own result to `until`; say whether there was one to move.

    Only of a job that rests on their consent: what they cannot take back they do not prolong.
    Raises `PrivacyRefusedError` without the consent, or where the profile never allows it, and
    `InvalidOptionsError` for a moment further away than a year.
    """
    now = timezone.now()
    if until > now + LONGEST:
        raise InvalidOptionsError(Problem("until", Code.KEPT_TOO_LONG))
    with transaction.atomic(using=router.db_for_write(Media)):
        ref = known_subject_ref(subject)
        _ask(subject, ref)
        own = PhotoJob.objects.filter(pk=job_id, subject_ref=ref, basis=Basis.CONSENT)
        results = Media.objects.live().filter(
            job_id__in=own.values("pk"), kind=MediaKind.RESULT, expires_at__lt=until
        )
        moved = sum(_move(results, media, until, now) for media in results)
        if moved:
            note("result_kept_longer", job_id)
    return bool(moved)


def may_keep_longer(*, subject: Any) -> bool:
    """Whether a person has agreed to keeping results for longer, and the profile lets them."""
    try:
        ask_longer(subject=subject)
    except PrivacyRefusedError:
        return False
    return True


def _ask(subject: Any, ref: uuid.UUID | None) -> None:
    """Ask for the consent, and hold the person's row: a withdrawal comes first or comes after."""
    _, revision = person_of(ref)
    ask_longer(subject=subject)  # refuses whoever is not known here
    person = Subject.objects.filter(ref__in=[ref] if ref else [])
    person.update(revision=F("revision"))  # an update and not a reading: it waits everywhere
    if not person.filter(revision=revision).exists():
        ask_longer(subject=subject)


def _move(results: MediaQuerySet, media: Media, until: dt.datetime, now: dt.datetime) -> int:
    media.expires_at = until
    try:
        vault.rewrap(media, now)
    except StorageError:  # its key is gone: there is nothing left to keep
        return 0
    return results.filter(pk=media.pk).update(
        expires_at=until, wrapped_key=media.wrapped_key, key_bucket=media.key_bucket
    )
