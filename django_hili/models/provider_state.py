"""What all workers share about a provider: whether it can be asked, and its credit count."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _


class Breaker(models.TextChoices):
    """Why nothing is sent to a provider for the time being."""

    CLOSED = "", _("none")
    NO_CREDITS = "no_credits", _("no credits left")
    BAD_CREDENTIALS = "bad_credentials", _("its credentials are refused")
    DOWN = "down", _("it does not answer")


class ProviderState(models.Model):
    """One provider, as this site has come to know it. Holds no secret and no address."""

    alias = models.CharField(_("provider"), max_length=64, primary_key=True)
    is_paused = models.BooleanField(_("paused by staff"), default=False)
    breaker = models.CharField(_("held back by"), max_length=16, choices=Breaker, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    ask_again_at = models.DateTimeField(_("asked again at"), null=True)
    credits = models.PositiveIntegerField(_("credits left"), null=True)
    credits_at = models.DateTimeField(_("counted"), null=True)
    """When the vendor last said how many credits are left."""
    is_shared = models.BooleanField(_("somebody else spends too"), default=False)
    """Seen by a count that our own ledger does not explain; doubts are then left to a person."""

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")

    def __str__(self) -> str:
        return self.alias

    def may_be_asked(self, now: dt.datetime) -> bool:
        """Whether photos may be sent now: nobody paused it, and no breaker is open."""
        return not self.is_paused and (self.ask_again_at is None or self.ask_again_at <= now)
