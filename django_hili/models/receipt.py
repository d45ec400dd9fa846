"""The chain of receipts: what happened, in order, each line fixed by the one before it.

Holds no personal data: what is named are random references of ours, and facts from a closed
list. Clauses C28: PIXEL-4.2, MIAO-7.3c.
"""

from __future__ import annotations

import secrets

from django.db import models
from django.utils.translation import gettext_lazy as _

_ONLY = 1


def new_origin() -> str:
    """Return what no other chain begins with."""
    return secrets.token_hex(32)


class Receipt(models.Model):
    """One thing that happened. Written once, never changed, never deleted."""

    number = models.PositiveBigIntegerField(_("number"), primary_key=True)
    """Without gaps, from 1."""
    at = models.DateTimeField(_("time"))
    kind = models.CharField(_("kind"), max_length=32)
    object_id = models.CharField(_("object"), max_length=64)
    facts = models.TextField(_("facts"))
    """Canonical JSON, as it went into the hash."""
    previous = models.CharField(_("hash of the receipt before"), max_length=64)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        indexes = [models.Index(fields=["object_id"], name="hili_receipt_object")]

    def __str__(self) -> str:
        return str(self.number)


class ChainManager(models.Manager["Chain"]):
    """Finds the one row."""

    def the_one(self) -> Chain:
        """Return the row, making it where the tables are new."""
        return self.get_or_create(pk=_ONLY)[0]


class Chain(models.Model):
    """The newest receipt. The one row everybody who appends has to hold."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=_ONLY)
    origin = models.CharField(_("origin"), max_length=64, default=new_origin, editable=False)
    """Random; stands before the first receipt, so that no two chains can be mistaken."""
    number = models.PositiveBigIntegerField(_("newest receipt"), default=0)
    hash = models.CharField(_("its hash"), max_length=64, blank=True)
    replay_from = models.PositiveBigIntegerField(_("to be replayed from"), null=True)
    """The first receipt that came back from the copy and has not been made true again."""

    objects = ChainManager()

    class Meta:
        verbose_name = _("chain of receipts")
        verbose_name_plural = _("chains of receipts")

    def __str__(self) -> str:
        return self.origin[:8]
