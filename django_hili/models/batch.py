"""Jobs made together."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class PhotoBatch(models.Model):
    """One admin action or one upload of many photos."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_by_ref = models.UUIDField(_("requested by"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("kept until"))
    """When this row is deleted; never earlier than its last job's."""

    class Meta:
        verbose_name = _("photo batch")
        verbose_name_plural = _("photo batches")
        indexes = [
            models.Index(fields=["expires_at"], name="hili_batch_expires"),
            models.Index(fields=["requested_by_ref", "-created_at"], name="hili_batch_requested"),
        ]

    def __str__(self) -> str:
        return str(self.id)
