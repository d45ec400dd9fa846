"""The `HILI` setting as one frozen value, read at call time and reset when settings change.

Owns names, types and defaults of every setting. Knows no models and imports no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from django_hili.exceptions import HiliConfigurationError

MIB = 1024 * 1024
LOCAL_BACKEND = "django_hili.providers.local.LocalProvider"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One entry of `HILI["PROVIDERS"]`."""

    backend: str
    """Dotted path of a `Provider` class."""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Handed to the provider as they are; secrets may be callables."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """`HILI["LIMITS"]`: what is refused before a pixel is decoded."""

    max_bytes: int = 30 * MIB
    """Size of an uploaded file in bytes."""
    max_megapixels: int = 40
    """Width × height of an uploaded photo, in millions."""
    max_result_side: int = 6000
    """Pixels on the longer side of a result, whatever the provider could do."""
    max_result_bytes: int = 100 * MIB
    """Size of a result that a remote provider sends back."""
    max_photos_per_batch: int = 500
    """Photos that one admin action may take."""


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """`HILI["PRIVACY"]`: what is kept, and until when. A site may only tighten its profile."""

    profile: str = "hili"
    contact: str = ""
    """Where people write about their photos; shown to them."""
    home_region: str = ""
    """ISO 3166 code of the country this site keeps data in; needed with a remote provider."""
    result_kept: timedelta = timedelta(days=30)
    """From the end of a job until its result is deleted."""
    source_ceiling: timedelta = timedelta(hours=1)
    """The longest a source may exist, whether or not its job was ever taken up."""
    job_kept: timedelta = timedelta(days=90)
    """From the end of a job until its row is deleted. Never shorter than `result_kept`."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`HILI["WORKER"]`: how jobs are taken up."""

    slots: int = 2
    """Photos the local engine works on at the same time in one worker."""
    lease: timedelta = timedelta(seconds=60)
    """A worker silent for this long has lost its jobs to the next one."""
    max_attempts: int = 3
    """How often a job is taken up before it fails."""
    sweep_interval: timedelta = timedelta(seconds=60)
    """How often a worker looks for what is past its deadline."""


@dataclass(frozen=True, slots=True)
class HiliSettings:
    """The whole `HILI` setting."""

    providers: Mapping[str, ProviderSettings] = field(
        default_factory=lambda: {"local": ProviderSettings(LOCAL_BACKEND)}
    )
    default_provider: str = "local"
    storage: str = "hili"
    """Alias in `STORAGES`; where it is missing, a private folder beside the default storage."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Presets of this site: name → label, operations and options."""
    limits: LimitSettings = field(default_factory=LimitSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)


def get_settings() -> HiliSettings:
    """Return the `HILI` setting as it is now. Raises `HiliConfigurationError` if it is wrong."""
    return _read()


@lru_cache(maxsize=1)
def _read() -> HiliSettings:
    raw = getattr(django_settings, "HILI", {})
    if not isinstance(raw, Mapping):
        raise HiliConfigurationError("HILI must be a dict.")
    values = dict(raw)
    for key, kind in (
        ("LIMITS", LimitSettings), ("PRIVACY", PrivacySettings), ("WORKER", WorkerSettings),
    ):  # fmt: skip
        if key in values:
            values[key] = _build(kind, values[key], f'HILI["{key}"]')
    if "PROVIDERS" in values:
        values["PROVIDERS"] = {
            alias: _build(ProviderSettings, entry, f'HILI["PROVIDERS"]["{alias}"]')
            for alias, entry in values["PROVIDERS"].items()
        }
    settings = _build(HiliSettings, values, "HILI")
    _check(settings)
    return settings


_T = TypeVar("_T")


def _build(kind: type[_T], raw: Any, where: str) -> _T:
    """Make `kind` of a dict with upper-case keys; an unknown or missing key is an error."""
    if not isinstance(raw, Mapping):
        raise HiliConfigurationError(f"{where} must be a dict.")
    known = {item.name.upper(): item for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(raw) - set(known):
        raise HiliConfigurationError(
            f"{where} has the unknown key {min(unknown)!r}. Known: {', '.join(known)}."
        )
    try:
        return kind(**{known[key].name: value for key, value in raw.items()})
    except TypeError as error:
        raise HiliConfigurationError(f"{where} is incomplete: {error}.") from None


def _check(settings: HiliSettings) -> None:
    if settings.default_provider not in settings.providers:
        raise HiliConfigurationError(
            f'HILI["DEFAULT_PROVIDER"] names {settings.default_provider!r}, which is not in '
            'HILI["PROVIDERS"].'
        )
    privacy = settings.privacy
    durations = (
        ("RESULT_KEPT", privacy.result_kept), ("SOURCE_CEILING", privacy.source_ceiling),
        ("JOB_KEPT", privacy.job_kept),
    )  # fmt: skip
    for name, value in durations:
        if not isinstance(value, timedelta) or value <= timedelta(0):
            raise HiliConfigurationError(f'HILI["PRIVACY"]["{name}"] must be a positive timedelta.')
    if privacy.profile != "hili":
        raise HiliConfigurationError(
            f'HILI["PRIVACY"]["PROFILE"] is {privacy.profile!r}; this version knows "hili".'
        )
    if privacy.job_kept < privacy.result_kept:
        raise HiliConfigurationError(
            'HILI["PRIVACY"]["JOB_KEPT"] is shorter than RESULT_KEPT: a result would outlive the '
            "job that says whose it is."
        )


def _reset(*, setting: str, **_: object) -> None:
    if setting == "HILI":
        _read.cache_clear()


setting_changed.connect(_reset, dispatch_uid="django_hili.conf")
