"""Who a person is to us: a random reference that stands for a host user, and can be severed."""

from __future__ import annotations

import uuid
from typing import Any

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, Problem
from django_hili.models import Subject


def subject_ref_for(user: Any) -> uuid.UUID:
    """Return the reference of a saved host user, making one at first sight."""
    user_key = _user_key(user)
    ref = Subject.objects.filter(user_key=user_key).values_list("ref", flat=True).first()
    if ref is None:
        ref = Subject.objects.get_or_create(user_key=user_key)[0].ref
    return ref


def known_subject_ref(user: Any) -> uuid.UUID | None:
    """Return the reference of a host user, or None where they never had a photo here."""
    if getattr(user, "pk", None) is None:
        return None
    return Subject.objects.filter(user_key=str(user.pk)).values_list("ref", flat=True).first()


def _user_key(user: Any) -> str:
    if getattr(user, "pk", None) is None:
        raise InvalidOptionsError(Problem("subject", Code.SUBJECT_UNKNOWN))
    return str(user.pk)
