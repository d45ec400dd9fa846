"""How jobs look over HTTP, and which words a request may hold. Decides nothing."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.reverse import reverse

from django_hili.models import JobStatus, PhotoJob


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


class JobSerializer(serializers.ModelSerializer):
    """A job as its owner sees it."""

    warnings = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()

    class Meta:
        model = PhotoJob
        fields = [
            "id", "status", "stage", "percent", "provider", "preset", "operations", "image_type",
            "scale", "background", "dpi", "error", "warnings", "steps", "created_at",
            "started_at", "ended_at", "result",
        ]  # fmt: skip
        read_only_fields = fields

    def get_error(self, job: PhotoJob) -> dict[str, str] | None:
        """Why the job failed, as a code and a sentence; null if it did not."""
        return {"code": job.code, "detail": job.failure_sentence} if job.code else None

    def get_warnings(self, job: PhotoJob) -> list[dict[str, str]]:
        """What is worth telling about the result."""
        return [
            {"code": code, "detail": text}
            for code, text in zip(job.warnings, job.warning_sentences, strict=False)
        ]

    def get_result(self, job: PhotoJob) -> dict[str, Any] | None:
        """The result's address, size and deadline; null while there is none, or once gone."""
        kept_until = getattr(job, "result_kept_until", None)
        if job.status != JobStatus.DONE or kept_until is None:
            return None
        row: Any = job
        return {
            "url": reverse("hili:job-result", [job.pk], request=self.context.get("request")),
            "content_type": row.result_content_type,
            "width": row.result_width,
            "height": row.result_height,
            "size": row.result_size,
            "kept_until": serializers.DateTimeField().to_representation(kept_until),
        }
