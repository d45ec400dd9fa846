"""What a person has to be told and the site has to deliver. Holds no text and no reference.

The row names the host's user until it is delivered, or cannot be. From then on it holds the
person's random reference alone, by which nobody is told twice; the words are made on delivery.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.models.incident import Incident


class MessageKind(models.TextChoices):
    """What a message is about."""

    INCIDENT = "incident", _("incident")
    WIND_DOWN = "wind_down", _("end of the service")


class MessageState(models.TextChoices):
    """How far a message has come."""

    QUEUED = "queued", _("waiting")
    DELIVERED = "delivered", _("delivered")
    UNREACHABLE = "unreachable", _("could not be delivered")


class MessageQuerySet(models.QuerySet["Message"]):
    """Questions about messages."""

    def due(self, now: dt.datetime) -> MessageQuerySet:
        """To be delivered by now, the longest-waiting first."""
        return self.filter(state=MessageState.QUEUED, due_at__lte=now).order_by("due_at")


class Message(models.Model):
    """One message to one user of the site."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=9, choices=MessageKind)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, null=True, related_name="messages"
    )
    user_key = models.CharField(  # noqa: DJ001 - None, unlike "", leads nowhere
        _("user key"), max_length=64, null=True, editable=False
    )
    """Whom to tell; None once that is settled."""
    subject_ref = models.UUIDField(_("subject"), null=True, editable=False)
    state = models.CharField(
        _("state"), max_length=11, choices=MessageState, default=MessageState.QUEUED
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    due_at = models.DateTimeField(_("due"))
    delivered_at = models.DateTimeField(_("delivered"), null=True)
    expires_at = models.DateTimeField(_("kept until"))

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [
            models.Index(
                fields=["due_at"],
                name="hili_message_due",
                condition=models.Q(state="queued"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "subject_ref"], name="hili_message_once_an_incident"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
