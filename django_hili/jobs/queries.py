"""What doors may ask about jobs: whose they are, what is stored for them, what happened when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import F, FilteredRelation, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.models import JobStatus, Media, MediaKind, MediaState, PhotoJob
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.subjects import known_subject_ref


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


def result_of(job: PhotoJob) -> Media:
    """Return the live result of a job. Raises `WrongStateError` with why there is none."""
    result = Media.objects.live().filter(job_id=job.pk, kind=MediaKind.RESULT).first()
    if result is not None:
        return result
    raise WrongStateError(Code.RESULT_GONE if job.is_ended else Code.JOB_NOT_DONE)


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
