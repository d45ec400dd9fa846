"""The four policies as profiles, written down value by value, and the two that are computed.

`strictest` is the meet of all four, `strictest_remote` of the three that allow a processor;
neither is ever written by hand. Where a policy is silent, the value limits nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import reduce
from operator import and_
from types import MappingProxyType
from typing import Any, Final

from django_hili.exceptions import HiliConfigurationError
from django_hili.profiles.order import Ground, Origin
from django_hili.profiles.profile import NOTHING, ChangeKind, Profile, rules

_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)
_YES: Final = True
_NO: Final = False
_SIX_KINDS: Final = frozenset(ChangeKind) - {ChangeKind.HIGH_RISK}
_SIX_WITH_RISK: Final = frozenset(ChangeKind) - {ChangeKind.OTHER}

Entry = tuple[Any, Origin, str]
"""A value, where it comes from, and its clauses with blanks between."""


def stated(value: Any, clauses: str) -> Entry:
    """A value the policy states."""
    return value, Origin.STATED, clauses


def reading(value: Any, clauses: str) -> Entry:
    """A value read out of words that name no number."""
    return value, Origin.READING, clauses


def law(value: Any, clauses: str) -> Entry:
    """A value a statute sets."""
    return value, Origin.LAW, clauses


def design(value: Any, clauses: str) -> Entry:
    """A value chosen here."""
    return value, Origin.DESIGN, clauses


def unstated(value: Any) -> Entry:
    """No limit, for the policy is silent."""
    return value, Origin.UNSTATED, ""


def _profile(name: str, **entries: Entry) -> Profile:
    known = [field for field, _ in rules()]
    grounds = {}
    for field in known:
        _, origin, clauses = entries[field]
        grounds[field] = frozenset({Ground(name, origin, tuple(clauses.split()))})
    values = {field: entries[field][0] for field in known}
    return Profile(name=name, grounds=MappingProxyType(grounds), **values)


_HILI: Final = _profile(
    "hili",
    source_after_end=reading(NOTHING, "HILI-4.2"),
    source_ceiling=design(_HOUR, "HILI-4.2"),
    result_kept=stated(None, "HILI-4.2"),
    result_on_delivery=stated(_NO, "HILI-4.2"),
    longer_by_consent=reading(_YES, "HILI-4.2"),
    landmarks_kept=stated(NOTHING, "HILI-1.2c"),
    recognition=stated(_NO, "HILI-1.2c"),
    processors=stated(frozenset({"local", "hili"}), "HILI-3.1.1a"),
    vendor_copy=stated(_HOUR, "HILI-API-3 HILI-FR-3"),
    regions_in_china=stated(frozenset({"CN"}), "HILI-4.1"),
    regions_elsewhere=design(frozenset({"home"}), "HILI-4.1"),
    guardian_below=stated(18, "HILI-7a"),
    sensitive_below=law(14, "HILI-7a"),
    answer_days=unstated(None),
    answer_working_days=stated(15, "HILI-9"),
    answer_months=law(1, "HILI-9"),
    cancel_within=design(NOTHING, "HILI-6"),
    withdraw_within=stated(NOTHING, "HILI-6"),
    minor_gone_within=stated(NOTHING, "HILI-7b"),
    # Its own list names rights; a new purpose and a new controller ask again elsewhere in it.
    reconsent=stated(
        frozenset({ChangeKind.RIGHTS, ChangeKind.MANNER, ChangeKind.CONTROLLER}),
        "HILI-8a HILI-1.5 HILI-3.2",
    ),
    silence_is_consent=stated(_NO, "HILI-8a"),
    archive_versions=design(_YES, "HILI-8b"),
    key_lease=design(30 * _DAY, "HILI-4.2"),
    tell_people_at_once=stated(_NO, "HILI-5f"),
    tell_authority_within=law(72 * _HOUR, "HILI-5f"),
    tell_authority_in_china_within=law(4 * _HOUR, "HILI-5f"),
    case_text_kept=design(90 * _DAY, "HILI-6"),
    receipts_kept=law(1096 * _DAY, "HILI-5c"),
    job_kept=design(90 * _DAY, "HILI-1.6n HILI-4.2"),
)

_AIART: Final = _profile(
    "aiart",
    source_after_end=stated(NOTHING, "AIART-F1 AIART-F2 AIART-F3"),
    source_ceiling=design(_HOUR, "AIART-F2"),
    # The only number any of the policies gives, for a result that nobody fetches.
    result_kept=design(_HOUR, "AIART-4.1a AIART-F1"),
    result_on_delivery=stated(_YES, "AIART-F1 AIART-F2"),
    longer_by_consent=stated(_NO, "AIART-F1"),
    landmarks_kept=stated(NOTHING, "AIART-F1"),
    recognition=stated(_NO, "AIART-F1"),
    processors=stated(frozenset({"local"}), "AIART-F3"),
    vendor_copy=unstated(None),
    regions_in_china=stated(frozenset({"CN"}), "AIART-4.1c"),
    regions_elsewhere=design(frozenset({"home"}), "AIART-4.1c"),
    guardian_below=stated(18, "AIART-7.1"),
    sensitive_below=law(14, "AIART-7.1"),
    answer_days=stated(15, "AIART-5.5"),
    answer_working_days=stated(15, "AIART-9"),
    answer_months=law(1, "AIART-9"),
    cancel_within=stated(15 * _DAY, "AIART-5.3"),
    withdraw_within=stated(NOTHING, "AIART-1.2.8 AIART-5.4"),
    minor_gone_within=stated(NOTHING, "AIART-7.2"),
    reconsent=stated(_SIX_KINDS, "AIART-8"),
    silence_is_consent=reading(_NO, "AIART-8"),
    archive_versions=design(_YES, "AIART-8"),
    key_lease=design(7 * _DAY, "AIART-5.6b AIART-F1"),
    tell_people_at_once=stated(_NO, "AIART-4.2.6b"),
    tell_authority_within=law(72 * _HOUR, "AIART-4.2.6b"),
    tell_authority_in_china_within=law(4 * _HOUR, "AIART-4.2.6b"),
    case_text_kept=design(90 * _DAY, "AIART-1.2.5"),
    receipts_kept=law(1096 * _DAY, "AIART-4.2.2"),
    job_kept=design(90 * _DAY, "AIART-1.2.2n AIART-4.1a"),
)

_PIXEL: Final = _profile(
    "pixel",
    source_after_end=reading(NOTHING, "PIXEL-3.1"),
    source_ceiling=design(_HOUR, "PIXEL-3.1"),
    result_kept=design(30 * _DAY, "PIXEL-3.1 PIXEL-4.4a"),
    result_on_delivery=reading(_NO, "PIXEL-3.1"),
    longer_by_consent=stated(_YES, "PIXEL-4.4a"),
    landmarks_kept=unstated(None),
    recognition=unstated(_YES),
    processors=stated(None, "PIXEL-5.1a"),
    vendor_copy=reading(None, "PIXEL-6.2b"),
    regions_in_china=stated(frozenset({"CN"}), "PIXEL-3.2"),
    regions_elsewhere=design(frozenset({"home"}), "PIXEL-3.2"),
    guardian_below=stated(18, "PIXEL-7.1"),
    sensitive_below=law(14, "PIXEL-7.1"),
    answer_days=unstated(None),
    answer_working_days=unstated(None),
    answer_months=law(1, "PIXEL-9"),
    cancel_within=design(NOTHING, "PIXEL-6.4"),
    withdraw_within=stated(NOTHING, "PIXEL-6.3"),
    minor_gone_within=stated(NOTHING, "PIXEL-7.3"),
    reconsent=stated(_SIX_WITH_RISK, "PIXEL-8.5b"),
    silence_is_consent=stated(_YES, "PIXEL-8.5a"),
    archive_versions=design(_YES, "PIXEL-0.2"),
    key_lease=design(30 * _DAY, "PIXEL-6.2c"),
    tell_people_at_once=stated(_NO, "PIXEL-4.5"),
    tell_authority_within=law(72 * _HOUR, "PIXEL-4.5"),
    tell_authority_in_china_within=law(4 * _HOUR, "PIXEL-4.5"),
    case_text_kept=design(90 * _DAY, "PIXEL-1.1.2.4"),
    receipts_kept=law(1096 * _DAY, "PIXEL-4.2"),
    job_kept=design(90 * _DAY, "PIXEL-1.1.2.5 PIXEL-3.1"),
)

_MIAO: Final = _profile(
    "miao",
    source_after_end=stated(NOTHING, "MIAO-2.1f"),
    source_ceiling=design(_HOUR, "MIAO-2.1f"),
    result_kept=reading(7 * _DAY, "MIAO-5.2 MIAO-7.7"),
    result_on_delivery=reading(_NO, "MIAO-5.2"),
    longer_by_consent=reading(_NO, "MIAO-5.2"),
    landmarks_kept=stated(NOTHING, "MIAO-2.1e"),
    recognition=stated(_NO, "MIAO-2.1e"),
    processors=stated(None, "MIAO-6.1a MIAO-6.1d"),
    vendor_copy=unstated(None),
    regions_in_china=stated(frozenset({"CN"}), "MIAO-5.1 MIAO-7.8"),
    regions_elsewhere=design(frozenset({"home"}), "MIAO-5.1 MIAO-7.8"),
    guardian_below=stated(14, "MIAO-9.1"),
    sensitive_below=stated(14, "MIAO-9.1"),
    answer_days=unstated(None),
    answer_working_days=stated(15, "MIAO-8.2a MIAO-11"),
    answer_months=law(1, "MIAO-11"),
    cancel_within=design(NOTHING, "MIAO-8.4"),
    withdraw_within=stated(NOTHING, "MIAO-2.2c MIAO-8.3"),
    minor_gone_within=stated(NOTHING, "MIAO-9.3"),
    reconsent=stated(_SIX_WITH_RISK, "MIAO-10.2"),
    silence_is_consent=stated(_NO, "MIAO-10.1"),
    archive_versions=stated(_YES, "MIAO-10.3"),
    key_lease=design(30 * _DAY, "MIAO-8.2b"),
    tell_people_at_once=stated(_YES, "MIAO-7.6"),
    tell_authority_within=law(72 * _HOUR, "MIAO-7.6"),
    tell_authority_in_china_within=law(4 * _HOUR, "MIAO-7.6"),
    case_text_kept=design(90 * _DAY, "MIAO-2.2b"),
    receipts_kept=law(1096 * _DAY, "MIAO-7.3c"),
    job_kept=design(90 * _DAY, "MIAO-2.0 MIAO-7.7"),
)


def _meet(name: str, *profiles: Profile) -> Profile:
    met = reduce(and_, profiles)
    values = {field: getattr(met, field) for field, _ in rules()}
    return Profile(name=name, grounds=MappingProxyType(dict(met.grounds)), **values)


PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "hili": _HILI,
        "aiart": _AIART,
        "pixel": _PIXEL,
        "miao": _MIAO,
        "strictest": _meet("strictest", _HILI, _AIART, _PIXEL, _MIAO),
        "strictest_remote": _meet("strictest_remote", _HILI, _PIXEL, _MIAO),
    }
)
"""Every profile a site may choose, by its name."""


def find_profile(name: object) -> Profile:
    """Return a profile by its name. Raises `HiliConfigurationError` for an unknown one."""
    profile = PROFILES.get(name) if isinstance(name, str) else None
    if profile is None:
        raise HiliConfigurationError(
            f'HILI["PRIVACY"]["PROFILE"] is {name!r}. Use one of: {", ".join(PROFILES)}.'
        )
    return profile
