"""Holds every invariant against what is there now, and writes nothing.

Owns the verb. Nought everywhere is the only good answer; a question counts only because it finds
a violation that was planted, which `tests/privacy/test_audit.py` does for each.
Clauses C35: HILI-5c, AIART-4.2.2, PIXEL-4.1b, MIAO-7.3c.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from django_hili.privacy.audit.invariants import INVARIANTS, Invariant


@dataclass(frozen=True, slots=True)
class Answer:
    """How often an invariant is broken now."""

    invariant: Invariant
    count: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Every invariant that was asked about, and what was found."""

    at: dt.datetime
    answers: Sequence[Answer]

    @property
    def findings(self) -> Sequence[Answer]:
        """Only what is broken."""
        return [answer for answer in self.answers if answer.count]

    @property
    def is_clean(self) -> bool:
        """Whether every invariant holds."""
        return not self.findings


def audit(*, now: dt.datetime | None = None) -> AuditReport:
    """Ask about every invariant. Reads only."""
    now = now or timezone.now()
    return AuditReport(
        at=now, answers=[Answer(invariant, invariant.count(now)) for invariant in INVARIANTS]
    )
