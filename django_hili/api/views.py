"""The job resource. Thin: translate, call one verb, translate back.

A person sees their own jobs; anybody else's are not there (404, never 403).
Clauses C14: HILI-3.3, AIART-3.3a, MIAO-6.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from django_hili.api.problems import problem_handler
from django_hili.api.serializers import JobSerializer, NewJobSerializer
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.queries import jobs_of, result_of, with_results
from django_hili.jobs.submit import enhance
from django_hili.media.delivery import photo_response
from django_hili.media.uploads import take_uploads_in_memory
from django_hili.models.job import PhotoJobQuerySet

_ASK_AGAIN_SECONDS = "2"


class JobPages(CursorPagination):
    """Newest first, fifty to a page; the cursor stays true while jobs are added."""

    ordering = "-created_at"
    page_size = 50


class JobViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet,
):
    """A person's photo jobs: make one, follow it, take the result, delete everything."""

    permission_classes = [IsAuthenticated]
    parser_classes = [MultiPartParser]
    pagination_class = JobPages
    serializer_class = JobSerializer

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Take uploads in memory under the cap, before anything can read the body."""
        take_uploads_in_memory(request)
        return super().dispatch(request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Answer errors as problem details here, whatever the host does elsewhere."""
        return problem_handler

    def get_queryset(self) -> PhotoJobQuerySet:
        """Only the person's own jobs, with their results, in one query."""
        return with_results(jobs_of(self.request.user)).only(*JobSerializer.columns)

    def create(self, request: Request) -> Response:
        """Take a photo in and queue its job: 202, and where to ask."""
        words = NewJobSerializer(data=request.data)
        words.is_valid(raise_exception=True)
        job = enhance(request.FILES.get("photo"), subject=request.user, **words.validated_data)
        body = self.get_serializer(job).data
        headers = {
            "Location": reverse("hili:job-detail", [job.pk], request=request),
            "Retry-After": _ASK_AGAIN_SECONDS,
        }
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the job and every photo stored for it, at once."""
        del request, pk
        delete_jobs(job_ids=[self.get_object().pk])
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End the job, delete its photos, and say whether its credit is gone."""
        del request, pk
        job = self.get_object()
        cancelled = cancel_job(job_id=job.pk)
        body = self.get_serializer(self.get_object()).data
        return Response({**body, "charged": cancelled.is_charged})

    @action(detail=True)
    def result(self, request: Request, pk: str) -> HttpResponseBase:
        """Stream the result. `?download=1` offers it as a file to save."""
        del pk
        media = result_of(self.get_object())
        return photo_response(media, as_attachment="download" in request.query_params)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Let no cache keep an answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        return response
