"""What is known of an incident: its time, what people are told of it, and the clocks.

Owns the row beside the incident's case. Who was affected is computed, not kept: only how many.
Clauses C34: HILI-5f, AIART-4.2.6a, AIART-4.2.6b, PIXEL-4.5, MIAO-7.6.
"""

from __future__ import annotations

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.models.case import Case

PARTS: Final = ("situation", "measures", "advice", "remedies")
"""What people have to be told, in this order. None may be missing."""


class Severity(models.TextChoices):
    """How bad it is, or may become."""

    MINOR = "minor", _("minor: no photo was readable by others")
    SERIOUS = "serious", _("serious: photos or what is known of people may have been read")
    LARGER = "larger", _("larger: many people, minors, or photos in public")


class IncidentQuerySet(models.QuerySet["Incident"]):
    """Questions about incidents."""

    def real(self) -> IncidentQuerySet:
        """Those that are no drill."""
        return self.filter(is_drill=False)


class Incident(models.Model):
    """One incident or drill. Its case says when it was opened and closed."""

    case = models.OneToOneField(
        Case, on_delete=models.CASCADE, primary_key=True, related_name="incident"
    )
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    is_drill = models.BooleanField(_("drill"), default=False)
    provider = models.CharField(_("provider"), max_length=64, blank=True)
    """The provider at which it happened; empty where it happened on this site."""
    began_at = models.DateTimeField(_("began"))
    ended_at = models.DateTimeField(_("ended"))
    discovered_at = models.DateTimeField(_("discovered"))
    situation = models.TextField(_("what happened, and what it can mean for people"), blank=True)
    measures = models.TextField(_("what was and will be done"), blank=True)
    advice = models.TextField(_("what people can do themselves"), blank=True)
    remedies = models.TextField(_("what people are offered"), blank=True)
    people_due_at = models.DateTimeField(_("people are to be told by"))
    authority_due_at = models.DateTimeField(_("the authority is to be told by"))
    affected = models.PositiveIntegerField(_("people affected"), null=True)
    people_told_at = models.DateTimeField(_("messages queued"), null=True)
    announced_at = models.DateTimeField(_("announced"), null=True)
    authority_told_at = models.DateTimeField(_("authority told"), null=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")

    def __str__(self) -> str:
        return str(self.case_id)

    @property
    def missing(self) -> list[str]:
        """The parts that still have to be written."""
        return [name for name in PARTS if not getattr(self, name).strip()]
