"""One profile: every value a policy sets, each with its order and what it rests on.

Two profiles combine field by field by taking the stricter side. That makes them a
meet-semilattice: the order of combining makes no difference, and the result is never looser
than either side.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from django_hili.exceptions import HiliConfigurationError
from django_hili.profiles.order import Ground, Origin, Rule, combined_grounds, stricter

NOTHING: Final = dt.timedelta(0)


class ChangeKind(StrEnum):
    """What a new version of a policy changes. Which kinds need consent anew, a profile says.

    Clauses C06: AIART-8, PIXEL-8.5b, MIAO-10.2.
    """

    MANNER = "manner"
    """The purpose, the kind of data or the way it is used."""
    CONTROLLER = "controller"
    """Who is responsible."""
    RECIPIENTS = "recipients"
    """Who gets the data."""
    RIGHTS = "rights"
    """What people may demand, and how."""
    CONTACT = "contact"
    """Whom people turn to."""
    HIGH_RISK = "high_risk"
    """An assessment found a high risk."""
    OTHER = "other"
    """Anything else that weighs on people."""


CHANGE_KINDS: Final = frozenset(ChangeKind)


_SHORTER, _HIGHER, _SMALLER, _LARGER, _EITHER, _BOTH = ({"rule": rule} for rule in Rule)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a policy promises. `a & b` is the stricter of both, field by field."""

    name: str = field(compare=False)
    source_after_end: dt.timedelta = field(metadata=_SHORTER)
    """How long a source stays after its job has ended."""
    source_ceiling: dt.timedelta = field(metadata=_SHORTER)
    """The longest a source may exist, whether or not its job was ever taken up."""
    result_kept: dt.timedelta | None = field(metadata=_SHORTER)
    """From the end of a job until its result is deleted; None until somebody asks for it."""
    result_on_delivery: bool = field(metadata=_EITHER)
    """Whether a result goes as soon as it has been handed over."""
    longer_by_consent: bool = field(metadata=_BOTH)
    """Whether a person may have a result kept for longer."""
    landmarks_kept: dt.timedelta | None = field(metadata=_SHORTER)
    """How long points of a face may exist outside the call that finds them."""
    recognition: bool = field(metadata=_BOTH)
    """Whether people may be recognised. The app never does."""
    processors: frozenset[str] | None = field(metadata=_SMALLER)
    """Who may get a photo; None: anybody in the registry. Never without a consent of its own."""
    vendor_copy: dt.timedelta | None = field(metadata=_SHORTER)
    """How long a processor may keep its copy; None: as it says itself."""
    regions_in_china: frozenset[str] = field(metadata=_SMALLER)
    """Where data collected in mainland China may lie."""
    regions_elsewhere: frozenset[str] = field(metadata=_SMALLER)
    """Where all other data may lie; "home" stands for the site's own region."""
    guardian_below: int = field(metadata=_HIGHER)
    """Below this age every consent is a guardian's."""
    sensitive_below: int = field(metadata=_HIGHER)
    """Below this age a photo is never sent away."""
    answer_days: int | None = field(metadata=_SHORTER)
    """Calendar days until an answer, from the verification."""
    answer_working_days: int | None = field(metadata=_SHORTER)
    """Working days until an answer, from the verification; whichever is first counts."""
    answer_months: int | None = field(metadata=_SHORTER)
    """Months until an answer, from the receipt of the request."""
    cancel_within: dt.timedelta = field(metadata=_SHORTER)
    """The longest the end of an account may take."""
    withdraw_within: dt.timedelta = field(metadata=_SHORTER)
    """The longest a withdrawal may take to work."""
    minor_gone_within: dt.timedelta = field(metadata=_SHORTER)
    """The longest what an unapproved minor sent may stay."""
    reconsent: frozenset[ChangeKind] = field(metadata=_LARGER)
    """Changes after which nothing new is processed until the person has agreed again."""
    silence_is_consent: bool = field(metadata=_BOTH)
    """Whether the policy takes going on for agreeing. The app asks under every profile."""
    archive_versions: bool = field(metadata=_EITHER)
    """Whether old versions stay readable for ever."""
    key_lease: dt.timedelta = field(metadata=_SHORTER)
    """How long a key may be used before it has to be renewed: the bound on backups."""
    tell_people_at_once: bool = field(metadata=_EITHER)
    """Whether people are told of an incident without delay rather than promptly."""
    tell_authority_within: dt.timedelta = field(metadata=_SHORTER)
    tell_authority_in_china_within: dt.timedelta = field(metadata=_SHORTER)
    """For larger incidents in mainland China."""
    case_text_kept: dt.timedelta = field(metadata=_SHORTER)
    """From the closing of a case until its text is deleted."""
    receipts_kept: dt.timedelta = field(metadata=_HIGHER)
    """How long proof is kept at least."""
    job_kept: dt.timedelta = field(metadata=_SHORTER)
    """From the end of a job until its row is deleted."""
    grounds: Mapping[str, frozenset[Ground]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What each value rests on, by field."""

    def __and__(self, other: Profile) -> Profile:
        """Return the stricter of both, field by field."""
        values: dict[str, Any] = {}
        grounds: dict[str, frozenset[Ground]] = {}
        for name, rule in rules():
            one, two = getattr(self, name), getattr(other, name)
            values[name] = stricter(rule, one, two)
            grounds[name] = combined_grounds(
                rule,
                (one, self.grounds.get(name, frozenset())),
                (two, other.grounds.get(name, frozenset())),
            )
        names = dict.fromkeys(part for who in (self, other) for part in who.name.split(" & "))
        return Profile(name=" & ".join(names), grounds=grounds, **values)

    def __le__(self, other: Profile) -> bool:
        """Whether this profile is nowhere looser than `other`."""
        return (self & other) == self

    def clauses(self, name: str) -> tuple[str, ...]:
        """Return the clauses one value rests on."""
        return tuple(sorted({clause for g in self.grounds[name] for clause in g.clauses}))

    def explain(self) -> tuple[Explanation, ...]:
        """Return every value with what it rests on, in the order of the fields."""
        return tuple(
            Explanation(name, getattr(self, name), tuple(sorted(self.grounds.get(name, ()))))
            for name, _ in rules()
        )

    def as_parameters(self) -> dict[str, Any]:
        """Return the values as JSON holds them: times in seconds, sets as sorted lists."""
        return {name: _to_json(getattr(self, name)) for name, _ in rules()}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One value of a profile and why it is what it is."""

    field: str
    value: Any
    grounds: tuple[Ground, ...]


def rules() -> Iterator[tuple[str, Rule]]:
    """Yield every value's name and its rule."""
    for item in fields(Profile):
        if "rule" in item.metadata:
            yield item.name, item.metadata["rule"]


def from_parameters(
    name: str,
    parameters: Mapping[str, Any],
    *,
    grounds: Mapping[str, frozenset[Ground]] | None = None,
) -> Profile:
    """Return the profile whose values were written down as `parameters`.

    What a version of long ago did not know limits nothing: it takes the loosest value.
    """
    values = {
        key: _from_json(key, parameters[key]) if key in parameters else _loosest(key, rule)
        for key, rule in rules()
    }
    if grounds is None:
        grounds = {key: frozenset({Ground(name, Origin.STATED)}) for key in values}
    return Profile(name=name, grounds=grounds, **values)


def tighten(profile: Profile, values: Mapping[str, Any], *, where: str) -> Profile:
    """Return the profile with a site's own stricter values.

    Raises `HiliConfigurationError` for a looser one and names the clauses that forbid it.
    """
    known = dict(rules())
    grounds = dict(profile.grounds)
    checked: dict[str, Any] = {}
    for name, raw in values.items():
        place = f'{where}["{name.upper()}"]'
        value = _typed(name, raw, place)
        before = getattr(profile, name)
        if stricter(known[name], value, before) != value:
            clauses = ", ".join(profile.clauses(name))
            raise HiliConfigurationError(
                f"{place} is looser than the profile {profile.name!r} allows. Clauses: {clauses}."
            )
        checked[name] = value
        if value != before:
            grounds[name] = frozenset({Ground("", Origin.SITE, profile.clauses(name))})
    return replace(profile, grounds=grounds, **checked)


_DURATIONS: Final = frozenset(
    {"source_after_end", "source_ceiling", "result_kept", "landmarks_kept", "vendor_copy",
     "cancel_within", "withdraw_within", "minor_gone_within", "key_lease",
     "tell_authority_within", "tell_authority_in_china_within", "case_text_kept",
     "receipts_kept", "job_kept"}
)  # fmt: skip
_POSITIVE: Final = frozenset({"source_ceiling", "result_kept", "key_lease", "job_kept"})
_COUNTS: Final = frozenset(
    {"guardian_below", "sensitive_below", "answer_days", "answer_working_days", "answer_months"}
)
_SETS: Final = frozenset({"processors", "regions_in_china", "regions_elsewhere", "reconsent"})
_OPTIONAL: Final = frozenset(
    {"result_kept", "landmarks_kept", "vendor_copy", "processors", "answer_days",
     "answer_working_days", "answer_months"}
)  # fmt: skip


def _typed(name: str, value: Any, place: str) -> Any:
    if value is None and name in _OPTIONAL:
        return None
    if name in _DURATIONS:
        least = dt.timedelta(microseconds=1) if name in _POSITIVE else NOTHING
        if isinstance(value, dt.timedelta) and value >= least:
            return value
        raise HiliConfigurationError(f"{place} must be a positive timedelta.")
    if name in _COUNTS:
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        raise HiliConfigurationError(f"{place} must be a positive number.")
    if name in _SETS:
        return _typed_set(name, value, place)
    if isinstance(value, bool):
        return value
    raise HiliConfigurationError(f"{place} must be True or False.")


def _typed_set(name: str, value: Any, place: str) -> frozenset[Any]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise HiliConfigurationError(f"{place} must be a set of words.")
    if name != "reconsent":
        return frozenset(str(word) for word in value)
    try:
        return frozenset(ChangeKind(word) for word in value)
    except ValueError:
        known = ", ".join(ChangeKind)
        raise HiliConfigurationError(f"{place} may hold: {known}.") from None


def _to_json(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, frozenset):
        return sorted(str(word) for word in value)
    return value


def _from_json(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _DURATIONS:
        return dt.timedelta(seconds=value)
    if name == "reconsent":
        return frozenset(ChangeKind(word) for word in value)
    return frozenset(value) if name in _SETS else value


def _loosest(name: str, rule: Rule) -> Any:
    match rule:
        case Rule.SHORTER:
            return None if name in _OPTIONAL else dt.timedelta.max
        case Rule.HIGHER:
            return NOTHING if name in _DURATIONS else 0
        case Rule.SMALLER:
            return None
        case Rule.LARGER:
            return frozenset()
        case _:
            return rule is Rule.BOTH
