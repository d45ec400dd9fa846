"""What a person may do with a job of their own: hold, release, retry, process again, keep longer.

Thin: each translates, calls one verb and translates back.
"""

from __future__ import annotations

from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from django_hili.api.base import ASK_AGAIN_SECONDS, WORDS_ONLY, Followed
from django_hili.api.serializers import WishSerializer, again_estimate_body
from django_hili.jobs.again import estimate_again, process_again
from django_hili.jobs.hold import hold_job, release_job
from django_hili.jobs.retry import retry_job
from django_hili.models import PhotoJob
from django_hili.privacy.consent.longer import keep_longer


class ReleaseSerializer(serializers.Serializer):
    """What releasing a job needs to be told."""

    accept_possible_charge = serializers.BooleanField(required=False, default=False)


class AgainSerializer(WishSerializer):
    """Other choices for a photo that has been enhanced; what is left out stays as it was."""

    dry_run = serializers.BooleanField(required=False, default=False)


class KeepSerializer(serializers.Serializer):
    """Until when a result is to be kept."""

    until = serializers.DateTimeField()


class JobVerbs(Followed):
    """The verbs of one job."""

    words = {"release": ReleaseSerializer, "again": AgainSerializer}

    def is_under_way(self, instance: PhotoJob) -> bool:
        """Whether the job has not ended."""
        return not instance.is_ended

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def hold(self, request: Request, pk: str) -> Response:
        """Keep the job from being taken up until it is released."""
        del request, pk
        hold_job(job_id=self.get_object().pk)
        return Response({**self.body_of(self.get_object()), "charged": False})

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def release(self, request: Request, pk: str) -> Response:
        """Let a held job go on. Where it may have been charged, the person has to accept that."""
        del pk
        words = self.read_words(request)
        released = release_job(job_id=self.get_object().pk, **words)
        body = self.body_of(self.get_object())
        return Response({**body, "charged": released.was_charged, "credits": released.credits})

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def retry(self, request: Request, pk: str) -> Response:
        """Have a failed job's photo go again with the same choices, as a new job."""
        del pk
        return self.accepted(retry_job(job_id=self.get_object().pk, requested_by=request.user))

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def again(self, request: Request, pk: str) -> Response:
        """Have an ended job's photo processed again with other choices, as a new job.

        With `dry_run`, only say what that would do and cost.
        """
        del pk
        choices = self.read_words(request)
        job = self.get_object()
        if choices.pop("dry_run"):
            return Response(again_estimate_body(estimate_again(job_id=job.pk, **choices), request))
        return self.accepted(process_again(job_id=job.pk, requested_by=request.user, **choices))

    @action(detail=True, methods=["post"], parser_classes=WORDS_ONLY)
    def keep(self, request: Request, pk: str) -> Response:
        """Keep the result for longer than the policy says; `moved` says whether one was there."""
        del pk
        words = KeepSerializer(data=request.data)
        words.is_valid(raise_exception=True)
        moved = keep_longer(
            subject=request.user, job_id=self.get_object().pk, **words.validated_data
        )
        return Response({**self.get_serializer(self.get_object()).data, "moved": moved})

    def accepted(self, job: PhotoJob) -> Response:
        """Answer a job that has been made: 202, and where to ask."""
        headers = {
            "Location": reverse("hili:job-detail", [job.pk], request=self.request),
            "Retry-After": ASK_AGAIN_SECONDS,
        }
        return Response(self.body_of(job), status=status.HTTP_202_ACCEPTED, headers=headers)
