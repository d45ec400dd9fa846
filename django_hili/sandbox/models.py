"""Own the sandbox's rows: partners, credits, pictures, ledger, faults; must not know HTTP."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Partner(models.Model):
    """An account: a public code, a secret, and how it is charged."""

    class Charging(models.TextChoices):
        """When a credit is spent."""

        UPLOAD = "upload", _("per uploaded picture")
        DOWNLOAD = "download", _("per downloaded picture, repeated downloads free")

    third_code = models.CharField(max_length=64, unique=True)
    secret_key = models.CharField(max_length=128)
    charging = models.CharField(max_length=8, choices=Charging, default=Charging.UPLOAD)

    class Meta:
        verbose_name = _("partner")
        verbose_name_plural = _("partners")
        ordering = ("id",)

    def __str__(self) -> str:
        return self.third_code


class CreditPackage(models.Model):
    """Credits bought together; they lapse together."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="packages")
    size = models.PositiveIntegerField()
    unspent = models.PositiveIntegerField()
    bought_at = models.FloatField()
    """Unix seconds on the sandbox's own clock, as every time in these tables."""
    expires_at = models.FloatField()

    class Meta:
        verbose_name = _("credit package")
        verbose_name_plural = _("credit packages")
        ordering = ("expires_at", "id")

    def __str__(self) -> str:
        return f"{self.unspent}/{self.size}"


class Picture(models.Model):
    """A picture that was accepted and is not yet forgotten."""

    mdf = models.CharField(max_length=32, primary_key=True)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="pictures")
    seq = models.CharField(max_length=64)
    """The operations, comma-joined as they were sent."""
    image_type = models.CharField(max_length=12)
    rate = models.PositiveSmallIntegerField(default=0)
    rgb = models.CharField(max_length=12, blank=True)
    dpi = models.PositiveSmallIntegerField(default=0)
    platform = models.CharField(max_length=8, blank=True)
    mode = models.CharField(max_length=8)
    """How it is worked on: engine, cheap or echo."""
    file_name = models.CharField(max_length=255, blank=True)
    source_format = models.CharField(max_length=8)
    result_format = models.CharField(max_length=8)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    """Width, height and size are the source's until the result is there, then the result's."""
    code = models.PositiveSmallIntegerField(default=0)
    """What the workers have reached: 0 working, 1 done, 2 failed."""
    stage = models.PositiveSmallIntegerField(default=0)
    """The stage a worker reported; 0 while none has, then the clock decides."""
    reason = models.CharField(max_length=255, blank=True)
    accepted_at = models.FloatField()
    claimed_at = models.FloatField(null=True, blank=True)
    ready_at = models.FloatField()
    """No answer says *done* before this moment, however fast the work was."""
    expires_at = models.FloatField(db_index=True)
    downloads = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ("-accepted_at", "mdf")

    def __str__(self) -> str:
        return self.mdf


class LedgerEntry(models.Model):
    """One thing that happened to a picture or a credit; rows are only ever added."""

    class Event(models.TextChoices):
        """What happened."""

        ACCEPTED = "accepted", _("accepted")
        AGAIN = "again", _("accepted to process again")
        DOWNLOADED = "downloaded", _("download granted")
        FORGOTTEN = "forgotten", _("deleted after its time")

    at = models.FloatField()
    request = models.CharField(max_length=32, blank=True)
    event = models.CharField(max_length=12, choices=Event)
    third_code = models.CharField(max_length=64)
    mdf = models.CharField(max_length=32, db_index=True)
    credits = models.PositiveSmallIntegerField(default=0)
    """What this event cost."""
    file_name = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    faults = models.CharField(max_length=255, blank=True)
    """The faults that were put on the answer, comma-joined: was the caller told?"""

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.event} {self.mdf}"


class FaultRule(models.Model):
    """A fault that is switched on: where, how often, and with what figures."""

    kind = models.CharField(max_length=24)
    endpoint = models.CharField(max_length=12, default="any")
    third_code = models.CharField(max_length=64, blank=True)
    """Only this partner's calls; blank for everybody's."""
    params = models.JSONField(default=dict, blank=True)
    skip = models.PositiveIntegerField(default=0)
    """How many matching requests still pass unharmed."""
    remaining = models.PositiveIntegerField(null=True, blank=True)
    """How many requests it still befalls; null for all."""
    chance = models.FloatField(default=1.0)
    hits = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("fault")
        verbose_name_plural = _("faults")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind} at {self.endpoint}"


class StoredBehaviour(models.Model):
    """The one row of settings that the control page changes."""

    values = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("stored behaviour")
        verbose_name_plural = _("stored behaviour")

    def __str__(self) -> str:
        return "behaviour"
