"""Who may see photos, who did, and when somebody last looked whether that is right.

Owns the receipt of every staff read, the list of people with the permission, and its review.
Listing, seeing and erasing are permissions of their own; lists show neither pictures nor people.
Clauses C26: HILI-5c, AIART-4.2.1a, AIART-4.2.1c, AIART-4.2.1d, AIART-4.2.3, PIXEL-4.1b, MIAO-7.3c.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.utils import timezone

from django_hili.models import Receipt
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.evidence.noting import note, noting

SEE_PHOTO: Final = "django_hili.see_photo"
BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
REVIEW_EVERY: Final = dt.timedelta(days=90)
_REVIEWED: Final = "access_reviewed"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may see photos."""

    user_key: str
    name: str
    is_superuser: bool
    """A superuser may do everything, without anybody having granted it."""


@dataclass(frozen=True, slots=True)
class AccessReport:
    """Who may see photos, and when that was last looked at."""

    viewers: tuple[Viewer, ...]
    reviewed_at: dt.datetime | None
    is_review_due: bool


def note_staff_read(*, object_id: uuid.UUID, staff: Any) -> None:
    """Leave a receipt that a member of staff was shown a photo. Call it before its first byte."""
    with noting():
        note("photo_seen", object_id, by=str(subject_ref_for(staff)))


def access_report(*, now: dt.datetime | None = None) -> AccessReport:
    """Say who may see photos, and whether somebody has to look at that list again."""
    now = now or timezone.now()
    reviewed_at = last_review()
    return AccessReport(
        viewers=who_may_see(), reviewed_at=reviewed_at, is_review_due=is_review_due(now)
    )


def who_may_see() -> tuple[Viewer, ...]:
    """Return everybody with the permission, by themselves, by a group or as a superuser."""
    users: Any = get_user_model().objects
    names = get_user_model().USERNAME_FIELD
    allowed = users.with_perm(SEE_PHOTO, backend=BACKEND, include_superusers=True)
    return tuple(
        Viewer(str(user.pk), user.get_username(), bool(getattr(user, "is_superuser", False)))
        for user in allowed.distinct().order_by(names)
    )


def record_review(*, staff: Any) -> None:
    """Note that somebody has looked at the list and put it right."""
    with noting():
        count = len(who_may_see())
        note(_REVIEWED, subject_ref_for(staff), people=count)


def last_review() -> dt.datetime | None:
    """Return when the list was last looked at."""
    receipts = Receipt.objects.filter(kind=_REVIEWED).order_by("-number")
    return receipts.values_list("at", flat=True).first()


def is_review_due(now: dt.datetime) -> bool:
    """Whether the last review, or else the first thing that ever happened, is too long ago."""
    since = last_review()
    if since is None:
        since = Receipt.objects.order_by("number").values_list("at", flat=True).first()
    return since is not None and now - since > REVIEW_EVERY and bool(who_may_see())
