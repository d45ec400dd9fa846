"""Jobs in the admin: a list without pictures, a page with before and after, and deletion.

Listing, seeing photos and erasing them are three permissions: `view_photojob`, `see_photo`
and `erase_photo`. Clauses C26: HILI-5c, AIART-4.2.1d, MIAO-7.3c.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import mimetypes
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_hili.exceptions import HiliError, WrongStateError
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.presets import all_presets
from django_hili.jobs.queries import result_of, target_file, target_row, timeline, with_results
from django_hili.media.delivery import photo_response
from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import PhotoJobQuerySet
from django_hili.providers.registry import provider_aliases
from django_hili.vocabulary import OPERATION_LABELS, Operation

SEE_PHOTO = "django_hili.see_photo"
ERASE_PHOTO = "django_hili.erase_photo"
_SHORT_KEY = 8
"""Characters of a host row's key that the list shows; the job's page shows the row itself."""


@admin.register(PhotoJob)
class PhotoJobAdmin(admin.ModelAdmin):
    """Jobs: read only, but for deleting one with everything stored for it."""

    list_display = ["short_id", "status_badge", "what", "taken_in", "kept_until", "came_from"]
    list_filter = ["status", "provider", "preset", ("batch", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["id"]
    actions = ["cancel_selected"]
    ordering = ["-created_at"]
    date_hierarchy = "created_at"
    list_per_page = 50
    show_full_result_count = False
    change_form_template = "admin/django_hili/photojob/page.html"

    class Media:
        css = {"all": ["django_hili/admin.css"]}
        js = ["django_hili/compare.js"]

    def get_queryset(self, request: HttpRequest) -> PhotoJobQuerySet:
        """Bring each result's deadline along in the same query."""
        return with_results(PhotoJob.objects.all())

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
        file = target_file(self._job_to_see(request, job_id))
        if not file:
            raise Http404
        kind = mimetypes.guess_type(file.name)[0] or ""
        if not kind.startswith("image/") or kind == "image/svg+xml":
            raise Http404
        response = FileResponse(file.open("rb"), content_type=kind, filename="photo")
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def after_view(self, request: HttpRequest, job_id: str) -> HttpResponseBase:
        """Stream the result."""
        job = self._job_to_see(request, job_id)
        try:
            return photo_response(result_of(job), as_attachment="download" in request.GET)
        except HiliError:
            raise Http404 from None

    def delete_model(self, request: HttpRequest, obj: PhotoJob) -> None:
        """Delete one job with everything stored for it."""
        delete_jobs(job_ids=[obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PhotoJob]) -> None:
        """Delete the selected jobs with everything stored for them."""
        delete_jobs(job_ids=list(queryset.values_list("pk", flat=True)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Jobs are made by enhancing photos."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: PhotoJob | None = None) -> bool:
        """A job's row is what happened; nobody edits it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PhotoJob | None = None) -> bool:
        """Deleting a job erases photos, so it takes that permission."""
        return bool(request.user.has_perm(ERASE_PHOTO))

    @admin.action(description=_("Cancel selected photo jobs"), permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[PhotoJob]) -> None:
        """End what has not ended yet; what has is left as it is."""
        cancelled = 0
        for job_id in queryset.values_list("pk", flat=True):
            with contextlib.suppress(WrongStateError):
                cancel_job(job_id=job_id)
                cancelled += 1
        text = ngettext(
            "%(count)d photo job was cancelled.", "%(count)d photo jobs were cancelled.", cancelled
        )
        self.message_user(request, text % {"count": cancelled})

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling erases the source, so it takes that permission."""
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
            job.status,
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
            "what": what_is_done(job),
            "moments": timeline(job, now=timezone.now()),
            "may_see": may_see,
            "has_before": may_see and target_file(job) is not None,
            "has_after": job.status == JobStatus.DONE and job_result_is_live(job),
            "target": row,
            "target_address": _admin_address(row),
        }

    def _job_to_see(self, request: HttpRequest, job_id: str) -> PhotoJob:
        if not request.user.has_perm(SEE_PHOTO):
            raise PermissionDenied
        job = PhotoJob.objects.filter(pk=job_id).first()
        if job is None:
            raise Http404
        return job


def _short_time(moment: dt.datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")


def status_text(job: PhotoJob) -> str:
    """The status in words, with the stage and percent where they are known."""
    label = str(JobStatus(job.status).label)
    if job.stage and job.percent is not None:
        return f"{label}: {job.stage} {job.percent} %"
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
