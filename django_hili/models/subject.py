"""The person behind a random reference. Owns the one link between our rows and a host user.

An age band is asked for, never a birth date. Clauses C10: HILI-7a, AIART-7.1, PIXEL-7.1, MIAO-9.1.
Nothing else about an account is kept. Clauses C08: HILI-1.1, AIART-1.2.1, PIXEL-1.1.1, MIAO-2.1b.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class AgeBand(models.TextChoices):
    """As much as has to be known of a person's age."""

    UNKNOWN = "unknown", _("not asked yet")
    ADULT = "adult", _("adult")
    """18 or older."""
    MINOR = "minor", _("minor")
    """14 to 17."""
    CHILD = "child", _("child")
    """Below 14."""


class Subject(models.Model):
    """A person known to the host. Cutting `user_key` severs every row that names `ref`."""

    ref = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_key = models.CharField(  # noqa: DJ001 - None, unlike "", may stand in many severed rows
        _("user key"), max_length=64, unique=True, null=True, editable=False
    )
    """The host user's primary key as text; None once the link has been severed."""
    age_band = models.CharField(
        _("age band"), max_length=8, choices=AgeBand, default=AgeBand.UNKNOWN
    )
    region = models.CharField(_("region"), max_length=2, blank=True)
    """Where the person is, as an ISO 3166 code; empty: where the site is."""
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    """One more with every consent event: what was decided on an older one is decided anew."""
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("subject")
        verbose_name_plural = _("subjects")

    def __str__(self) -> str:
        return str(self.ref)
