"""Holds sends back while a provider cannot take them, for all workers at once.

Owns the rows that say why and until when. Jobs wait meanwhile; they do not fail in a storm.
"""

from __future__ import annotations

import datetime as dt
import random

from django.db.models import F

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.models import Breaker, ProviderState

OPENS = {
    Code.PROVIDER_NO_CREDITS: Breaker.NO_CREDITS,
    Code.PROVIDER_BAD_CREDENTIALS: Breaker.BAD_CREDENTIALS,
    Code.PROVIDER_DOWN: Breaker.DOWN,
    Code.PROVIDER_BUSY: Breaker.DOWN,
}
"""Which errors say something about the provider and not about the photo."""

_FIRST_PAUSE = {Breaker.NO_CREDITS: 60.0, Breaker.BAD_CREDENTIALS: 60.0, Breaker.DOWN: 1.0}
_LONGEST_PAUSE = 60.0


def state_of(alias: str) -> ProviderState:
    """Return the provider's row, making it at first sight."""
    return ProviderState.objects.get_or_create(alias=alias)[0]


def note_failure(alias: str, error: ProviderError, now: dt.datetime) -> dt.datetime | None:
    """Open the breaker if `error` is about the provider. Returns when it is asked again."""
    breaker = OPENS.get(error.code)
    if breaker is None:
        return None
    state = state_of(alias)
    again = now + dt.timedelta(seconds=_pause(breaker, state.failures, error.retry_after))
    ProviderState.objects.filter(alias=alias).update(
        breaker=breaker, failures=F("failures") + 1, ask_again_at=again
    )
    return again


def note_success(alias: str) -> None:
    """Close the breaker. Writes nothing where it is closed already."""
    opened = ProviderState.objects.filter(alias=alias).exclude(breaker="", failures=0)
    opened.update(breaker=Breaker.CLOSED, failures=0, ask_again_at=None)


def _pause(breaker: Breaker, failures: int, told: float | None) -> float:
    """As long as we were told, else doubling up to a minute, with full jitter above the first."""
    if told is not None:
        return told
    first = _FIRST_PAUSE[breaker]
    longest = min(first * 2 ** min(failures, 10), max(_LONGEST_PAUSE, first))
    return random.uniform(first, longest)  # noqa: S311 - jitter, not a secret
