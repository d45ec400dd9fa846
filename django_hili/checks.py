"""System checks: what is wrong with the site's set-up, why it matters and what to write.

No network and no queries. Ids are stable; the docs explain each under its own heading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured

from django_hili import queue
from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError
from django_hili.jobs.presets import all_presets
from django_hili.media.storages import photo_storage
from django_hili.providers.registry import build_provider, provider_aliases

_DOCS = "docs/reference/checks.md"
_SHORTEST_RETRY = 60


def register_all() -> None:
    """Register every check once."""
    for check in (check_settings, check_providers, check_models, check_storage, check_queue):
        register(check, "django_hili")
    register(check_probes, "django_hili", deploy=True)


def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E001: `HILI` can be read. E002: so can its presets. E003: DRF is installed."""
    try:
        get_settings()
        all_presets()
    except HiliConfigurationError as error:
        return [_error(str(error), "Correct HILI in your settings.", "E001")]
    if not apps.is_installed("rest_framework"):
        hint = 'Add "rest_framework" to INSTALLED_APPS.'
        return [_error("django-hili's REST endpoints need djangorestframework.", hint, "E003")]
    return []


def check_providers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E002: every provider can be built and has what it needs."""
    return [
        _error(f"The provider {alias!r}: {problem}", "Correct HILI['PROVIDERS'].", "E002")
        for alias in _aliases()
        for problem in _provider_problems(alias)
    ]


def check_models(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E005: every model card can be read, is allowed, and belongs to a file that is safe to run."""
    hint = "Correct the card, or take it out of the folder."
    return [_error(text, hint, "E005") for text in _model_problems("card_problems")]


def check_probes(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E006, with --deploy only: every model, run once on a made picture, keeps to its card."""
    known = set(_model_problems("card_problems"))
    hint = "Correct the card: it belongs to this one file, not to the family of models."
    found = (text for text in _model_problems("probe_problems") if text not in known)
    return [_error(text, hint, "E006") for text in found]


def check_storage(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E004: there is a place for photos. W001: no web server hands it out."""
    try:
        alias = get_settings().storage
        storage = photo_storage(alias)
    except ImproperlyConfigured as error:
        hint = f'Add STORAGES["{_storage_alias()}"].'
        return [_error(str(error), hint, "E004")]
    location = str(getattr(storage, "location", ""))
    media_root = str(settings.MEDIA_ROOT)
    if media_root and location and (location + "/").startswith(media_root.rstrip("/") + "/"):
        return [
            Warning(
                "Photos are stored inside MEDIA_ROOT, which web servers usually hand to anybody.",
                hint=f'Give STORAGES["{alias}"] a location outside MEDIA_ROOT. {_DOCS}#w001',
                id="django_hili.W001",
            )
        ]
    return []


def check_queue(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W002 to W005: settings of django-q2 that make it run work twice or not at all."""
    if not queue.is_installed():
        return []
    cluster = getattr(settings, "Q_CLUSTER", {})
    return [
        Warning(text, hint=f"{hint} {_DOCS}#{number.lower()}", id=f"django_hili.{number}")
        for text, hint, number in _queue_findings(cluster)
    ]


def _queue_findings(cluster: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    retry, timeout = cluster.get("retry", 60), cluster.get("timeout")
    if not cluster:
        text = "django-q2 is installed but Q_CLUSTER is not set: it looks for a Redis server."
        hint = 'Set Q_CLUSTER = {"name": "site", "orm": "default", "timeout": 90, "retry": 120}.'
        yield text, hint, "W002"
        return
    if timeout is None:
        text = "Q_CLUSTER has no timeout: a task that hangs blocks its worker for ever."
        yield text, 'Set "timeout": 90 and "retry": 120.', "W003"
    elif retry <= timeout:
        text = "Q_CLUSTER's retry is not longer than its timeout: long tasks run twice at once."
        yield text, 'Set "retry" above "timeout", such as 120 and 90.', "W004"
    if retry < _SHORTEST_RETRY:
        text = "Q_CLUSTER's retry is under a minute: shifts become too short to do much."
        yield text, 'Set "retry": 120.', "W005"


def _aliases() -> Sequence[str]:
    try:
        return provider_aliases()
    except HiliConfigurationError:
        return ()  # E001 says so


def _provider_problems(alias: str) -> Sequence[str]:
    try:
        return build_provider(alias).problems()
    except ImproperlyConfigured as error:
        return (str(error),)


def _model_problems(method: str) -> Sequence[str]:
    """Ask every provider that runs models of its own; most have no such method."""
    return [
        f"A model of the provider {alias!r}: {problem}"
        for alias in _aliases()
        for problem in _asked(alias, method)
    ]


def _asked(alias: str, method: str) -> Sequence[str]:
    try:
        found: Sequence[str] = getattr(build_provider(alias), method, tuple)()
    except ImproperlyConfigured:
        return ()  # E002 says so
    return found


def _storage_alias() -> str:
    try:
        return get_settings().storage
    except HiliConfigurationError:
        return "hili"


def _error(text: str, hint: str, number: str) -> Error:
    return Error(text, hint=f"{hint} {_DOCS}#{number.lower()}", id=f"django_hili.{number}")
