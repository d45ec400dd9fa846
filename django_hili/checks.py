"""System checks: what is wrong with the site's set-up, why it matters and what to write.

No network, and no queries but where a database is named. Ids are stable; the docs explain each
under its own heading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,  # noqa: A004 - Django's name
    register,
)
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from django_hili import queue
from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError
from django_hili.jobs.doctor.cluster import breaches
from django_hili.jobs.presets import all_presets
from django_hili.media.places import misplaced
from django_hili.media.storages import photo_storage
from django_hili.models import PolicyVersion
from django_hili.privacy.consent.minors import guardian_verifier
from django_hili.privacy.consent.policies import differs_from_settings, version_in_force
from django_hili.privacy.consent.processors import registry_problems
from django_hili.privacy.consent.residency import residency_problems
from django_hili.providers.base import Caution
from django_hili.providers.registry import build_provider, provider_aliases

_DOCS = "https://github.com/django-hili/django-hili/blob/main/docs/reference/checks.md"


def register_all() -> None:
    """Register every check once."""
    for check in (
        check_settings, check_providers, check_processors, check_models, check_storage, check_keys,
        check_queue, check_server,
    ):  # fmt: skip
        register(check, "django_hili")
    register(check_privacy, "django_hili")
    register(check_policy, Tags.database)
    for check in (check_probes, check_cautions, check_contact):
        register(check, "django_hili", deploy=True)


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


def check_processors(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E010: it is said who gets photos, what binds them and where people read their policy."""
    return [
        _error(
            f"Photos leave for the provider {alias!r}, but {problem}.",
            "Add it to the provider's entry in HILI['PROVIDERS'].",
            "E010",
        )
        for alias in _aliases()
        for problem in _registry_problems(alias)
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
    except HiliConfigurationError:
        return []  # E001 says so
    try:
        storage = photo_storage(alias)
    except ImproperlyConfigured as error:
        return [_error(str(error), f'Add STORAGES["{alias}"].', "E004")]
    location = str(getattr(storage, "location", ""))
    media_root = str(settings.MEDIA_ROOT)
    if media_root and location and (location + "/").startswith(media_root.rstrip("/") + "/"):
        return [
            _warning(
                "Photos are stored inside MEDIA_ROOT, which web servers usually hand to anybody.",
                f'Give STORAGES["{alias}"] a location outside MEDIA_ROOT.',
                "W001",
            )
        ]
    return []


def check_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E011: keys and receipts lie apart from what they are to protect. W013: photos are sealed.

    Clauses C21, C25: PIXEL-6.2c, MIAO-8.2b, AIART-4.2.1b, MIAO-7.3b.
    """
    try:
        found: list[CheckMessage] = [
            _error(text, "Set HILI['VAULT'].", "E011") for text in misplaced()
        ]
        if not get_settings().vault.encrypt:
            hint = "Take VAULT.ENCRYPT out, unless the storage encrypts by itself."
            found.append(_warning("Photos are stored as they are, not sealed.", hint, "W013"))
    except ImproperlyConfigured:
        return []  # E001 and E004 say so
    return found


def check_queue(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W002 to W010, W014: settings of django-q2 that make it run work twice or not at all."""
    if not queue.is_installed():
        return []
    found = breaches(getattr(settings, "Q_CLUSTER", {}))
    return [_warning(breach.text, breach.hint, breach.number) for breach in found]


def check_server(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W015: no server that is set up writes uploads as they come. Clauses C20: MIAO-2.1d."""
    if not apps.is_installed("daphne"):
        return []
    text = "daphne writes uploads as they come into a temporary file, before Django is asked."
    hint = "Serve by uvicorn, or by WSGI, and take daphne out of INSTALLED_APPS."
    return [_warning(text, hint, "W015")]


def check_privacy(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E007: everything lies where the profile allows. E008: guardians can be checked.

    Clauses C15: HILI-4.1, AIART-4.1c, PIXEL-3.2, MIAO-5.1, MIAO-7.8. Clauses C10: HILI-7a.
    """
    found: list[CheckMessage] = []
    try:
        hint = "Set HILI['PRIVACY']['HOME_REGION'] and ['REGIONS'], or move it."
        found += [_error(problem, hint, "E007") for problem in residency_problems()]
    except ImproperlyConfigured:
        return []  # E001 or E002 says so
    try:
        guardian_verifier()
    except ImproperlyConfigured as error:
        found.append(_error(str(error), "Name a callable that can be imported.", "E008"))
    return found


def check_contact(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E009: people know who is responsible and where to write. Clauses C33: AIART-9, MIAO-7.1."""
    try:
        privacy = get_settings().privacy
    except HiliConfigurationError:
        return []  # E001 says so
    if privacy.basis or (privacy.contact and privacy.controller):
        return []
    text = "The policy does not say who is responsible and where people can write."
    return [_error(text, "Set HILI['PRIVACY']['CONTROLLER'] and ['CONTACT'].", "E009")]


def check_policy(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W012, with --database only: what is published is what the settings say. Clauses C05."""
    if PolicyVersion.objects.db not in (databases or ()):
        return []
    try:
        version = version_in_force()
        if not differs_from_settings(version):
            return []
    except (ImproperlyConfigured, DatabaseError):
        return []  # other checks say so; or the tables are not made yet
    return [
        _warning(
            f"The settings have changed since version {version.number} of the policy was "
            "published. Until a new one is, whatever became looser has no effect, and whatever "
            "needs a new notice, such as another company that gets photos, is refused.",
            "Publish a new version.",
            "W012",
        )
    ]


def check_cautions(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W011: a provider lets photos travel in plain http, or is a sandbox on this machine."""
    return [
        _warning(f"The provider {alias!r}: {caution.text}", caution.hint, "W011")
        for alias in _aliases()
        for caution in _provider_cautions(alias)
    ]


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


def _registry_problems(alias: str) -> Sequence[str]:
    try:
        return tuple(registry_problems(alias))
    except ImproperlyConfigured:
        return ()  # E002 says so


def _provider_cautions(alias: str) -> Sequence[Caution]:
    try:
        return build_provider(alias).cautions()
    except ImproperlyConfigured:
        return ()  # E002 says so


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


def _error(text: str, hint: str, number: str) -> Error:
    return Error(text, hint=f"{hint} {_DOCS}#{number.lower()}", id=f"django_hili.{number}")


def _warning(text: str, hint: str, number: str) -> Warning:
    return Warning(text, hint=f"{hint} {_DOCS}#{number.lower()}", id=f"django_hili.{number}")
