"""Finds providers by their alias in `HILI["PROVIDERS"]`. Knows settings, not what providers do."""

from __future__ import annotations

from functools import lru_cache

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError, InvalidOptionsError, Problem
from django_hili.providers.base import Provider
from django_hili.vocabulary import Capabilities


def provider_aliases() -> tuple[str, ...]:
    """Return the aliases of all configured providers, the default one first."""
    settings = get_settings()
    return tuple(sorted(settings.providers, key=lambda alias: alias != settings.default_provider))


def build_provider(alias: str) -> Provider:
    """Make a new provider for one worker. Raises `InvalidOptionsError` for an unknown alias."""
    entry = get_settings().providers.get(alias)
    if entry is None:
        choices = {"choices": ", ".join(provider_aliases())}
        raise InvalidOptionsError(Problem("provider", Code.PROVIDER_UNKNOWN, choices))
    try:
        backend = import_string(entry.backend)
    except ImportError as error:
        raise HiliConfigurationError(
            f'HILI["PROVIDERS"]["{alias}"]["BACKEND"] cannot be imported: {error}.'
        ) from error
    if not (isinstance(backend, type) and issubclass(backend, Provider)):
        raise HiliConfigurationError(
            f'HILI["PROVIDERS"]["{alias}"]["BACKEND"] is not a Provider class.'
        )
    return backend(alias, entry.options)


@lru_cache(maxsize=32)
def capabilities_of(alias: str) -> Capabilities:
    """Return what the provider declares. Raises `InvalidOptionsError` for an unknown alias."""
    return build_provider(alias).capabilities


def _reset(*, setting: str, **_: object) -> None:
    if setting == "HILI":
        capabilities_of.cache_clear()


setting_changed.connect(_reset, dispatch_uid="django_hili.providers.registry")
