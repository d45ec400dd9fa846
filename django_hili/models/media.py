"""One row for every stored byte: where it is, until when, and how far its erasure has come.

The row is committed before the first byte is written and goes after the last byte is gone,
so no file is ever without a row that carries its deadline. Clauses C17: HILI-4.2, MIAO-5.2.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.models.job import PhotoJob


class MediaKind(models.TextChoices):
    """What the bytes are."""

    SOURCE = "source", _("source")
    RESULT = "result", _("result")


class MediaState(models.TextChoices):
    """How far the bytes have come, from the first written to the last gone."""

    WRITING = "writing", _("being written")
    LIVE = "live", _("live")
    CONDEMNED = "condemned", _("condemned")
    """Unreadable from this commit on and its key gone; the file is still to be deleted."""


class EraseCause(models.TextChoices):
    """Why stored bytes were condemned."""

    JOB_ENDED = "job_ended", _("the job ended")
    DELIVERED = "delivered", _("delivered")
    EXPIRED = "expired", _("past its deadline")
    REQUESTED = "requested", _("deletion was asked for")
    WITHDRAWN = "withdrawn", _("consent was withdrawn")
    CANCELLED = "cancelled", _("the account was cancelled")
    MINOR = "minor", _("nobody agreed for a minor")
    WIND_DOWN = "wind_down", _("the service ended")
    ORPHAN = "orphan", _("left behind")
    REPLAYED = "replayed", _("erased before, and back with a copy")
    REWRITTEN = "rewritten", _("stored anew in another form")


class MediaQuerySet(models.QuerySet["Media"]):
    """Questions about stored bytes."""

    def live(self) -> MediaQuerySet:
        """Readable: fully written and not condemned."""
        return self.filter(state=MediaState.LIVE)

    def expired(self, now: dt.datetime) -> MediaQuerySet:
        """Past the deadline and not yet condemned."""
        return self.filter(expires_at__lte=now, state__in=[MediaState.WRITING, MediaState.LIVE])

    def to_erase(self) -> MediaQuerySet:
        """Condemned, with erasure still to be finished."""
        return self.filter(state=MediaState.CONDEMNED)


class Media(models.Model):
    """Bytes in a storage. Holds no file name, no hash of the content and no metadata."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(
        PhotoJob,
        on_delete=models.DO_NOTHING,
        related_name="media",
        null=True,
        db_constraint=False,
        verbose_name=_("job"),
    )
    """No constraint: a job deleted behind our back must not take the row that finds its file."""
    parent = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="derivatives",
        verbose_name=_("made from"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=MediaKind)
    state = models.CharField(
        _("state"), max_length=10, choices=MediaState, default=MediaState.WRITING
    )
    storage = models.CharField(_("storage alias"), max_length=64)
    name = models.CharField(_("name in the storage"), max_length=100, unique=True)
    # Known once it has been written.
    content_type = models.CharField(_("content type"), max_length=32, blank=True)
    size = models.PositiveBigIntegerField(_("size in bytes"), default=0)
    width = models.PositiveIntegerField(_("width in pixels"), default=0)
    height = models.PositiveIntegerField(_("height in pixels"), default=0)
    format_number = models.PositiveSmallIntegerField(_("storage format"), default=0)
    """How the bytes are laid down: 0 as they are; sealed formats have numbers of their own."""
    wrapped_key = models.BinaryField(_("wrapped key"), null=True, editable=False)
    key_bucket = models.DateTimeField(_("key bucket"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("kept until"))
    missed_at = models.DateTimeField(null=True, editable=False)
    """When a look at the storage first did not find its file; None where the last one did."""
    condemned_at = models.DateTimeField(_("condemned"), null=True)
    cause = models.CharField(_("cause"), max_length=10, choices=EraseCause, blank=True)

    objects = MediaQuerySet.as_manager()

    class Meta:
        verbose_name = _("stored photo")
        verbose_name_plural = _("stored photos")
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="hili_media_expires",
                condition=models.Q(state__in=["writing", "live"]),
            ),
            models.Index(
                fields=["name"],
                name="hili_media_condemned",
                condition=models.Q(state="condemned"),
            ),
            models.Index(
                fields=["key_bucket"],
                name="hili_media_bucket",
                condition=models.Q(state="live"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
