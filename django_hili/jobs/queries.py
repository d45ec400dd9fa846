"""What doors may ask about jobs and batches: whose they are, what is stored, what happened."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Count, F, FilteredRelation, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import WrongStateError
from django_hili.models import (
    Basis,
    Disclosure,
    EraseCause,
    JobStatus,
    Media,
    MediaKind,
    MediaState,
    PhotoBatch,
    PhotoJob,
    Purpose,
    Receipt,
    SendState,
)
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.erasure.retention import result_deadline
from django_hili.privacy.erasure.vendor_copies import open_handle
from django_hili.privacy.evidence.receipts import canonical


def jobs_of(user: Any) -> PhotoJobQuerySet:
    """Return the jobs whose photos are this user's; none for somebody not known here."""
    return PhotoJob.objects.all().visible_to(known_subject_ref(user))


def with_results(jobs: PhotoJobQuerySet) -> PhotoJobQuerySet:
    """Annotate each job with its live result's deadline, size and type, by one join.

    A job has one live result at most: the transaction that ends it condemns all others.
    """
    live = Q(media__kind=MediaKind.RESULT, media__state=MediaState.LIVE)
    return jobs.annotate(
        live_result=FilteredRelation("media", condition=live),
        result_kept_until=F("live_result__expires_at"),
        result_content_type=F("live_result__content_type"),
        result_width=F("live_result__width"),
        result_height=F("live_result__height"),
        result_size=F("live_result__size"),
    )


def batches_of(user: Any) -> models.QuerySet[PhotoBatch]:
    """Return the batches this user made, each with how many of the user's jobs are where."""
    ref = known_subject_ref(user)
    if ref is None:
        return PhotoBatch.objects.none()
    return with_counts(PhotoBatch.objects.filter(requested_by_ref=ref), Q(jobs__subject_ref=ref))


def with_counts(
    batches: models.QuerySet[PhotoBatch], which: Q | None = None
) -> models.QuerySet[PhotoBatch]:
    """Annotate each batch with how many of its jobs are in each state, as `count_…`."""
    which = which or Q()
    counts = {
        f"count_{status}": Count("jobs", filter=Q(jobs__status=status) & which)
        for status in JobStatus.values
    }
    return batches.annotate(count_all=Count("jobs", filter=which or None), **counts)


def counts_of(batch: Any) -> dict[str, int]:
    """Return the counts of a batch of `with_counts`, by state; states without jobs are left out."""
    counts = {status: getattr(batch, f"count_{status}") for status in JobStatus.values}
    return {status: count for status, count in counts.items() if count}


def charge_of(job_id: uuid.UUID) -> bool | None:
    """Say whether any send of a job was charged: None where that is not known.

    A send before its barrier has cost nothing; one of an ended job never will.
    """
    sends = Disclosure.objects.filter(job_id=job_id).exclude(state=SendState.INTENDED)
    charges = list(sends.values_list("charged", flat=True))
    if any(charges):
        return True
    return None if None in charges else False


def kept_copy_of(job: PhotoJob) -> Disclosure | None:
    """Return the newest send of a job whose photo the provider still holds, by its own word."""
    sent = Disclosure.objects.filter(job_id=job.pk, state=SendState.ANSWERED).exclude(handle="")
    now = timezone.now()
    held = Q(vendor_due_at=None) | Q(vendor_due_at__gt=now)
    copy = sent.filter(held).order_by("-answered_at").first()
    if copy is not None:
        copy.handle = open_handle(copy.handle, send_id=copy.pk, now=now)
    return copy if copy is not None and copy.handle else None


def result_of(job: PhotoJob) -> Media:
    """Return the live result of a job. Raises `WrongStateError` with why there is none."""
    result = Media.objects.live().filter(job_id=job.pk, kind=MediaKind.RESULT).first()
    if result is not None:
        return result
    raise WrongStateError(Code.RESULT_GONE if job.is_ended else Code.JOB_NOT_DONE)


def why_gone(job: PhotoJob) -> EraseCause | None:
    """Say why a finished job has no result any more; None where it has one, or nothing tells.

    Asks what is still there: the condemned row until its file is gone, then the person's
    receipts and the deadline that the result had.
    """
    gone = _end_of_result(job, timezone.now())
    return gone.cause if gone else None


@dataclass(frozen=True, slots=True)
class _End:
    """When a result went, and why."""

    at: dt.datetime
    cause: EraseCause


def _end_of_result(job: PhotoJob, now: dt.datetime) -> _End | None:
    if job.status != JobStatus.DONE or job.ended_at is None:
        return None
    results = list(job.media.filter(kind=MediaKind.RESULT).order_by("condemned_at"))
    if any(media.state == MediaState.LIVE for media in results):
        return None
    for media in results:
        if media.condemned_at and media.cause:
            return _End(media.condemned_at, EraseCause(media.cause))
    deadline = _known_deadline(job)
    if job.subject_ref is not None and job.basis == Basis.CONSENT:
        receipts = Receipt.objects.filter(object_id=str(job.subject_ref), at__gte=job.ended_at)
        core = Q(kind="consent_withdrawn", facts=canonical({"purpose": Purpose.ENHANCE.value}))
        found = receipts.filter(core | Q(kind="minor_flagged")).order_by("number").first()
        if found is not None and found.at < (deadline or now):
            is_minor = found.kind == "minor_flagged"
            return _End(found.at, EraseCause.MINOR if is_minor else EraseCause.WITHDRAWN)
    return _End(deadline, EraseCause.EXPIRED) if deadline and deadline <= now else None


def _known_deadline(job: PhotoJob) -> dt.datetime | None:
    """Return when a result was due; None where it may have gone earlier, or been kept longer."""
    if job.ended_at is None or get_settings().privacy.effective.result_on_delivery:
        return None
    if Receipt.objects.filter(kind="result_kept_longer", object_id=str(job.pk)).exists():
        return None
    return result_deadline(job.ended_at, promised=job.result_kept)


def target_row(job: PhotoJob) -> Any | None:
    """Return the host's row the photo came from, or None where there is none any more."""
    if not job.target_model:
        return None
    try:
        model = apps.get_model(job.target_model)
    except LookupError:
        return None
    return model._base_manager.filter(pk=job.target_pk).first()


def target_file(job: PhotoJob) -> Any | None:
    """Return the host's file the photo came from, or None where it is gone."""
    row = target_row(job)
    file = getattr(row, job.target_field, None) if row is not None else None
    return file or None


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a job's timeline."""

    at: dt.datetime
    text: str | Promise
    is_future: bool = False


def timeline(job: PhotoJob, *, now: dt.datetime) -> list[Moment]:
    """Return what happened to a job and what will, in order."""
    moments = [Moment(job.created_at, _("Taken in, checked and queued"))]
    if job.started_at:
        moments.append(Moment(job.started_at, _("Taken up by a worker")))
    if job.ended_at:
        moments.append(Moment(job.ended_at, _ENDINGS[JobStatus(job.status)]))
    gone = _end_of_result(job, now)
    if gone:
        text = format_lazy("{}: {}", _("Result deleted"), gone.cause.label)
        moments.append(Moment(gone.at, text))
    for media in job.media.order_by("created_at"):
        if media.state == MediaState.CONDEMNED:
            moments.append(Moment(media.condemned_at or now, _("Photo made unreadable")))
        elif media.kind == MediaKind.RESULT and media.state == MediaState.LIVE:
            moments.append(Moment(media.expires_at, _("Result will be deleted"), is_future=True))
        elif media.kind == MediaKind.SOURCE:
            text = _("Source will be deleted, at the latest")
            moments.append(Moment(media.expires_at, text, is_future=True))
    moments.append(Moment(job.expires_at, _("This record will be deleted"), is_future=True))
    return sorted(moments, key=lambda moment: moment.at)


def latest_jobs_of_targets(model_label: str, pks: Iterable[Any]) -> dict[str, PhotoJob]:
    """Return the newest job of each of a host's rows, by the row's key as text."""
    keys = [str(pk) for pk in pks]
    jobs = with_results(PhotoJob.objects.filter(target_model=model_label, target_pk__in=keys))
    return {job.target_pk: job for job in jobs.order_by("created_at")}


_ENDINGS = {
    JobStatus.DONE: _("Enhanced; the source was deleted"),
    JobStatus.FAILED: _("Failed; the source was deleted"),
    JobStatus.CANCELLED: _("Cancelled; the source was deleted"),
}
