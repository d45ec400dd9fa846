"""Own the rules that switch faults on, and which of them befall a request; must not know answers.

A rule names an endpoint, how many requests it befalls (all, or the next N), how many it lets pass
first, and a chance. ``draw`` claims every rule that matches by one conditional UPDATE each, so a
rule for *one* request hits one request, however many arrive at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.db.models import F

from django_hili.sandbox import contract, state
from django_hili.sandbox.faults import ANY, CHOICES, KINDS, NUMS, Kind
from django_hili.sandbox.models import FaultRule

Plan = Mapping[str, Mapping[str, Any]]
"""What befalls one request: the kinds by name, each with its figures."""

NO_FAULTS: Final[Plan] = MappingProxyType({})


class _Dice:
    """Chances, drawn from a seeded row of numbers, begun anew for each rule."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_rule: dict[tuple[int, int], random.Random] = {}

    def falls(self, rule: FaultRule, *, seed: int) -> bool:
        with self._lock:
            key = (rule.pk, seed)
            if key not in self._of_rule:
                row = f"{seed}/{rule.kind}/{rule.endpoint}"
                self._of_rule[key] = random.Random(row)  # noqa: S311 - a repeatable draw is the point
            dice = self._of_rule[key]
            return dice.random() < rule.chance


_dice = _Dice()


class _Buckets:
    """What is left of each rate limit: a bucket that fills evenly and holds a short burst."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_rule: dict[int, tuple[float, float]] = {}

    def is_empty(self, rule: FaultRule) -> bool:
        """Take one request out of a rule's bucket; tell whether there was none left."""
        per_second, burst = float(rule.params["per_second"]), float(rule.params["burst"])
        now = time.monotonic()
        with self._lock:
            left, then = self._of_rule.get(rule.pk, (burst, now))
            left = min(burst, left + (now - then) * per_second)
            is_empty = left < 1
            self._of_rule[rule.pk] = (left if is_empty else left - 1, now)
        return is_empty


_buckets = _Buckets()


def add(
    *,
    kind: str,
    endpoint: str = ANY,
    times: int | None = None,
    skip: int = 0,
    chance: float = 1.0,
    third_code: str = "",
    params: Mapping[str, Any] | None = None,
) -> FaultRule:
    """Switch a fault on; a ValueError says what does not fit."""
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind[:40]!r}")
    known = KINDS[kind]
    if endpoint != ANY and endpoint not in known.endpoints:
        raise ValueError(f"{kind} applies to {', '.join(known.endpoints)} or any")
    if third_code and known.is_early:
        raise ValueError(f"{kind} comes before the caller is known; leave third_code out")
    if times is not None and times < 1:
        raise ValueError("times is at least 1, or left out for every request")
    if skip < 0 or not 0 < chance <= 1:
        raise ValueError("skip is not negative, and chance is above 0 and at most 1")
    rule = FaultRule.objects.create(
        kind=kind,
        endpoint=endpoint,
        third_code=third_code,
        params=_figures(known, params or {}),
        skip=skip,
        remaining=times,
        chance=chance,
    )
    state.forget()
    return rule


def _figures(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the defaults in, and hold what was given against their types."""
    figures = dict(kind.params)
    for name, value in given.items():
        if name not in figures:
            raise ValueError(f"{kind.name} takes {', '.join(figures) or 'no figures'}")
        default = figures[name]
        if isinstance(default, float) and type(value) is int:
            value = float(value)  # noqa: PLW2901 - the widened value is the one to keep
        if type(value) is not type(default):
            raise ValueError(f"{name} is a {type(default).__name__}")
        allowed = CHOICES.get((kind.name, name))
        if allowed and value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}")
        figures[name] = value
    return figures


def remove(rule_id: int | None = None) -> int:
    """Switch one fault off, or all of them; return how many there were."""
    rules = FaultRule.objects.all() if rule_id is None else FaultRule.objects.filter(pk=rule_id)
    count, _ = rules.delete()
    state.forget()
    return count


def draw(
    snapshot: state.Snapshot, *, endpoint: str, third_code: str, is_early: bool = False
) -> Plan:
    """Decide what befalls this request, and count it against the rules.

    The early faults are drawn before the body is read, the others once the sender is known.
    """
    if not snapshot.faults:
        return NO_FAULTS
    plan: dict[str, Mapping[str, Any]] = {}
    for rule in snapshot.faults:
        kind = KINDS[rule.kind]
        if rule.endpoint not in (endpoint, ANY) or endpoint not in kind.endpoints:
            continue
        if kind.is_early is not is_early:
            continue
        if rule.third_code and rule.third_code != third_code:
            continue
        # Rules of one kind queue up behind one another, so that a sequence can be laid out.
        if rule.kind in plan:
            continue
        if _befalls(rule, seed=snapshot.behaviour.seed):
            plan[rule.kind] = rule.params
    return plan


def _befalls(rule: FaultRule, *, seed: int) -> bool:
    """Claim one hit of a rule: pass while it skips, roll its chance, take one of its times."""
    with state.writing():
        rows = FaultRule.objects.filter(pk=rule.pk)
        if rule.skip and rows.filter(skip__gt=0).update(skip=F("skip") - 1):
            return False
        if rule.chance < 1 and not _dice.falls(rule, seed=seed):
            return False
        if rule.kind == "rate_limit" and not _buckets.is_empty(rule):
            return False
        if rule.remaining is None:
            return bool(rows.update(hits=F("hits") + 1))
        taken = rows.filter(remaining__gt=0).update(
            remaining=F("remaining") - 1, hits=F("hits") + 1
        )
        if not taken or rule.remaining == 1:
            state.forget()
    return bool(taken)


def is_before(plan: Plan) -> bool:
    """Tell whether the request is to be turned away without having been carried out."""
    return any(
        kind in plan and not plan[kind].get("accepted", False)
        for kind in ("http_error", "rate_limited", "rate_limit", "lost_answer", "html", "errno")
    )


def refusal(plan: Plan, *, endpoint: str) -> contract.RefusalError | None:
    """Return the vendor-style refusal that a plan asks for, if it asks for one."""
    if "errno" in plan:
        return contract.RefusalError(plan["errno"]["errno"], plan["errno"]["msg"])
    if "no_credits" in plan and endpoint != NUMS:
        return contract.RefusalError(contract.NO_CREDITS)
    return None
