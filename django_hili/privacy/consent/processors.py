"""Who works on photos outside this server: the registry that the gate and the policy read.

Owns what is known of each company and for how long an assessment counts. Knows no photo and no
network; nobody who is not in it can be sent anything.
Clauses C12: HILI-0.5, HILI-3.1.1c, AIART-3.1d, AIART-6, PIXEL-0.2, PIXEL-5.1d, MIAO-1, MIAO-6.1a.
Clauses C12: MIAO-6.1c.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from django_hili.conf import ProviderSettings, get_settings
from django_hili.exceptions import HiliConfigurationError, InvalidOptionsError
from django_hili.privacy.consent.gate import Recipient
from django_hili.providers.registry import build_provider, capabilities_of, provider_aliases
from django_hili.providers.remote import Charging, RemoteProvider
from django_hili.vocabulary import Capabilities

ASSESSMENT_COUNTS: Final = dt.timedelta(days=365)
"""How long an assessment is good for."""
DATA_SENT: Final = ("photo", "operations", "image_type")
"""The kinds of data any of them gets."""


@dataclass(frozen=True, slots=True)
class Processor:
    """Somebody outside this server who may get photos."""

    name: str
    region: str
    copy_kept_seconds: int | None
    """None where they say nothing."""
    policy_url: str = ""
    contact: str = ""
    agreement: str = ""
    assessed_on: dt.date | None = None

    def as_parameters(self) -> dict[str, Any]:
        """Return it as a version of the policy holds it."""
        return {
            "name": self.name,
            "region": self.region,
            "copy_kept_seconds": self.copy_kept_seconds,
            "contact": self.contact,
        }

    def is_bound(self, today: dt.date) -> bool:
        """Whether an agreement is on record, and an assessment that is not too old."""
        if not self.agreement or self.assessed_on is None:
            return False
        return dt.timedelta(0) <= today - self.assessed_on <= ASSESSMENT_COUNTS


def recipient_of(alias: str) -> Recipient:
    """Return who a provider is to the gate. Raises `InvalidOptionsError` for an unknown alias."""
    capabilities = capabilities_of(alias)
    if not capabilities.leaves_server:
        return Recipient("local", "", leaves_server=False)
    processor = _processor(alias, capabilities)
    return Recipient(
        processor.name,
        processor.region,
        leaves_server=True,
        is_bound=processor.is_bound(timezone.localdate()),
    )


def is_paid_by_send(alias: str) -> bool:
    """Whether a provider charges for what it is sent; also where nobody can tell any more."""
    try:
        provider = build_provider(alias)
    except (HiliConfigurationError, InvalidOptionsError):
        return True
    return not isinstance(provider, RemoteProvider) or provider.charging is Charging.UPLOAD


def policy_of(alias: str) -> str:
    """Return which policy of the company's a send rests on, as the ledger writes it down."""
    settings = get_settings().providers[alias]
    return settings.policy_url or settings.agreement or "none on record"


def processors() -> tuple[Processor, ...]:
    """Return everybody outside this server that the settings name, each once, by name."""
    found: dict[str, Processor] = {}
    for alias in provider_aliases():
        capabilities = capabilities_of(alias)
        if capabilities.leaves_server:
            processor = _processor(alias, capabilities)
            found[processor.name] = processor
    return tuple(found[name] for name in sorted(found))


def registry_problems(alias: str) -> Iterator[str]:
    """Yield what the site has not said about a company that gets its photos."""
    if not capabilities_of(alias).leaves_server:
        return
    settings = get_settings().providers[alias]
    for name in ("policy_url", "contact", "agreement", "assessed_on"):
        if not getattr(settings, name):
            yield f"{name.upper()} is missing"


def _processor(alias: str, capabilities: Capabilities) -> Processor:
    settings: ProviderSettings = get_settings().providers[alias]
    return Processor(
        name=capabilities.processor or alias,
        region=capabilities.region,
        copy_kept_seconds=capabilities.copy_kept_seconds,
        policy_url=settings.policy_url,
        contact=settings.contact,
        agreement=settings.agreement,
        assessed_on=settings.assessed_on,
    )
