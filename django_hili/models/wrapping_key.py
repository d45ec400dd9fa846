"""Wrapping keys, for a site that keeps them in a database of their own instead of a folder.

The table exists in every database the app is migrated in and is empty in all but that one.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class WrappingKey(models.Model):
    """A key, and the hour from which it opens nothing."""

    not_after = models.DateTimeField(_("not after"), primary_key=True)
    key = models.BinaryField(_("key"), editable=False)

    class Meta:
        verbose_name = _("wrapping key")
        verbose_name_plural = _("wrapping keys")

    def __str__(self) -> str:
        return f"{self.not_after:%Y-%m-%d %H:%M}"
