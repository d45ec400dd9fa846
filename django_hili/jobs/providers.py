"""What doors may ask about providers: what each can do, whether it is available, its balance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_hili.conf import get_settings
from django_hili.jobs.balance import Balance, balance_of
from django_hili.models import ProviderState
from django_hili.providers.registry import capabilities_of, provider_aliases
from django_hili.vocabulary import Capabilities


class Condition(StrEnum):
    """Whether photos are sent to a provider now. If not, they wait."""

    AVAILABLE = "available"
    PAUSED = "paused"
    NO_CREDITS = "no_credits"
    BAD_CREDENTIALS = "bad_credentials"
    DOWN = "down"


CONDITION_LABELS: dict[Condition, str | Promise] = {
    Condition.AVAILABLE: _("available"),
    Condition.PAUSED: _("paused by staff"),
    Condition.NO_CREDITS: _("no credits left"),
    Condition.BAD_CREDENTIALS: _("its credentials are refused"),
    Condition.DOWN: _("it does not answer"),
}


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """One provider as this site has come to know it."""

    alias: str
    is_default: bool
    capabilities: Capabilities
    condition: Condition
    ask_again_at: dt.datetime | None
    """When a provider that is held back is asked again."""
    balance: Balance


def providers() -> tuple[ProviderInfo, ...]:
    """Return every configured provider, the default one first."""
    return tuple(_infos(provider_aliases()))


def provider_info(*, alias: str) -> ProviderInfo:
    """Return one provider. Raises `InvalidOptionsError` for an unknown alias."""
    capabilities_of(alias)
    return next(iter(_infos([alias])))


def _infos(aliases: Iterable[str]) -> Iterable[ProviderInfo]:
    aliases = list(aliases)
    states = ProviderState.objects.in_bulk(aliases)
    default = get_settings().default_provider
    for alias in aliases:
        state = states.get(alias)
        yield ProviderInfo(
            alias=alias,
            is_default=alias == default,
            capabilities=capabilities_of(alias),
            condition=_condition(state),
            ask_again_at=state.ask_again_at if state and state.breaker else None,
            balance=balance_of(alias, state),
        )


def _condition(state: ProviderState | None) -> Condition:
    if state is None:
        return Condition.AVAILABLE
    if state.is_paused:
        return Condition.PAUSED
    return Condition(state.breaker) if state.breaker else Condition.AVAILABLE
