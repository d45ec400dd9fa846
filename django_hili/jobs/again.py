"""Processes an ended job's photo again with other choices, and says beforehand what that costs."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.jobs.estimate import Estimate, estimate_of
from django_hili.jobs.presets import find_preset
from django_hili.jobs.retry import Origin, origin_of, repeat
from django_hili.models import PhotoJob
from django_hili.models.job import ENDED
from django_hili.vocabulary import Enhancement, read_enhancement


@dataclass(frozen=True, slots=True)
class AgainEstimate:
    """What processing a photo again would mean."""

    origin: Origin
    estimate: Estimate

    @property
    def is_allowed(self) -> bool:
        """Whether it would be done if it were asked for now."""
        return self.estimate.is_allowed and self.origin is not Origin.NOWHERE


def process_again(
    *, job_id: uuid.UUID, provider: str | None = None, requested_by: Any = None, **choices: Any
) -> PhotoJob:
    """Enhance an ended job's photo again with other choices; return the new job.

    `choices` are a `preset`, or `operations` and options as for `enhance`; what is left out stays
    as it was. Where the provider still holds the photo it is not sent again. Either way it costs
    what a send costs. Raises `InvalidOptionsError`, `WrongStateError` or `ProviderError`; nothing
    has been stored or charged then.
    """
    job = _ended(job_id)
    return repeat(
        job=job,
        enhancement=_choices(job, **choices),
        preset=choices.get("preset") or "",
        provider=provider or job.provider,
        requested_by=requested_by,
    )


def estimate_again(
    *, job_id: uuid.UUID, provider: str | None = None, **choices: Any
) -> AgainEstimate:
    """Say what `process_again` would do and cost. Stores nothing, sends nothing."""
    job = _ended(job_id)
    alias = provider or job.provider
    found = estimate_of(
        enhancement=_choices(job, **choices), provider=alias, preset=choices.get("preset") or ""
    )
    return AgainEstimate(origin_of(job, alias), found)


def _ended(job_id: uuid.UUID) -> PhotoJob:
    job = PhotoJob.objects.filter(pk=job_id, status__in=ENDED).first()
    if job is None:
        raise WrongStateError(Code.JOB_NOT_DONE)
    return job


def _choices(
    job: PhotoJob, *, preset: str | None = None, operations: Collection[str] | None = None,
    **options: Any,
) -> Enhancement:  # fmt: skip
    """Return the job's wishes with those that are named put in their place."""
    if preset:
        return find_preset(preset, operations=operations, **options)
    if not operations:
        operations = job.operations
        options = {
            "scale": options.get("scale") or job.scale,
            "background": options.get("background") or job.background,
            **{key: value for key, value in options.items() if key not in {"scale", "background"}},
        }
    options["image_type"] = options.get("image_type") or job.image_type
    options["dpi"] = options.get("dpi") or job.dpi
    options["format"] = options.get("format") or job.result_format or None
    return read_enhancement(operations=operations, **options)
