"""A one-time link by which a person lets somebody else take their copy.

Owns the token: made here, told once, kept only as its hash. It opens one export, once, until its
time is over or the person takes it back. Clauses C29: MIAO-8.5.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.models import Handover
from django_hili.privacy.evidence.noting import note, noting
from django_hili.privacy.rights.export import export

USABLE: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewHandover:
    """A link that has just been made. The token is nowhere else and is not shown again."""

    handover: Handover
    token: str


def hand_over(*, subject_ref: uuid.UUID, now: dt.datetime | None = None) -> NewHandover:
    """Make a link. Earlier ones that were not used stop working."""
    now = now or timezone.now()
    token = secrets.token_urlsafe(32)
    with noting():
        take_back(subject_ref=subject_ref)
        handover = Handover.objects.create(
            subject_ref=subject_ref, token_hash=_hash(token), created_at=now,
            expires_at=now + USABLE,
        )  # fmt: skip
        note("handover_made", handover.pk)
    return NewHandover(handover, token)


def take_back(*, subject_ref: uuid.UUID) -> int:
    """End the links of a person that have not been used. Returns how many."""
    return Handover.objects.filter(subject_ref=subject_ref, used_at=None).delete()[0]


def is_pending(*, subject_ref: uuid.UUID, now: dt.datetime | None = None) -> bool:
    """Whether a person has a link out that was not used."""
    usable = Handover.objects.usable(now or timezone.now())
    return usable.filter(subject_ref=subject_ref).exists()


def is_usable(*, token: str, now: dt.datetime | None = None) -> bool:
    """Whether a link could be used now. Uses nothing up."""
    return Handover.objects.usable(now or timezone.now()).filter(token_hash=_hash(token)).exists()


def take_copy(*, token: str, now: dt.datetime | None = None) -> Iterator[bytes]:
    """Use a link up and return the copy it opens. Raises `WrongStateError` if it opens none.

    Where the copy fails on our side before its end, the link can be used again.
    """
    now = now or timezone.now()
    with noting():
        handover = Handover.objects.use(_hash(token), now)
        if handover is None:
            raise WrongStateError(Code.LINK_GONE)
        note("handover_used", handover.pk)
        pieces = export(subject_ref=handover.subject_ref, now=now)
    return _whole(pieces, handover)


def _whole(pieces: Iterator[bytes], handover: Handover) -> Iterator[bytes]:
    try:
        yield from pieces
    except Exception:
        Handover.objects.give_back(handover.pk)
        raise


def drop_past(now: dt.datetime) -> int:
    """Delete links past their time. Returns how many."""
    return Handover.objects.filter(expires_at__lte=now).delete()[0]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
