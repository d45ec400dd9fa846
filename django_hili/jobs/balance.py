"""How many credits a provider's account has left, as of when, and when that is too few.

Owns the shown count and the low-water mark. What a count says about doubtful sends is
`reconcile.py`'s.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.jobs.moves import reconcile
from django_hili.models import Disclosure, ProviderState
from django_hili.providers.registry import build_provider, capabilities_of
from django_hili.providers.remote import RemoteProvider


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's credits as they were last counted."""

    provider: str
    credits: int | None = None
    """None where nobody has counted yet, or where the provider charges nothing."""
    counted_at: dt.datetime | None = None
    low_credits: int | None = None
    """The low-water mark, if the site set one."""
    is_low: bool = False
    is_shared: bool = False
    """Whether a count has shown that credits went which this site did not spend."""
    in_doubt: int = 0
    """Sends of which it is not known whether they were charged."""


def balance(*, provider: str) -> Balance:
    """Return the last count. Asks nobody. Raises `InvalidOptionsError` for an unknown alias."""
    capabilities_of(provider)
    return balance_of(provider, ProviderState.objects.filter(alias=provider).first())


def balance_of(alias: str, state: ProviderState | None) -> Balance:
    """Return the last count that `state` holds."""
    if state is None or not capabilities_of(alias).credits_per_send:
        return Balance(alias)
    doubts = Disclosure.objects.filter(provider=alias).in_doubt().filter(charged=None)
    return Balance(
        provider=alias,
        credits=state.credits,
        counted_at=state.credits_at,
        low_credits=reconcile.low_credits_of(alias),
        is_low=state.is_low,
        is_shared=state.is_shared,
        in_doubt=doubts.count(),
    )


def refresh_balance(*, provider: str) -> Balance:
    """Ask the provider once how many credits are left, and settle what the count settles.

    Raises `WrongStateError` where the provider charges nothing, and `ProviderError`.
    """
    account = build_provider(provider)
    if not isinstance(account, RemoteProvider):
        raise WrongStateError(Code.PROVIDER_WITHOUT_CREDITS)
    asked_at = timezone.now()
    credits_left = async_to_sync(_ask)(account)
    # With a photo on its way the count settles nothing; it has been noted all the same.
    with contextlib.suppress(WrongStateError):
        reconcile.reconcile(
            provider=provider,
            credits_left=credits_left,
            is_exclusive=account.is_exclusive,
            asked_at=asked_at,
        )
    return balance(provider=provider)


async def _ask(account: RemoteProvider) -> int:
    try:
        return await account.credits()
    finally:
        await account.aclose()
