"""One row for every send, written before the photo leaves and closed with what became of it.

It is at once the ledger of who got what and the ledger of what was paid: at most one charge a
row. A row left open means *not known*, and that is never answered by sending again on a guess.
Clauses C13: HILI-0.5, HILI-API-1, AIART-3.3b.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.models.job import PhotoJob


class SendState(models.TextChoices):
    """How far one send has come."""

    INTENDED = "intended", _("intended")
    """Written down; the last bytes have not left, so nothing can have been charged."""
    PASSED = "passed", _("past the barrier")
    """From here on the photo may have been accepted."""
    ANSWERED = "answered", _("accepted")
    REFUSED = "refused", _("not accepted")
    UNKNOWN = "unknown", _("not known")
    RECONCILED = "reconciled", _("settled by the credit count")


class VendorCopy(models.TextChoices):
    """What became of the copy a vendor had. Nothing is taken for granted.

    Clauses C19: HILI-API-3, HILI-API-7, HILI-API-10, PIXEL-6.2b.
    """

    PENDING = "pending", _("with the vendor")
    NONE = "none", _("the vendor never had one")
    CONFIRMED = "confirmed", _("gone, as the vendor confirmed")
    UNVERIFIED = "unverified", _("not known: the vendor did not answer")
    STILL_SERVED = "still_served", _("still there after its time")
    RETENTION_UNSTATED = "retention_unstated", _("the vendor promises nothing")


class DisclosureQuerySet(models.QuerySet["Disclosure"]):
    """Questions about sends."""

    def open(self) -> DisclosureQuerySet:
        """On the way: their end will be written by the worker that sends them."""
        return self.filter(state__in=[SendState.INTENDED, SendState.PASSED])

    def in_doubt(self) -> DisclosureQuerySet:
        """Perhaps accepted, perhaps not."""
        return self.filter(state=SendState.UNKNOWN)

    def charged(self) -> DisclosureQuerySet:
        """Paid for, as far as is known."""
        return self.filter(charged=True)


class Disclosure(models.Model):
    """One photo leaving for one provider, once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(
        PhotoJob,
        on_delete=models.DO_NOTHING,
        related_name="disclosures",
        db_constraint=False,
        verbose_name=_("job"),
    )
    """No constraint: what was sent stays written down when the job is gone."""
    provider = models.CharField(_("provider"), max_length=64)
    region = models.CharField(_("region"), max_length=2, blank=True)
    processor_policy = models.CharField(_("policy of the provider"), max_length=200)
    """Which policy of the company's the send rests on. Clauses C13: HILI-0.5."""
    items = models.JSONField(_("what was sent"))
    """The kinds of data, never the data: photo, operations, image_type."""
    operations = models.JSONField(_("operations"))
    requested_by_ref = models.UUIDField(_("requested by"), null=True, editable=False)
    basis = models.CharField(_("basis"), max_length=16)
    token = models.PositiveBigIntegerField(_("fencing token"))
    state = models.CharField(
        _("state"), max_length=10, choices=SendState, default=SendState.INTENDED
    )
    charged = models.BooleanField(_("charged"), null=True)
    """None while it is not known."""
    size = models.PositiveBigIntegerField(_("size in bytes"))
    handle = models.CharField(_("vendor's handle"), max_length=200, blank=True, editable=False)
    """Gone as soon as it is known what became of the vendor's copy."""
    vendor_words = models.CharField(_("vendor's words"), max_length=200, blank=True)
    intended_at = models.DateTimeField(_("intended"))
    passed_at = models.DateTimeField(_("past the barrier"), null=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    vendor_due_at = models.DateTimeField(_("vendor deletes"), null=True)
    outcome = models.CharField(
        _("vendor's copy"), max_length=20, choices=VendorCopy, default=VendorCopy.PENDING
    )
    outcome_at = models.DateTimeField(_("known since"), null=True)
    probes = models.PositiveSmallIntegerField(_("times the vendor was asked"), default=0)
    expires_at = models.DateTimeField(_("row kept until"), null=True)
    """None while the vendor's copy is pending: then nobody knows yet when this ends."""

    objects = DisclosureQuerySet.as_manager()

    class Meta:
        verbose_name = _("send")
        verbose_name_plural = _("sends")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(processor_policy=""), name="hili_send_names_policy"
            )
        ]
        indexes = [
            models.Index(fields=["job", "token"], name="hili_send_job"),
            models.Index(fields=["provider", "intended_at"], name="hili_send_provider"),
            models.Index(
                fields=["provider"],
                name="hili_send_open",
                condition=models.Q(state__in=["intended", "passed", "unknown"]),
            ),
            models.Index(
                fields=["vendor_due_at"],
                name="hili_send_pending",
                condition=models.Q(outcome="pending"),
            ),
            models.Index(fields=["expires_at"], name="hili_send_expires"),
        ]

    def __str__(self) -> str:
        return str(self.id)
