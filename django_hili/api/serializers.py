"""How jobs look over HTTP, and which words a request may hold. Decides nothing."""

from __future__ import annotations

from typing import Any

from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.reverse import reverse

from django_hili.codes import sentence
from django_hili.models import JobStatus, PhotoJob

_NO_JOB = "00000000-0000-0000-0000-000000000000"


class CommaListField(serializers.ListField):
    """A list given as repeated fields or as one comma-joined field."""

    child = serializers.CharField(max_length=16)

    def to_internal_value(self, data: Any) -> list[str]:
        """Split what was joined."""
        words = [data] if isinstance(data, str) else data
        split = [part.strip() for word in words for part in str(word).split(",") if part.strip()]
        return super().to_internal_value(split)


class NewJobSerializer(serializers.Serializer):
    """What a POST may hold besides the photo. The vocabulary checks the meaning."""

    preset = serializers.CharField(max_length=64, required=False)
    operations = CommaListField(required=False)
    image_type = serializers.CharField(max_length=16, required=False)
    scale = serializers.IntegerField(required=False)
    background = serializers.CharField(max_length=16, required=False)
    dpi = serializers.IntegerField(required=False)
    format = serializers.CharField(max_length=8, required=False)
    provider = serializers.CharField(max_length=64, required=False)


class JobSerializer(serializers.BaseSerializer):
    """A job as its owner sees it.

    Written out by hand: a page of fifty costs a fraction of what field objects cost.
    """

    columns = (
        "status", "stage", "percent", "provider", "preset", "operations", "image_type", "scale",
        "background", "dpi", "code", "warnings", "steps", "created_at", "started_at", "ended_at",
    )  # fmt: skip
    """What is read of the row besides the id."""

    def to_representation(self, instance: PhotoJob) -> dict[str, Any]:
        """Return the job; the renderer writes times as ISO 8601 and ids as text."""
        return {
            "id": instance.pk,
            "status": instance.status,
            "stage": instance.stage,
            "percent": instance.percent,
            "provider": instance.provider,
            "preset": instance.preset,
            "operations": instance.operations,
            "image_type": instance.image_type,
            "scale": instance.scale,
            "background": instance.background,
            "dpi": instance.dpi,
            "error": _error(instance),
            "warnings": [{"code": code, "detail": sentence(code)} for code in instance.warnings],
            "steps": instance.steps,
            "created_at": instance.created_at,
            "started_at": instance.started_at,
            "ended_at": instance.ended_at,
            "result": self._result(instance),
        }

    def _result(self, job: Any) -> dict[str, Any] | None:
        """The result's address, size and deadline; null while there is none, or once gone."""
        kept_until = getattr(job, "result_kept_until", None)
        if job.status != JobStatus.DONE or kept_until is None:
            return None
        return {
            "url": self._result_address.replace(_NO_JOB, str(job.pk)),
            "content_type": job.result_content_type,
            "width": job.result_width,
            "height": job.result_height,
            "size": job.result_size,
            "kept_until": kept_until,
        }

    @cached_property
    def _result_address(self) -> str:
        """A result's address with a place for the id, made once for a whole page."""
        return reverse("hili:job-result", [_NO_JOB], request=self.context.get("request"))


def _error(job: PhotoJob) -> dict[str, str] | None:
    """Why the job failed, as a code and a sentence; null if it did not."""
    return {"code": job.code, "detail": job.failure_sentence} if job.code else None
