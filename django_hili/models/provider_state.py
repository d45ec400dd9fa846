"""What all workers share about a provider: whether it can be asked, and its credit count."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _

SEND_SLOTS = 8
"""How many photos may be leaving for one account at a time, at the most."""


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
    slots = models.PositiveSmallIntegerField(_("photos sent at a time"), default=SEND_SLOTS)
    """By all workers together: halved when the provider says that it is asked too often."""
    credits = models.PositiveIntegerField(_("credits left"), null=True)
    credits_at = models.DateTimeField(_("counted"), null=True)
    """When the vendor last said how many credits are left."""
    base_credits = models.PositiveIntegerField(_("credits reckoned from"), null=True)
    """Doubts that are newer than this count are reckoned from it. It stays until two later counts
    agree, when `credits` has moved on; None where there is none to reckon from."""
    base_at = models.DateTimeField(_("reckoned from"), null=True)
    is_low = models.BooleanField(_("few credits left"), default=False)
    """Whether the last count was at the low-water mark or under it."""
    is_shared = models.BooleanField(_("somebody else spends too"), default=False)
    """Credits went that our own ledger does not explain; doubts are then left to a person, until
    staff say that the count may settle them again."""

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")

    def __str__(self) -> str:
        return self.alias

    def may_be_asked(self, now: dt.datetime) -> bool:
        """Whether photos may be sent now: nobody paused it, and no breaker is open."""
        return not self.is_paused and not self.is_held_back(now)

    def is_held_back(self, now: dt.datetime) -> bool:
        """Whether a breaker is open."""
        return self.ask_again_at is not None and self.ask_again_at > now
