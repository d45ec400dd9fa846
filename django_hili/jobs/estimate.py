"""Says what something would cost and whether it is allowed, before anything is stored or sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import InvalidOptionsError, Problem
from django_hili.jobs.presets import read_wish
from django_hili.jobs.providers import ProviderInfo, provider_info
from django_hili.vocabulary import Capabilities, Enhancement


@dataclass(frozen=True, slots=True)
class Estimate:
    """What would be done, by whom, for how much, and what stands against it."""

    enhancement: Enhancement
    preset: str
    photos: int
    credits: int
    provider: ProviderInfo
    problems: tuple[Problem, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether it would be taken. A provider that is paused or away only makes it wait."""
        return not self.problems

    @property
    def is_affordable(self) -> bool | None:
        """Whether the last count of credits is enough; None where nobody has counted."""
        left = self.provider.balance.credits
        if not self.credits:
            return True
        return None if left is None else left >= self.credits


def estimate(
    *,
    preset: str | None = None,
    operations: Any = None,
    provider: str | None = None,
    photos: int = 1,
    width: int | None = None,
    height: int | None = None,
    max_credits: int | None = None,
    **options: Any,
) -> Estimate:
    """Say what enhancing `photos` photos would cost. Stores nothing, sends nothing.

    With `width` and `height` of a photo, its result's size is checked too. Raises
    `InvalidOptionsError` for words that mean nothing; what they mean and may not is among the
    estimate's problems.
    """
    enhancement = read_wish(preset=preset, operations=operations, **options)
    return estimate_of(
        enhancement=enhancement,
        preset=preset or "",
        provider=provider or get_settings().default_provider,
        photos=photos,
        size=(width, height) if width and height else None,
        max_credits=max_credits,
    )


def estimate_of(
    *, enhancement: Enhancement, provider: str, preset: str = "", photos: int = 1,
    size: tuple[int, int] | None = None, max_credits: int | None = None,
) -> Estimate:  # fmt: skip
    """Say what a wish that has been read would cost."""
    info = provider_info(alias=provider)
    problems = [*enhancement.problems(info.capabilities)]
    problems += _size_problems(enhancement, size, info.capabilities)
    problems += batch_problems(photos, info.capabilities, max_credits)
    return Estimate(
        enhancement=enhancement,
        preset=preset,
        photos=photos,
        credits=photos * info.capabilities.credits_per_send,
        provider=info,
        problems=tuple(problems),
    )


def batch_problems(
    photos: int, capabilities: Capabilities, max_credits: int | None
) -> Iterator[Problem]:
    """Yield what the site's limits and the request's own cap say against so many photos."""
    limits = get_settings().limits
    if photos > limits.max_photos_per_batch:
        limit = {"limit": limits.max_photos_per_batch}
        yield Problem("photos", Code.BATCH_TOO_LARGE, limit)
    caps = [cap for cap in (limits.max_credits_per_batch, max_credits) if cap is not None]
    cost = photos * capabilities.credits_per_send
    if caps and cost > min(caps):
        params = {"credits": cost, "limit": min(caps)}
        yield Problem("max_credits", Code.BATCH_TOO_COSTLY, params)


def _size_problems(
    enhancement: Enhancement, size: tuple[int, int] | None, capabilities: Capabilities
) -> tuple[Problem, ...]:
    if size is None:
        return ()
    try:
        enhancement.check_size(*size, capabilities)
    except InvalidOptionsError as error:
        return error.problems
    return ()
