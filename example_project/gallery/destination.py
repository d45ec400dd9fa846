"""Where photos go to be enhanced, in the facts that pages tell people before they decide.

Asks django-hili what the provider declares; knows no provider by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from django.conf import settings
from django.http import HttpRequest

from django_hili.conf import get_settings
from django_hili.jobs.providers import Condition, ProviderInfo, provider_info, providers
from django_hili.providers.registry import capabilities_of


@dataclass(frozen=True)
class Destination:
    """Who enhances the photos of this site."""

    leaves_server: bool
    is_sandbox: bool
    """A stand-in on this machine, where the vendor would be."""
    control_page: str = ""
    """Where the stand-in is watched and disturbed."""

    @cached_property
    def provider(self) -> ProviderInfo:
        """What is known of the provider now: cost, credits left, whether it can be sent to."""
        return provider_info(alias=get_settings().default_provider)

    @property
    def hours_kept(self) -> int:
        """For how long the provider keeps a finished photo, in whole hours."""
        seconds = self.provider.capabilities.copy_kept_seconds or 0
        return int(dt.timedelta(seconds=seconds) / dt.timedelta(hours=1))


def destination() -> Destination:
    """Return where photos go by the settings of now."""
    is_sandbox = settings.EXAMPLE_PROVIDER == "sandbox"
    alias = get_settings().default_provider
    return Destination(
        leaves_server=capabilities_of(alias).leaves_server,
        is_sandbox=is_sandbox,
        control_page=f"{_sandbox_address()}/control/" if is_sandbox else "",
    )


def where_photos_go(request: HttpRequest) -> Mapping[str, Destination]:
    """Tell every page where photos go."""
    del request
    return {"destination": destination()}


def conditions() -> Mapping[str, Condition]:
    """Return whether each provider can be sent to, by its alias."""
    return {info.alias: info.condition for info in providers()}


def _sandbox_address() -> str:
    return str(settings.PROVIDERS["sandbox"]["OPTIONS"]["base_url"])
