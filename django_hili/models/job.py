"""One photo's trip: what shall be done, how far it is, who works on it and when it expires.

Owns the states and which may follow which. Every change of state is one conditional update
(`PhotoJobQuerySet.move`): it names the state it comes from and the token of whoever owns the
job, and changes nothing if either has moved on.
Kept of a job: states, codes and times; no content and no log of use.
Clauses C08, C20: MIAO-2.1c.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.codes import Code, sentence
from django_hili.conf import get_settings
from django_hili.models.batch import PhotoBatch
from django_hili.vocabulary import (
    JPEG_LONGEST_SIDE,
    Background,
    Enhancement,
    ImageType,
    Operation,
    ResultFormat,
)


class JobStatus(models.TextChoices):
    """Where a job is."""

    QUEUED = "queued", _("waiting")
    SENDING = "sending", _("being sent")
    PROCESSING = "processing", _("being enhanced")
    FETCHING = "fetching", _("being stored")
    HELD = "held", _("held")
    DONE = "done", _("enhanced")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class HeldReason(models.TextChoices):
    """What a held job waits for. Without credits a job is not held: it stays queued."""

    SEND_UNKNOWN = "send_unknown", _("not known whether the photo was charged")
    CONSENT_NEEDED = "consent_needed", _("consent is needed")
    PROVIDER_PAUSED = "provider_paused", _("the provider is paused")
    APPROVAL_NEEDED = "approval_needed", _("approval is needed")
    ON_REQUEST = "on_request", _("a person asked for it")


class Basis(models.TextChoices):
    """On what ground a photo may be processed."""

    CONSENT = "consent", _("the person's own request")
    ATTESTATION = "attestation", _("attested by the operator")
    NO_PERSONAL_DATA = "no_personal_data", _("the photo holds no personal data")


ACTIVE: Final = (JobStatus.SENDING, JobStatus.PROCESSING, JobStatus.FETCHING)
ENDED: Final = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)

TRANSITIONS: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.QUEUED: frozenset(
        {JobStatus.SENDING, JobStatus.PROCESSING, JobStatus.HELD, JobStatus.FAILED,
         JobStatus.CANCELLED}
    ),
    JobStatus.SENDING: frozenset(
        {JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.HELD, JobStatus.FAILED,
         JobStatus.CANCELLED}
    ),
    JobStatus.PROCESSING: frozenset(
        {JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.FETCHING, JobStatus.FAILED,
         JobStatus.CANCELLED}
    ),
    JobStatus.FETCHING: frozenset(
        {JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.DONE, JobStatus.FAILED,
         JobStatus.CANCELLED}
    ),
    JobStatus.HELD: frozenset({JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.DONE: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}  # fmt: skip
"""Which state may follow which. An ended job never moves again."""


class PhotoJobQuerySet(models.QuerySet["PhotoJob"]):
    """Questions about jobs, and the one way a job changes its state."""

    def due(self, now: dt.datetime) -> PhotoJobQuerySet:
        """Waiting and to be taken up by now, the longest-waiting first."""
        return self.filter(status=JobStatus.QUEUED, due_at__lte=now).order_by("due_at")

    def stalled(self, now: dt.datetime) -> PhotoJobQuerySet:
        """Being worked on by a worker that has fallen silent."""
        return self.filter(status__in=ACTIVE, lease_until__lte=now)

    def unfinished(self) -> PhotoJobQuerySet:
        """In no end state."""
        return self.exclude(status__in=ENDED)

    def visible_to(self, subject_ref: uuid.UUID | None) -> PhotoJobQuerySet:
        """The person's own jobs; nobody's where the person is not known here."""
        return self.none() if subject_ref is None else self.filter(subject_ref=subject_ref)

    def cancel(self, now: dt.datetime, *, kept_until: dt.datetime) -> int:
        """Cancel those that have not ended; their rows go at `kept_until`. Returns how many."""
        return self.unfinished().update(
            status=JobStatus.CANCELLED,
            held_reason="",
            ended_at=now,
            expires_at=kept_until,
            lease_until=None,
            lease_owner="",
            stage="",
            percent=None,
        )

    def move(
        self, job_id: uuid.UUID, source: JobStatus, target: JobStatus, *,
        token: int | None = None, **changes: Any,
    ) -> bool:  # fmt: skip
        """Move one job from `source` to `target` in one update; say whether it did.

        With `token`, only the worker that claimed the job under it may move it.
        """
        if target not in TRANSITIONS[source]:
            raise ValueError(f"a job never goes from {source} to {target}")
        rows = self.filter(pk=job_id, status=source)
        if token is not None:
            rows = rows.filter(token=token)
        return bool(rows.update(status=target, **changes))


class PhotoJob(models.Model):
    """One photo's trip through a provider."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(
        PhotoBatch,
        on_delete=models.SET_NULL,
        null=True,
        related_name="jobs",
        verbose_name=_("batch"),
    )
    again_of = models.UUIDField(_("again of"), null=True, editable=False)
    """The ended job that this one does again; that row may be gone."""
    # Whose photo it is, who asked, and on what ground.
    subject_ref = models.UUIDField(_("subject"), null=True, editable=False)
    requested_by_ref = models.UUIDField(_("requested by"), null=True, editable=False)
    basis = models.CharField(_("basis"), max_length=16, choices=Basis, default=Basis.CONSENT)
    basis_reason = models.CharField(_("reason"), max_length=200, blank=True)
    """Why the operator may attest; empty for consent."""
    # What was promised when the photo came in.
    policy_number = models.PositiveIntegerField(_("policy version"), null=True, editable=False)
    result_kept = models.DurationField(_("result kept for"), null=True, editable=False)
    # The row of the host's that the photo came from.
    target_model = models.CharField(_("target model"), max_length=100, blank=True)
    target_pk = models.CharField(_("target key"), max_length=64, blank=True)
    target_field = models.CharField(_("target field"), max_length=64, blank=True)
    source_mark = models.CharField(max_length=40, blank=True, editable=False)
    """What the photo said of what made it, in the IPTC's words, so that its result says no less."""
    # What shall be done.
    provider = models.CharField(_("provider"), max_length=64)
    preset = models.CharField(_("preset"), max_length=64, blank=True)
    operations = models.JSONField(_("operations"))
    image_type = models.CharField(_("image type"), max_length=16)
    scale = models.PositiveSmallIntegerField(_("scale"), null=True)
    background = models.CharField(_("background"), max_length=16, blank=True)
    dpi = models.PositiveSmallIntegerField(_("resolution in dpi"))
    result_format = models.CharField(_("result format"), max_length=8, blank=True)
    # Where it is.
    status = models.CharField(
        _("status"), max_length=10, choices=JobStatus, default=JobStatus.QUEUED
    )
    held_reason = models.CharField(_("held because"), max_length=16, choices=HeldReason, blank=True)
    code = models.CharField(_("code"), max_length=40, blank=True)
    """Why it failed, a `Code`; empty for a job that did not."""
    warnings = models.JSONField(_("warnings"), default=list)
    steps = models.JSONField(_("what was done"), default=list)
    stage = models.CharField(_("stage"), max_length=16, blank=True)
    percent = models.PositiveSmallIntegerField(_("percent of the stage"), null=True)
    # Who works on it.
    token = models.PositiveBigIntegerField(_("fencing token"), default=0)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_owner = models.CharField(_("worker"), max_length=32, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    due_at = models.DateTimeField(_("due"))
    # When.
    created_at = models.DateTimeField(_("created"))
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    expires_at = models.DateTimeField(_("row kept until"))

    objects = PhotoJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("photo job")
        verbose_name_plural = _("photo jobs")
        permissions = [
            ("see_photo", _("Can see photos")),
            ("erase_photo", _("Can delete photos for good")),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="hili_job_due",
                condition=models.Q(status="queued"),
            ),
            models.Index(
                fields=["lease_until"],
                name="hili_job_lease",
                condition=models.Q(status__in=["sending", "processing", "fetching"]),
            ),
            models.Index(fields=["subject_ref", "-created_at"], name="hili_job_subject"),
            models.Index(fields=["target_model", "target_pk"], name="hili_job_target"),
            models.Index(fields=["-created_at"], name="hili_job_created"),
            models.Index(fields=["expires_at"], name="hili_job_expires"),
            models.Index(
                fields=["again_of"],
                name="hili_job_again",
                condition=models.Q(again_of__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_ended(self) -> bool:
        """Whether the job will never move again."""
        return self.status in ENDED

    @property
    def failure_sentence(self) -> str:
        """What a person reads about a failed job, in the active language; else empty."""
        if not self.code:
            return ""
        limits = get_settings().limits
        limit = {
            Code.PHOTO_TOO_MANY_PIXELS.value: limits.max_megapixels,
            Code.RESULT_TOO_LARGE.value: min(limits.max_result_side, JPEG_LONGEST_SIDE),
        }.get(self.code)
        return sentence(self.code) if limit is None else sentence(self.code, limit=limit)

    @property
    def warning_sentences(self) -> list[str]:
        """The warnings as sentences, in the active language."""
        return [sentence(code) for code in self.warnings if code in set(Code)]

    @property
    def enhancement(self) -> Enhancement:
        """What shall be done, as the value it was made of."""
        return Enhancement(
            operations=tuple(Operation(name) for name in self.operations),
            image_type=ImageType(self.image_type),
            scale=self.scale,
            background=Background(self.background) if self.background else None,
            dpi=self.dpi,
            format=ResultFormat(self.result_format) if self.result_format else None,
        )
