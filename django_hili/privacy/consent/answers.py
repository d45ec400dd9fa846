"""Records what people say of themselves: how old they are, roughly, and in which country.

Owns what follows from an age. Every door tells it here, whether with a consent or by itself: a
minor nobody agreed for loses what they have in the very transaction that makes them one.
Clauses C10: HILI-7b, AIART-7.2, PIXEL-7.3, MIAO-9.3. C29: PIXEL-6.1, MIAO-8.1.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.db import router, transaction
from django.db.models import F
from django.utils import timezone

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import InvalidOptionsError, PrivacyRefusedError, Problem
from django_hili.models import (
    AgeBand,
    Consent,
    ConsentAction,
    EraseCause,
    GivenBy,
    IdempotencyKey,
    Media,
    PhotoJob,
    Purpose,
    Subject,
)
from django_hili.privacy.consent.gate import GUARDIANS_ONLY, YOUNGEST
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import retention
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.evidence.noting import note, noting

_REGION: Final = re.compile(r"[A-Z]{2}")
_YOUNGEST: Final = {band: YOUNGEST[band] for band in (AgeBand.MINOR, AgeBand.CHILD)}


@dataclass(frozen=True, slots=True)
class Ended:
    """What an answer ended: nothing, unless it made somebody a minor nobody agreed for."""

    cancelled: int = 0
    """Jobs that were waiting or being worked on."""
    photos: int = 0
    """Photos that can no longer be read."""


def check_answers(*, age_band: str | None, region: str | None) -> None:
    """Raise `PrivacyRefusedError` or `InvalidOptionsError` for what is no answer."""
    if age_band is not None and age_band not in set(AgeBand) - {AgeBand.UNKNOWN}:
        raise PrivacyRefusedError(Code.AGE_NEEDED)
    if region and not _REGION.fullmatch(region):
        raise InvalidOptionsError(Problem("region", Code.OPTION_INVALID))


def record_answers(
    *, subject: Any, age_band: str | None = None, region: str | None = None,
    is_vouched: bool = False,
) -> Ended:  # fmt: skip
    """Record what a user says; None is no answer, and an empty region is where the site is.

    Nobody makes themselves older than is known of them: that takes a guardian whose proof held, or
    staff, for whom the caller vouches. Raises `PrivacyRefusedError` where nobody does.

    An age that makes them a minor nobody agreed for condemns everything of theirs and cancels
    their jobs in the same transaction.
    """
    check_answers(age_band=age_band, region=region)
    answers = {"age_band": age_band, "region": region}
    told = {name: value for name, value in answers.items() if value is not None}
    if not told:
        return Ended()
    with noting():
        ref = subject_ref_for(subject)
        rows = Subject.objects.filter(pk=ref)
        if age_band is not None and not is_vouched:
            rows = rows.exclude(age_band__in=_younger_than(age_band))
        if not rows.update(revision=F("revision") + 1, **told):
            raise PrivacyRefusedError(Code.AGE_NOT_RAISED, clauses=GUARDIANS_ONLY)
        if age_band not in under_age():
            return Ended()
        # Also with a guardian's consent: an older copy of the database must not forget it.
        note("minor_flagged", ref)
        return _end_everything(ref) if is_unapproved_minor(ref) else Ended()


def under_age() -> Collection[AgeBand]:
    """Return the bands for which a guardian has to agree."""
    limit = get_settings().privacy.effective.guardian_below
    return [band for band, youngest in _YOUNGEST.items() if youngest < limit]


def _younger_than(band: str) -> list[AgeBand]:
    return [known for known, age in _YOUNGEST.items() if age < YOUNGEST[AgeBand(band)]]


def is_unapproved_minor(ref: uuid.UUID) -> bool:
    """Whether a person is below the age and no guardian's consent is live."""
    if not Subject.objects.filter(pk=ref, age_band__in=under_age()).exists():
        return False
    for event in Consent.objects.all().standing([ref]):
        if event.purpose == Purpose.ENHANCE:
            return event.action != ConsentAction.GRANT or event.given_by != GivenBy.GUARDIAN
    return True


def _end_everything(ref: uuid.UUID) -> Ended:
    now = timezone.now()
    jobs = PhotoJob.objects.filter(subject_ref=ref)
    cancelled = jobs.cancel(now, kept_until=retention.job_deadline(now))
    media = Media.objects.filter(job_id__in=list(jobs.values_list("pk", flat=True)))
    photos = condemn(media, EraseCause.MINOR, now)
    IdempotencyKey.objects.filter(subject_ref=ref).delete()
    transaction.on_commit(
        lambda: erase_condemned(media), using=router.db_for_write(PhotoJob), robust=True
    )
    return Ended(cancelled=cancelled, photos=photos)
