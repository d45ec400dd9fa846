"""What a store of the host's still has to erase: one row for each store, until it has.

Our own photos need no such row: each is its own. Clauses C22: HILI-4.2, MIAO-5.3.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.models.media import EraseCause


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Questions about what is still to be erased elsewhere."""

    def due(self, now: dt.datetime) -> ErasureQuerySet:
        """To be tried now, the longest-waiting first."""
        return self.filter(due_at__lte=now).order_by("due_at")


class Erasure(models.Model):
    """One store's part of one decision. Gone, with a receipt, once the store holds nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    store = models.CharField(_("store"), max_length=64)
    """The name it was registered under."""
    cause = models.CharField(_("cause"), max_length=10, choices=EraseCause)
    # What it is about: a person, or the photo of one job.
    subject_ref = models.UUIDField(_("subject"), null=True, editable=False)
    user_key = models.CharField(_("user key"), max_length=64, blank=True, editable=False)
    job_ref = models.UUIDField(_("job"), null=True, editable=False)
    target_model = models.CharField(_("target model"), max_length=100, blank=True)
    target_pk = models.CharField(_("target key"), max_length=64, blank=True)
    # How far it is.
    decided_at = models.DateTimeField(_("decided"))
    due_at = models.DateTimeField(_("tried again"))
    tries = models.PositiveIntegerField(_("tries"), default=0)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        verbose_name = _("erasure elsewhere")
        verbose_name_plural = _("erasures elsewhere")
        indexes = [models.Index(fields=["due_at"], name="hili_erasure_due")]

    def __str__(self) -> str:
        return str(self.id)
