"""Jobs in the admin: a list without pictures, a page with before and after, and deletion.

Listing, seeing photos and erasing them are three permissions: `view_photojob`, `see_photo`
and `erase_photo`. Clauses C26: HILI-5c, AIART-4.2.1d, MIAO-7.3c.
"""

from __future__ import annotations

import datetime as dt
import mimetypes
import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from django_hili.admin.again import AgainMixin
from django_hili.admin.filters import ColumnFilter, ProviderFilter
from django_hili.admin.readonly import ReadOnlyAdmin
from django_hili.admin.verbs import ADD, JobVerbsMixin, buttons_of
from django_hili.codes import sentence
from django_hili.exceptions import HiliError
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.presets import all_presets
from django_hili.jobs.queries import (
    charge_of,
    result_of,
    target_file,
    target_row,
    timeline,
    with_results,
)
from django_hili.jobs.retry import why_not_retried
from django_hili.jobs.worker.late import with_lateness
from django_hili.media.delivery import file_response, photo_response
from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.rights.access import note_staff_read
from django_hili.providers.registry import provider_aliases
from django_hili.vocabulary import IMAGE_TYPE_LABELS, OPERATION_LABELS, ImageType, Operation

SEE_PHOTO = "django_hili.see_photo"
ERASE_PHOTO = "django_hili.erase_photo"
_SHORT_KEY = 8
"""Characters of a host row's key that the list shows; the job's page shows the row itself."""


class PresetFilter(ColumnFilter):
    """What is done: a choice of the presets there are."""

    title = _("preset")
    parameter_name = "preset"

    def choices_known(self) -> Iterable[tuple[str, Any]]:
        """The site's presets."""
        return [(preset.name, preset.label) for preset in all_presets().values()]


class BatchFilter(admin.SimpleListFilter):
    """The jobs made together: followed from the batch's own page, never offered one by one."""

    title = _("batch")
    parameter_name = "batch__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer only what is chosen already, so that it can be given up."""
        chosen = self.value()
        return [(chosen, chosen[:_SHORT_KEY])] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[PhotoJob]) -> QuerySet[PhotoJob]:
        """Keep the batch's jobs."""
        chosen = self.value()
        if not chosen:
            return queryset
        try:
            return queryset.filter(batch=uuid.UUID(chosen))
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error


@admin.register(PhotoJob)
class PhotoJobAdmin(JobVerbsMixin, AgainMixin, ReadOnlyAdmin):
    """Jobs: nobody edits a row; what can be done with a job are its verbs, and deletion."""

    list_display = ["short_id", "status_badge", "what", "taken_in", "kept_until", "came_from"]
    list_filter = ["status", "held_reason", ProviderFilter, PresetFilter, BatchFilter]
    search_fields = ["id"]
    actions = ["cancel_selected", "hold_selected", "release_selected", "retry_selected"]
    ordering = ["-created_at"]
    date_hierarchy = "created_at"
    list_per_page = 50
    show_full_result_count = False
    change_form_template = "admin/django_hili/photojob/page.html"

    class Media:
        js = ["django_hili/compare.js"]

    def get_queryset(self, request: HttpRequest) -> PhotoJobQuerySet:
        """Bring each result's deadline along in the same query."""
        return with_lateness(with_results(PhotoJob.objects.all()), timezone.now())

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Name the provider where there is more than one."""
        columns = list(self.list_display)
        return [*columns, "provider"] if len(provider_aliases()) > 1 else columns

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses the before and after pictures are read from."""
        page = self.admin_site.admin_view
        own = [
            path(
                "<uuid:job_id>/before/", page(self.before_view), name="django_hili_photojob_before"
            ),
            path("<uuid:job_id>/after/", page(self.after_view), name="django_hili_photojob_after"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Show the job: state, timeline, what was done, before and after."""
        job = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if job is not None:
            context |= self._page_context(request, job)
        return super().change_view(request, object_id, form_url, context)

    def before_view(self, request: HttpRequest, job_id: str) -> HttpResponseBase:
        """Stream the host's own photo that the job was made from."""
        job = self._job_to_see(request, job_id)
        file = target_file(job)
        if not file:
            raise Http404
        kind = mimetypes.guess_type(file.name)[0] or ""
        if not kind.startswith("image/") or kind == "image/svg+xml":
            raise Http404
        note_staff_read(object_id=job.pk, staff=request.user)
        return file_response(file, request=request, content_type=kind)

    def after_view(self, request: HttpRequest, job_id: str) -> HttpResponseBase:
        """Stream the result."""
        job = self._job_to_see(request, job_id)
        try:
            result = result_of(job)
            note_staff_read(object_id=job.pk, staff=request.user)
            return photo_response(result, request=request, as_attachment="download" in request.GET)
        except HiliError:
            raise Http404 from None

    def delete_model(self, request: HttpRequest, obj: PhotoJob) -> None:
        """Delete one job with everything stored for it."""
        delete_jobs(job_ids=[obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PhotoJob]) -> None:
        """Delete the selected jobs with everything stored for them."""
        delete_jobs(job_ids=list(queryset.values_list("pk", flat=True)))

    def has_delete_permission(self, request: HttpRequest, obj: PhotoJob | None = None) -> bool:
        """Deleting a job erases photos, so it takes that permission."""
        return bool(request.user.has_perm(ERASE_PHOTO))

    @admin.display(description=_("job"))
    def short_id(self, job: PhotoJob) -> str:
        """The first eight digits: enough to tell jobs apart."""
        return str(job.pk)[:8]

    @admin.display(description=_("status"), ordering="status")
    def status_badge(self, job: PhotoJob) -> str:
        """The status, coloured, with how far it is or why it failed."""
        return format_html(
            '<span class="hili-badge hili-{}" title="{}">{}</span>',
            badge_of(job),
            job.failure_sentence,
            status_text(job),
        )

    @admin.display(description=_("what"))
    def what(self, job: PhotoJob) -> str:
        """The preset's label, or the operations."""
        return what_is_done(job)

    @admin.display(description=_("photo"))
    def came_from(self, job: PhotoJob) -> str:
        """Where the photo came from, without asking the database for it."""
        if not job.target_model:
            return "–"
        key = job.target_pk
        return f"{job.target_model} {key if len(key) <= _SHORT_KEY else key[:_SHORT_KEY] + '…'}"

    @admin.display(description=_("created"), ordering="created_at")
    def taken_in(self, job: PhotoJob) -> str:
        """When the photo was taken in, short enough for a column."""
        return _short_time(job.created_at)

    @admin.display(description=_("kept until"), ordering="result_kept_until")
    def kept_until(self, job: Any) -> str:
        """When the result will be deleted."""
        return _short_time(job.result_kept_until) if job.result_kept_until else "–"

    def _page_context(self, request: HttpRequest, job: PhotoJob) -> dict[str, Any]:
        may_see = request.user.has_perm(SEE_PHOTO)
        row = target_row(job)
        return {
            "title": _("Photo job"),
            "job": job,
            "status_text": status_text(job),
            "badge": badge_of(job),
            "what": what_is_done(job),
            "moments": timeline(job, now=timezone.now()),
            "may_see": may_see,
            "has_before": may_see and target_file(job) is not None,
            "has_after": job.status == JobStatus.DONE and job_result_is_live(job),
            "target": row,
            "target_address": _admin_address(row),
            "operations": [OPERATION_LABELS[Operation(name)] for name in job.operations],
            "image_type": IMAGE_TYPE_LABELS[ImageType(job.image_type)],
            "steps": [
                (_operation(step["operation"]), _how(step["method"]), step["method"])
                for step in job.steps
            ],
            "charge": _CHARGES[charge_of(job.pk)] if job.disclosures.exists() else "",
            "again_of": _admin_address(_job(job.again_of)),
            **self._what_can_be_done(request, job),
        }

    def _what_can_be_done(self, request: HttpRequest, job: PhotoJob) -> dict[str, Any]:
        problem = why_not_retried(job) if job.status == JobStatus.FAILED else None
        buttons = buttons_of(job, request)
        if problem:
            retry = reverse("admin:django_hili_photojob_do", args=[job.pk, "retry"])
            buttons = [(address, word) for address, word in buttons if address != retry]
        may_go_again = job.is_ended and job.provider in provider_aliases()
        if may_go_again and request.user.has_perm(ADD):
            again = reverse("admin:django_hili_photojob_again", args=[job.pk])
            buttons.append((again, _("Process again")))
        return {"buttons": buttons, "why_not_retried": sentence(problem) if problem else ""}

    def _job_to_see(self, request: HttpRequest, job_id: str) -> PhotoJob:
        if not request.user.has_perm(SEE_PHOTO):
            raise PermissionDenied
        job = PhotoJob.objects.filter(pk=job_id).first()
        if job is None:
            raise Http404
        return job


_CHARGES = {
    True: _("charged"),
    False: _("not charged"),
    None: _("not known whether it was charged"),
}


def _job(key: uuid.UUID | None) -> PhotoJob | None:
    return PhotoJob.objects.filter(pk=key).first() if key else None


def _operation(name: str) -> str:
    """Return an operation's label; a step may have a name that is no operation."""
    return str(OPERATION_LABELS[Operation(name)]) if name in set(Operation) else name


def _how(method: str) -> Any:
    """Say in words how a step was done; empty for a way that has no word."""
    return _WAYS.get(method.partition(":")[0], "")


_WAYS = {
    "net": _("by a net that has learned it"),
    "classical": _("by computing"),
    "model": _("by a model of this site"),
    "mask": _("by a mask that was drawn"),
    "none": _("left as it was"),
}


def _short_time(moment: dt.datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")


def badge_of(job: Any) -> str:
    """The name of the badge's colour: the status, or that its result is gone."""
    is_gone = job.status == JobStatus.DONE and not job_result_is_live(job)
    return "gone" if is_gone else str(job.status)


def status_text(job: PhotoJob) -> str:
    """The status in words, with the stage and percent where known, and whether it is late."""
    if badge_of(job) == "gone":
        return str(_("Result deleted"))
    label = str(JobStatus(job.status).label)
    if job.stage and job.percent is not None:
        label = f"{label}: {job.stage} {job.percent} %"
    if getattr(job, "is_late", False):
        return f"{label} · {_('over 30 minutes with the provider')}"
    return label


def what_is_done(job: PhotoJob) -> str:
    """The preset's label, or the operations and the scale."""
    preset = all_presets().get(job.preset)
    if preset:
        return str(preset.label)
    words = [str(OPERATION_LABELS[Operation(name)]) for name in job.operations]
    return ", ".join(words) + (f" {job.scale}×" if job.scale else "")


def job_result_is_live(job: Any) -> bool:
    """Whether the annotated job still has its result."""
    return job.result_kept_until is not None


def _admin_address(row: Any | None) -> str:
    if row is None:
        return ""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""
