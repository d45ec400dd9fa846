"""The job resource. Thin: translate, call one verb, translate back.

A person sees their own jobs; anybody else's are not there (404, never 403).
Clauses C14: HILI-3.3, AIART-3.3a, MIAO-6.3.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from django_hili.api.base import DOWNLOAD, SUBMIT, WORDS_ONLY, replayed
from django_hili.api.policies import ask_first
from django_hili.api.serializers import JobSerializer, UploadSerializer
from django_hili.api.verbs import JobVerbs
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.moves.idempotency import HEADER
from django_hili.jobs.once import enhance_once
from django_hili.jobs.queries import jobs_of, result_of, with_results
from django_hili.media.delivery import photo_response
from django_hili.media.uploads import take_uploads
from django_hili.models import JobStatus
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.consent.asking import ask_read
from django_hili.privacy.erasure.delivered import when_delivered


class FilterSerializer(serializers.Serializer):
    """Which of their jobs a person wants to see."""

    status = serializers.ChoiceField(choices=JobStatus.values, required=False)
    provider = serializers.CharField(max_length=64, required=False)
    batch = serializers.UUIDField(required=False)


class JobViewSet(mixins.ListModelMixin, JobVerbs):
    """A person's photo jobs: make one, follow it, take the result, delete everything."""

    parser_classes = [MultiPartParser]
    serializer_class = JobSerializer
    words = {**JobVerbs.words, "create": UploadSerializer}
    throttle_scopes = {
        "create": SUBMIT, "retry": SUBMIT, "again": SUBMIT, "release": SUBMIT, "result": DOWNLOAD,
    }  # fmt: skip

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Install our own upload handler before anything can read the body."""
        take_uploads(request, gate=ask_first)
        return super().dispatch(request, *args, **kwargs)

    def get_queryset(self) -> PhotoJobQuerySet:
        """Only the person's own jobs, with their results, in one query."""
        if self.action == "result":
            return jobs_of(self.request.user)
        jobs = with_results(jobs_of(self.request.user)).only(*JobSerializer.columns)
        return jobs.filter(**self._wanted()) if self.action == "list" else jobs

    def _wanted(self) -> dict[str, Any]:
        words = FilterSerializer(data=self.request.query_params)
        words.is_valid(raise_exception=True)
        return dict(words.validated_data)

    def create(self, request: Request) -> Response:
        """Take a photo in and queue its job: 202, and where to ask. Under one key, once."""
        words = self.read_words(request)
        photo, key = request.FILES.get("photo"), request.headers.get(HEADER)
        made = enhance_once(photo, key=key, subject=request.user, **words)
        return replayed(self.accepted(made.job), is_replay=made.is_replay)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the job and every photo stored for it, at once."""
        del request, pk
        delete_jobs(job_ids=[self.get_object().pk])
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def cancel(self, request: Request, pk: str) -> Response:
        """End the job, delete its photos, and say whether its credit is gone."""
        del request, pk
        job = self.get_object()
        cancelled = cancel_job(job_id=job.pk)
        return Response({**self.body_of(self.get_object()), "charged": cancelled.is_charged})

    @action(detail=True)
    def result(self, request: Request, pk: str) -> HttpResponseBase:
        """Stream the result. `?download=1` offers it as a file to save."""
        del pk
        job = self.get_object()
        ask_read(owner=job.subject_ref, reader=request.user)
        return photo_response(
            result_of(job),
            request=request,
            as_attachment="download" in request.query_params,
            on_delivered=when_delivered(job),
        )
