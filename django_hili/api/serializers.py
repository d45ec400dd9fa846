"""How jobs and estimates look over HTTP, and which words a request may hold. Decides nothing.

Clauses C08: HILI-0.4, PIXEL-1.1.2.1, MIAO-0.1: a photo, its operations and their options are taken,
and nothing else; no address of a photo is ever fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.reverse import reverse

from django_hili.api.base import VIEW_PROVIDERS
from django_hili.codes import Code, sentence
from django_hili.exceptions import InvalidOptionsError, Problem
from django_hili.jobs.again import AgainEstimate
from django_hili.jobs.balance import Balance
from django_hili.jobs.estimate import Estimate
from django_hili.jobs.retry import Origin
from django_hili.models import JobStatus, PhotoJob

_BESIDE = frozenset({"photo", "photos", "csrfmiddlewaretoken"})
"""Read elsewhere: the files, and what a page of the site adds to its forms."""
_NO_JOB = "00000000-0000-0000-0000-000000000000"


class CommaListField(serializers.ListField):
    """A list given as repeated fields or as one comma-joined field."""

    child = serializers.CharField(max_length=16)

    def to_internal_value(self, data: Any) -> list[str]:
        """Split what was joined."""
        words = [data] if isinstance(data, str) else data
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            self.fail("not_a_list", input_type=type(data).__name__)
        split = [part.strip() for word in words for part in word.split(",") if part.strip()]
        return super().to_internal_value(split)


class WishSerializer(serializers.Serializer):
    """What shall be done, as words. The vocabulary checks the meaning."""

    preset = serializers.CharField(max_length=64, required=False)
    operations = CommaListField(required=False)
    image_type = serializers.CharField(max_length=16, required=False)
    scale = serializers.IntegerField(required=False)
    background = serializers.CharField(max_length=16, required=False)
    dpi = serializers.IntegerField(required=False)
    format = serializers.CharField(max_length=8, required=False)
    provider = serializers.CharField(max_length=64, required=False)


class UploadSerializer(WishSerializer):
    """What a POST may hold besides photos. Clauses C07: AIART-1.2.3b, MIAO-2.2d."""

    people_agreed = serializers.BooleanField(required=False, default=False)
    """Attested with every upload: everybody shown has agreed."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the words; one that is not known is refused, whatever it would have told us.

        Clauses C08: HILI-0.4, PIXEL-1.1.2.1, MIAO-0.1.
        """
        known = sorted(self.fields)
        for name in data if isinstance(data, Mapping) else ():
            if name not in self.fields and name not in _BESIDE:
                params = {"name": str(name)[:64], "choices": ", ".join(known)}
                raise InvalidOptionsError(Problem(str(name)[:64], Code.FIELD_UNKNOWN, params))
        return super().to_internal_value(data)


class JobSerializer(serializers.BaseSerializer):
    """A job as its owner sees it.

    Written out by hand: a page of fifty costs a fraction of what field objects cost.
    """

    columns = (
        "status", "stage", "percent", "provider", "preset", "operations", "image_type", "scale",
        "background", "dpi", "code", "warnings", "steps", "created_at", "started_at", "ended_at",
        "held_reason", "batch_id", "again_of",
    )  # fmt: skip
    """What is read of the row besides the id."""

    def to_representation(self, instance: PhotoJob) -> dict[str, Any]:
        """Return the job; the renderer writes times as ISO 8601 and ids as text."""
        return {
            "id": instance.pk,
            "status": instance.status,
            "held_reason": instance.held_reason,
            "stage": instance.stage,
            "percent": instance.percent,
            "provider": instance.provider,
            "preset": instance.preset,
            "operations": instance.operations,
            "image_type": instance.image_type,
            "scale": instance.scale,
            "background": instance.background,
            "dpi": instance.dpi,
            "batch": instance.batch_id,
            "again_of": instance.again_of,
            "error": _error(instance),
            "warnings": [_warning(code) for code in instance.warnings],
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


def estimate_body(found: Estimate, request: Request) -> dict[str, Any]:
    """Return an estimate as its person sees it; what is left on the account, only staff see."""
    info, wish = found.provider, found.enhancement
    body: dict[str, Any] = {
        "allowed": found.is_allowed,
        "errors": [
            {"field": problem.field, "code": problem.code.value, "detail": problem.sentence}
            for problem in found.problems
        ],
        "photos": found.photos,
        "credits": found.credits,
        "provider": info.alias,
        "state": info.condition.value,
        "is_remote": info.capabilities.leaves_server,
        "region": info.capabilities.region,
        "copy_kept_seconds": info.capabilities.copy_kept_seconds,
        "preset": found.preset,
        "operations": wish.operations,
        "image_type": wish.image_type,
        "scale": wish.scale,
        "background": wish.background.name if wish.background else "",
        "dpi": wish.dpi,
        "format": wish.format or "",
    }
    if may_see_credits(request):
        body |= {"affordable": found.is_affordable, "balance": balance_body(info.balance)}
    return body


def again_estimate_body(found: AgainEstimate, request: Request) -> dict[str, Any]:
    """Return what processing again would do and cost, and where the photo would come from."""
    body = estimate_body(found.estimate, request)
    if found.origin is Origin.NOWHERE:
        code = Code.UPLOAD_AGAIN
        body["errors"].append({"field": "", "code": code.value, "detail": sentence(code)})
    return {**body, "allowed": found.is_allowed, "origin": found.origin.value}


def balance_body(balance: Balance) -> dict[str, Any]:
    """Return the credits left, with how old that count is."""
    counted_at = balance.counted_at
    age = (timezone.now() - counted_at).total_seconds() if counted_at else None
    return {
        "left": balance.credits,
        "counted_at": counted_at,
        "age_seconds": None if age is None else round(age),
        "is_low": balance.is_low,
        "low_mark": balance.low_credits,
        "sends_in_doubt": balance.in_doubt,
    }


def may_see_credits(request: Request) -> bool:
    """Whether this person may see what is left on the site's accounts."""
    return bool(request.user.is_staff and request.user.has_perm(VIEW_PROVIDERS))


def _warning(code: str) -> dict[str, str]:
    """A warning and its sentence; of a code that is a provider's own, only the code."""
    return {"code": code, "detail": sentence(code) if code in set(Code) else ""}


def _error(job: PhotoJob) -> dict[str, str] | None:
    """Why the job failed, as a code and a sentence; null if it did not."""
    return {"code": job.code, "detail": job.failure_sentence} if job.code else None
