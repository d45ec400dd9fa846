"""Somebody who does not exist: whose life `hili_privacy audit --canary` plays through.

No user of the site stands behind the key, so that however a trial ends, also by a power cut, the
hourly look at the site's table of users finds them gone and ends everything about them.
Clauses C35: HILI-5c, AIART-4.2.2, PIXEL-4.1b, MIAO-7.3c. C32: AIART-5.3.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Final

from django_hili.models import Case, Consent, Subject
from django_hili.privacy.evidence.noting import noting
from django_hili.privacy.rights.exercise import cancel_account

PREFIX: Final = "canary:"
"""How the key of nobody begins."""
LONGEST_TRIAL: Final = dt.timedelta(hours=1)
"""After that nobody is taken for gone, like everybody whose user is not there."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """A person without a user. Stands where a host user would."""

    pk: str = field(default_factory=lambda: f"{PREFIX}{secrets.token_hex(16)}")


def is_nobody(subject_ref: uuid.UUID) -> bool:
    """Whether a reference is nobody's."""
    return Subject.objects.filter(pk=subject_ref, user_key__startswith=PREFIX).exists()


def end_nobody(subject_ref: uuid.UUID) -> None:
    """Cancel the account of nobody and delete the rows that would be kept of a person.

    In one transaction: what is left of nobody is receipts, and what stores of the site have yet
    to erase.
    """
    with noting():
        cancel_account(subject_ref=subject_ref)
        Consent.objects.filter(subject_ref=subject_ref).delete()
        Case.objects.filter(subject_ref=subject_ref).delete()
        Subject.objects.filter(pk=subject_ref).delete()
