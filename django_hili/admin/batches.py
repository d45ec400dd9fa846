"""Batches in the admin: a heading over the jobs that were made together."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_hili.models import JobStatus, PhotoBatch


@admin.register(PhotoBatch)
class PhotoBatchAdmin(admin.ModelAdmin):
    """A list of batches with how far each is. Nothing can be changed here."""

    list_display = ["created_at", "progress", "failures", "jobs_link"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PhotoBatch]:
        """Count the jobs in the list's own query."""
        batches: QuerySet[PhotoBatch] = super().get_queryset(request)
        return batches.annotate(
            total=Count("jobs"),
            done=Count("jobs", filter=Q(jobs__status=JobStatus.DONE)),
            failed=Count("jobs", filter=Q(jobs__status=JobStatus.FAILED)),
        )

    @admin.display(description=_("enhanced"))
    def progress(self, batch: Any) -> str:
        """How many of how many are done."""
        return f"{batch.done} / {batch.total}"

    @admin.display(description=_("failed"))
    def failures(self, batch: Any) -> int:
        """How many failed."""
        return int(batch.failed)

    @admin.display(description=_("jobs"))
    def jobs_link(self, batch: PhotoBatch) -> str:
        """A link to the batch's jobs."""
        address = reverse("admin:django_hili_photojob_changelist")
        return format_html(
            '<a href="{}?batch__id__exact={}">{}</a>', address, batch.pk, _("Show the jobs")
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Batches are made by enhancing photos."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: PhotoBatch | None = None) -> bool:
        """A batch is what it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PhotoBatch | None = None) -> bool:
        """A batch goes with its last job."""
        return False
