"""One row for every request of a person, and for every incident: its clock and how it ended.

Owns kinds, states, outcomes and the closed lists of reasons. What somebody wrote is sealed and
has a deadline; who they are stands behind a random reference.
Clauses C33: HILI-9, AIART-1.2.5, AIART-5.5, AIART-5.6a, PIXEL-6.5, MIAO-8.0, MIAO-11.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class CaseKind(models.TextChoices):
    """What is asked for."""

    ACCESS = "access", _("Know what is stored")
    EXPORT = "export", _("Get a copy")
    CORRECT = "correct", _("Correct or add something")
    DELETE = "delete", _("Delete photos")
    WITHDRAW = "withdraw", _("Withdraw consent")
    CANCEL = "cancel", _("Cancel the account")
    COMPLAIN = "complain", _("Complain")
    GUARDIAN = "guardian", _("Ask as a guardian")
    AUTHORITY = "authority", _("Demand of an authority")
    INCIDENT = "incident", _("Incident")


class CaseState(models.TextChoices):
    """How far a case has come."""

    RECEIVED = "received", _("received")
    VERIFIED = "verified", _("identity checked")
    CLOSED = "closed", _("answered")


class CaseOutcome(models.TextChoices):
    """How a case ended."""

    GRANTED = "granted", _("done as asked")
    PARTLY = "partly", _("done in part")
    REFUSED = "refused", _("refused")
    DROPPED = "dropped", _("taken back by the person")


class RefusalGround(models.TextChoices):
    """Why a request may be refused; there is no other reason.

    The grounds that the policies list, but for backups: those never stand in the way here.
    """

    LEGAL_DUTY = "legal_duty", _("The law obliges us to act otherwise.")
    NATIONAL_SECURITY = "national_security", _("It concerns national security or defence.")
    PUBLIC_INTEREST = "public_interest", _("It concerns public safety or public health.")
    JUSTICE = "justice", _("It concerns a criminal investigation or a trial.")
    ABUSE = "abuse", _("There is enough evidence of malice or abuse.")
    OTHERS_RIGHTS = "others_rights", _("It would seriously harm the rights of others.")
    TRADE_SECRET = "trade_secret", _("It concerns trade secrets.")
    EXCESSIVE = "excessive", _("It was repeated without need beyond a reasonable limit.")
    NOT_VERIFIED = "not_verified", _("It could not be verified who asks.")


class ExtensionReason(models.TextChoices):
    """Why an answer may take longer; the person is told which it is."""

    COMPLEX = "complex", _("The request is complex.")
    MANY_REQUESTS = "many_requests", _("There are many requests at the same time.")
    THIRD_PARTY = "third_party", _("A third party has to answer first.")
    EVIDENCE_AWAITED = "evidence_awaited", _("Something that was asked of you is still missing.")


class ScopeItem(models.TextChoices):
    """What an authority may be answered about, at the most."""

    JOBS = "jobs", _("what was done to photos, and when")
    STORED = "stored", _("which photos are stored, without the photos")
    SENDS = "sends", _("who got a photo, and when")
    RECEIPTS = "receipts", _("receipts of erasure")


ALWAYS_GRANTED: Final = frozenset({CaseKind.DELETE, CaseKind.WITHDRAW, CaseKind.CANCEL})
"""Refused on one ground only: it could not be verified who asks."""

OPEN: Final = (CaseState.RECEIVED, CaseState.VERIFIED)


class CaseQuerySet(models.QuerySet["Case"]):
    """Questions about cases, and the one way a case changes its state."""

    def open(self) -> CaseQuerySet:
        """Not answered yet."""
        return self.filter(state__in=OPEN)

    def overdue(self, now: dt.datetime) -> CaseQuerySet:
        """Not answered in time."""
        return self.open().filter(due_at__lt=now)

    def of(self, subject_ref: uuid.UUID | None) -> CaseQuerySet:
        """The person's own cases; nobody's where the person is not known here."""
        return self.none() if subject_ref is None else self.filter(subject_ref=subject_ref)

    def move(
        self, case_id: uuid.UUID, sources: tuple[CaseState, ...], target: CaseState, **changes: Any
    ) -> bool:
        """Move one case on, if it is in one of `sources`, in one update; say whether it did."""
        rows = self.filter(pk=case_id, state__in=sources)
        return bool(rows.update(state=target, **changes))


class Case(models.Model):
    """One request, from the day it came in to its answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=CaseKind)
    state = models.CharField(
        _("state"), max_length=10, choices=CaseState, default=CaseState.RECEIVED
    )
    subject_ref = models.UUIDField(_("subject"), null=True, editable=False)
    received_at = models.DateTimeField(_("received"))
    verified_at = models.DateTimeField(_("identity checked"), null=True)
    due_at = models.DateTimeField(_("answer due"))
    extension = models.CharField(
        _("why it takes longer"), max_length=16, choices=ExtensionReason, blank=True
    )
    closed_at = models.DateTimeField(_("answered"), null=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=CaseOutcome, blank=True)
    ground = models.CharField(_("ground"), max_length=17, choices=RefusalGround, blank=True)
    # What an authority showed, and what its demand covers.
    document = models.CharField(_("legal document"), max_length=100, blank=True)
    scope = models.JSONField(_("scope"), default=list)
    scope_from = models.DateTimeField(_("from"), null=True)
    scope_until = models.DateTimeField(_("until"), null=True)
    # What was written. Never a photo.
    sealed_request = models.BinaryField(_("request"), null=True, editable=False)
    sealed_answer = models.BinaryField(_("answer"), null=True, editable=False)
    wrapped_key = models.BinaryField(_("wrapped key"), null=True, editable=False)
    key_bucket = models.DateTimeField(_("key bucket"), null=True, editable=False)
    expires_at = models.DateTimeField(_("text kept until"))
    """Once a case is closed, its row goes with its text."""

    objects = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        permissions = [("answer_case", _("Can read and answer what people wrote"))]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="hili_case_due",
                condition=models.Q(state__in=["received", "verified"]),
            ),
            models.Index(fields=["subject_ref", "-received_at"], name="hili_case_subject"),
            models.Index(fields=["expires_at"], name="hili_case_expires"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def is_overdue(self, now: dt.datetime) -> bool:
        """Whether the answer is late."""
        return self.state in OPEN and self.due_at < now
