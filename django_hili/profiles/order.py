"""Which of two values is the stricter, and what a value rests on. Knows no profile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Rule(StrEnum):
    """Which side of a value is the stricter one."""

    SHORTER = "shorter"
    """Times that end something; None is no limit."""
    HIGHER = "higher"
    """Ages, and how long proof is kept."""
    SMALLER = "smaller"
    """Sets of what is allowed; None allows anything."""
    LARGER = "larger"
    """Sets of what triggers something."""
    EITHER = "either"
    """Duties: one side's is enough."""
    BOTH = "both"
    """Licences: it takes both sides'."""


class Origin(StrEnum):
    """Where a value comes from."""

    STATED = "stated"
    """The policy says so."""
    READING = "reading"
    """Our reading of words such as "necessary" or "shortest"."""
    LAW = "law"
    """A statute says so."""
    DESIGN = "design"
    """Our own choice, where the policy leaves it open."""
    UNSTATED = "unstated"
    """The policy says nothing, so it limits nothing."""
    SITE = "site"
    """The site's own settings tightened it."""


@dataclass(frozen=True, slots=True, order=True)
class Ground:
    """What one value rests on."""

    profile: str
    origin: Origin
    clauses: tuple[str, ...] = ()


def stricter(rule: Rule, one: Any, other: Any) -> Any:
    """Return the stricter of two values; for sets, what both allow or either triggers."""
    if rule is Rule.SHORTER:
        return min((value for value in (one, other) if value is not None), default=None)
    if rule is Rule.HIGHER:
        return max(one, other)
    if None in {one, other}:  # only what is allowed may be unlimited
        return other if one is None else one
    return one & other if rule in {Rule.SMALLER, Rule.BOTH} else one | other


def combined_grounds(
    rule: Rule,
    one: tuple[Any, frozenset[Ground]],
    other: tuple[Any, frozenset[Ground]],
) -> frozenset[Ground]:
    """Return what the stricter of two values rests on.

    A single value rests on whoever demands it. A set is made by everybody who limits it, so
    that the order in which profiles are combined makes no difference.
    """
    (value, grounds), (second, more) = one, other
    is_set = rule in {Rule.SMALLER, Rule.LARGER}
    if value == second or (is_set and value is not None and second is not None):
        return grounds | more
    return grounds if stricter(rule, value, second) == value else more
