"""Batches in the admin: a heading over the jobs that were made together."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_hili.admin.readonly import ReadOnlyAdmin
from django_hili.jobs.queries import with_counts
from django_hili.models import PhotoBatch


@admin.register(PhotoBatch)
class PhotoBatchAdmin(ReadOnlyAdmin):
    """A list of batches with how far each is. Nothing can be changed here."""

    list_display = ["created_at", "progress", "failures", "jobs_link"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PhotoBatch]:
        """Count the jobs in the list's own query."""
        return with_counts(super().get_queryset(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Lead to the batch's jobs: the row itself says nothing more than the list."""
        batch = self.get_object(request, object_id)
        if batch is not None and self.has_view_permission(request, batch):
            return HttpResponseRedirect(jobs_of_batch(batch))
        return super().change_view(request, object_id, form_url, extra_context)

    @admin.display(description=_("enhanced"))
    def progress(self, batch: Any) -> str:
        """How many of how many are done."""
        return f"{batch.count_done} / {batch.count_all}"

    @admin.display(description=_("failed"))
    def failures(self, batch: Any) -> int:
        """How many failed."""
        return int(batch.count_failed)

    @admin.display(description=_("jobs"))
    def jobs_link(self, batch: PhotoBatch) -> str:
        """A link to the batch's jobs."""
        return format_html('<a href="{}">{}</a>', jobs_of_batch(batch), _("Show the jobs"))


def jobs_of_batch(batch: PhotoBatch) -> str:
    """Return the address of the list of a batch's jobs."""
    return f"{reverse('admin:django_hili_photojob_changelist')}?batch__id__exact={batch.pk}"
