"""The `HILI` setting as one frozen value, read at call time and reset when settings change.

Owns names, types and defaults of every setting. Knows no models and imports no provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from django_hili.exceptions import HiliConfigurationError
from django_hili.profiles import Profile, find_profile, tighten
from django_hili.profiles.profile import rules

MIB = 1024 * 1024
LOCAL_BACKEND = "django_hili.providers.local.LocalProvider"
REGION_PARTS = ("storage", "keys", "queue", "cache")
_REGION = re.compile("(?:[A-Z]{2})?")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One entry of `HILI["PROVIDERS"]`."""

    backend: str
    """Dotted path of a `Provider` class."""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Handed to the provider as they are; secrets may be callables."""
    policy_url: str = ""
    """Where people read this company's own policy. Needed where photos leave the server."""
    contact: str = ""
    """Where people write to this company about their data. Needed where photos leave."""
    agreement: str = ""
    """What binds this company, such as the name and date of a contract; never the text."""
    assessed_on: date | None = None
    """When somebody last looked into how this company treats photos; counts for twelve months."""


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
    """Photos that one request or one admin action may take."""
    max_bytes_per_batch: int = 200 * MIB
    """Size of all photos of one request together, in bytes."""
    max_credits_per_batch: int | None = None
    """Credits that one batch may cost; None for no cap."""


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """`HILI["PRIVACY"]`: the profile, what the site adds to it, and who is responsible.

    Every value of the profile is a key as well; a site may tighten each and loosen none.
    """

    profile: str = "hili"
    """hili, aiart, pixel, miao, strictest or strictest_remote."""
    controller: str = ""
    """Who is responsible, as the policy names them."""
    contact: str = ""
    """Where people write about their photos; shown to them."""
    home_region: str = ""
    """ISO 3166 code of the country this site keeps data in; needed with a remote provider."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Where a part of this site lies that is not at home: storage, keys, queue or cache."""
    basis: str = ""
    """`no_personal_data` for a site whose photos show nobody; else each photo needs a basis."""
    guardian_verifier: str = ""
    """Dotted path of a callable that says whether a guardian's proof holds."""
    effective: Profile = field(default_factory=lambda: _effective("hili", {}))
    """The profile with the site's own stricter values: what runs, and what the policy says."""

    @property
    def result_kept(self) -> timedelta:
        """From the end of a job until its result is deleted."""
        return self.effective.result_kept or OPEN_ENDED

    @property
    def source_ceiling(self) -> timedelta:
        """The longest a source may exist, whether or not its job was ever taken up."""
        return self.effective.source_ceiling

    @property
    def job_kept(self) -> timedelta:
        """From the end of a job until its row is deleted, or until its result is, if later."""
        return self.effective.job_kept

    @property
    def key_lease(self) -> timedelta:
        """How long a key may be used before it has to be renewed: the bound on backups."""
        return self.effective.key_lease


OPEN_ENDED = timedelta(days=36525)
"""A century: how "until withdrawn, deleted or cancelled" is written where a site chooses it.

Every object has a deadline that never moves later by itself, also this one. It is far enough
that only withdrawing, deleting or cancelling ever ends it. Clauses C17: HILI-4.2.
"""
RESULT_KEPT_BY_DEFAULT = timedelta(days=30)
"""Where the profile sets no end and the site says nothing. Clauses C17: HILI-4.2."""


def _effective(name: object, values: Mapping[str, Any]) -> Profile:
    profile = find_profile(name)
    if profile.result_kept is None:
        values = {"result_kept": RESULT_KEPT_BY_DEFAULT, **values}
    return tighten(profile, values, where='HILI["PRIVACY"]')


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """`HILI["VAULT"]`: how photos lie, and where their keys and the receipts are."""

    encrypt: bool = True
    """Seal every photo. False only where the storage itself encrypts, and the key lease is lost."""
    key_folder: str | Path | None = None
    """Folder of the wrapping keys; by default beside the photos, never inside them."""
    key_database: str = ""
    """Alias of a database for the wrapping keys instead, for a site on several hosts."""
    evidence_folder: str | Path | None = None
    """Folder for copies of the receipts and anchors, outside the database's backups."""


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
    vault: VaultSettings = field(default_factory=VaultSettings)
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
    if "PRIVACY" in values:
        values["PRIVACY"] = _with_profile(values["PRIVACY"])
    for key, kind in (
        ("LIMITS", LimitSettings), ("PRIVACY", PrivacySettings), ("VAULT", VaultSettings),
        ("WORKER", WorkerSettings),
    ):  # fmt: skip
        if key in values:
            values[key] = _build(kind, values[key], f'HILI["{key}"]')
    if isinstance(values.get("PROVIDERS"), Mapping):
        values["PROVIDERS"] = {
            alias: _build(ProviderSettings, entry, f'HILI["PROVIDERS"]["{alias}"]')
            for alias, entry in values["PROVIDERS"].items()
        }
    settings = _build(HiliSettings, values, "HILI")
    _check(settings)
    return settings


def _with_profile(raw: Any) -> Any:
    """Put the profile and the site's own stricter values together under one key."""
    if not isinstance(raw, Mapping):
        return raw
    if "EFFECTIVE" in raw:
        raise HiliConfigurationError("HILI[\"PRIVACY\"] has the unknown key 'EFFECTIVE'.")
    known = {name.upper(): name for name, _ in rules()}
    tightened = {known[key]: value for key, value in raw.items() if key in known}
    return {
        **{key: value for key, value in raw.items() if key not in known},
        "EFFECTIVE": _effective(raw.get("PROFILE", "hili"), tightened),
    }


_T = TypeVar("_T")


def _build(kind: type[_T], raw: Any, where: str) -> _T:
    """Make `kind` of a dict with upper-case keys.

    An unknown or missing key is an error, and so is a value of another type than the field's.
    """
    if not isinstance(raw, Mapping):
        raise HiliConfigurationError(f"{where} must be a dict.")
    known = {item.name.upper(): item for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(raw) - set(known):
        raise HiliConfigurationError(
            f"{where} has the unknown key {min(unknown, key=repr)!r}. Known: {', '.join(known)}."
        )
    hints = get_type_hints(kind)
    for key, value in raw.items():
        _check_type(value, hints[known[key].name], f'{where}["{key}"]')
    try:
        return kind(**{known[key].name: value for key, value in raw.items()})
    except TypeError as error:
        raise HiliConfigurationError(f"{where} is incomplete: {error}.") from None


_KINDS: Mapping[Any, str] = {
    bool: "True or False", int: "a whole number", str: "a str", timedelta: "a timedelta",
    date: "a date", Path: "a Path", NoneType: "None", Mapping: "a dict",
}  # fmt: skip


def _check_type(value: Any, hint: Any, where: str) -> None:
    """Refuse a value that is not what the field says, naming the innermost place."""
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    if not any(_is_a(value, kind) for kind in kinds):
        wanted = " or ".join(_KINDS.get(get_origin(kind) or kind, "a dict") for kind in kinds)
        raise HiliConfigurationError(f"{where} must be {wanted}, not {type(value).__name__}.")
    if get_origin(hint) is Mapping:
        name_hint, inner = get_args(hint)
        for name, entry in value.items():
            _check_type(name, name_hint, f"a key of {where}")
            _check_type(entry, inner, f'{where}["{name}"]')


def _is_a(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    return isinstance(value, get_origin(kind) or kind)


def _check(settings: HiliSettings) -> None:
    if settings.default_provider not in settings.providers:
        raise HiliConfigurationError(
            f'HILI["DEFAULT_PROVIDER"] names {settings.default_provider!r}, which is not in '
            'HILI["PROVIDERS"].'
        )
    privacy = settings.privacy
    if privacy.basis not in {"", "no_personal_data"}:
        raise HiliConfigurationError(
            'HILI["PRIVACY"]["BASIS"] may only be "no_personal_data": every other basis is named '
            "for each photo."
        )
    for part, region in {"": privacy.home_region, **privacy.regions}.items():
        if part not in {"", *REGION_PARTS} or not _REGION.fullmatch(region):
            raise HiliConfigurationError(
                'HILI["PRIVACY"]["HOME_REGION"] and ["REGIONS"] hold ISO 3166 codes such as "DE", '
                f"the latter for: {', '.join(REGION_PARTS)}."
            )


def _reset(*, setting: str, **_: object) -> None:
    if setting == "HILI":
        _read.cache_clear()


setting_changed.connect(_reset, dispatch_uid="django_hili.conf")
