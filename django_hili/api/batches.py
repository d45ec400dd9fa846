"""Many photos in one request: made together, followed together, cancelled together.

A person sees the batches they made, and of each the jobs whose photos are their own.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from django_hili.api.base import (
    ASK_AGAIN_SECONDS,
    SUBMIT,
    WORDS_ONLY,
    Followed,
    replayed,
)
from django_hili.api.policies import ask_first
from django_hili.api.serializers import JobSerializer, UploadSerializer
from django_hili.codes import Code
from django_hili.conf import MIB, get_settings
from django_hili.exceptions import HiliError, InvalidOptionsError, Problem
from django_hili.jobs.batch import Submitted, cancel_jobs
from django_hili.jobs.moves.idempotency import HEADER
from django_hili.jobs.once import enhance_many_once
from django_hili.jobs.queries import batches_of, counts_of, jobs_of
from django_hili.media.uploads import take_uploads
from django_hili.models import PhotoBatch
from django_hili.models.job import ENDED

_FORM_SLACK = MIB
"""Bytes of a request that are not photos: headers of the parts, and words."""


class NewBatchSerializer(UploadSerializer):
    """What a POST may hold besides the photos."""

    max_credits = serializers.IntegerField(required=False, min_value=0)


class BatchSerializer(serializers.BaseSerializer):
    """A batch with how many of its jobs are in each state."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the batch; `jobs` is where its jobs are listed."""
        jobs = reverse("hili:job-list", request=self.context.get("request"))
        return {
            "id": instance.pk,
            "created_at": instance.created_at,
            "total": instance.count_all,
            "counts": counts_of(instance),
            "jobs": f"{jobs}?batch={instance.pk}",
        }


class BatchViewSet(mixins.ListModelMixin, Followed):
    """A person's batches."""

    parser_classes = [MultiPartParser]
    serializer_class = BatchSerializer
    throttle_scopes = {"create": SUBMIT}
    words = {"create": NewBatchSerializer}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Install our own upload handler, which stops at the first photo too many."""
        take_uploads(request, gate=_CountingGate())
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a body that is too large by its own word, before anything reads it."""
        limit = get_settings().limits.max_bytes_per_batch
        if _announced_length(request) > limit + _FORM_SLACK:
            raise _too_heavy(limit)
        super().initial(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[PhotoBatch]:
        """The person's own batches, counted in the list's own query."""
        return batches_of(self.request.user)

    def is_under_way(self, instance: PhotoBatch) -> bool:
        """Whether any of its jobs has not ended."""
        return bool(counts_of(instance).keys() - set(ENDED))

    def create(self, request: Request) -> Response:
        """Take photos in and queue their jobs: 202, where to ask, and what was not taken."""
        words = self.read_words(request)
        photos = request.FILES.getlist("photos")
        key = request.headers.get(HEADER)
        made = enhance_many_once(photos, key=key, subject=request.user, **words)
        outcome = made.submitted
        if outcome.batch is None:
            raise InvalidOptionsError(*_problems(outcome))
        return replayed(self._accepted(outcome, outcome.batch), is_replay=made.is_replay)

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def cancel(self, request: Request, pk: str) -> Response:
        """End what has not ended, and say what that means for the credits."""
        del pk
        batch = self.get_object()
        ended = cancel_jobs(jobs=jobs_of(request.user).filter(batch_id=batch.pk))
        outcome = {
            "cancelled": ended.cancelled,
            "ended_before": ended.ended_before,
            "charged": ended.charged,
            "charge_not_known": ended.not_known,
        }
        return Response({**self.body_of(self.get_object()), **outcome})

    def _accepted(self, outcome: Submitted, batch: PhotoBatch) -> Response:
        context = self.get_serializer_context()
        counted = self.get_queryset().get(pk=batch.pk)
        body = {
            **self.body_of(counted),
            "accepted": JobSerializer(outcome.jobs, many=True, context=context).data,
            "refused": [
                {"index": number, "code": error.code.value, "detail": error.sentence}
                for number, error in outcome.refused
            ],
        }
        headers = {
            "Location": reverse("hili:batch-detail", [batch.pk], request=self.request),
            "Retry-After": ASK_AGAIN_SECONDS,
        }
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)


class _CountingGate:
    """Lets so many photos of one request in, and ends it at the next one."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, request: HttpRequest) -> None:
        """Count one photo that begins to arrive; before the first, ask whether any may."""
        if not self._seen:
            ask_first(request)
        self._seen += 1
        limit = get_settings().limits.max_photos_per_batch
        if self._seen > limit:
            raise InvalidOptionsError(Problem("photos", Code.BATCH_TOO_LARGE, {"limit": limit}))


def _announced_length(request: Request) -> int:
    text = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(text) if text.isdecimal() else 0


def _too_heavy(limit: int) -> HiliError:
    return InvalidOptionsError(Problem("photos", Code.BATCH_TOO_HEAVY, {"limit": limit // MIB}))


def _problems(outcome: Submitted) -> list[Problem]:
    return [
        Problem(f"photos[{number}]", error.code, error.params) for number, error in outcome.refused
    ]
