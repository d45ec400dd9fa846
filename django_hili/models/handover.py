"""A link by which somebody else may take a person's copy, once. Only the link's hash is kept.

Clauses C29: MIAO-8.5.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class HandoverQuerySet(models.QuerySet["Handover"]):
    """Questions about links, and the one way a link is used."""

    def usable(self, now: dt.datetime) -> HandoverQuerySet:
        """Not used and not past its time."""
        return self.filter(used_at=None, expires_at__gt=now)

    def use(self, token_hash: str, now: dt.datetime) -> Handover | None:
        """Use a link up, in one update; return it if this call was the one that did."""
        if not self.usable(now).filter(token_hash=token_hash).update(used_at=now):
            return None
        return self.get(token_hash=token_hash)

    def give_back(self, handover_id: uuid.UUID) -> bool:
        """Make a used link usable for the rest of its time; say whether it was there."""
        return bool(self.filter(pk=handover_id).update(used_at=None))


class Handover(models.Model):
    """One link to one copy."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject_ref = models.UUIDField(_("subject"), editable=False)
    token_hash = models.CharField(_("hash of the link"), max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("usable until"))
    used_at = models.DateTimeField(_("used"), null=True)

    objects = HandoverQuerySet.as_manager()

    class Meta:
        verbose_name = _("hand-over")
        verbose_name_plural = _("hand-overs")
        default_permissions = ()
        indexes = [models.Index(fields=["subject_ref"], name="hili_handover_subject")]

    def __str__(self) -> str:
        return str(self.id)
