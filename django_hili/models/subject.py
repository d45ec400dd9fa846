"""The person behind a random reference. Owns the one link between our rows and a host user."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class Subject(models.Model):
    """A person known to the host. Cutting `user_key` severs every row that names `ref`."""

    ref = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_key = models.CharField(  # noqa: DJ001 - None, unlike "", may stand in many severed rows
        _("user key"), max_length=64, unique=True, null=True, editable=False
    )
    """The host user's primary key as text; None once the link has been severed."""
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("subject")
        verbose_name_plural = _("subjects")

    def __str__(self) -> str:
        return str(self.ref)
