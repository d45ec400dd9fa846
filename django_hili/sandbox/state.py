"""Own what a request must know before it is served: behaviour, faults, partners, the calendar.

Must not know HTTP. A standalone sandbox is the only process of its database, so it keeps the
snapshot in memory and drops it on every change; a mounted one reads it anew for each request.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import connections, router, transaction

from django_hili.sandbox.behaviour import Behaviour
from django_hili.sandbox.models import CreditPackage, FaultRule, Partner, StoredBehaviour

_SINGLE = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides how a request is answered, as of one moment."""

    behaviour: Behaviour
    faults: tuple[FaultRule, ...]
    partners: Mapping[str, Partner]

    def now(self) -> float:
        """Return the sandbox's calendar in Unix seconds: real time plus the travelled part."""
        return time.time() + self.behaviour.travel_seconds


class _Memory:
    """The snapshot between requests, where this process is the only one."""

    def __init__(self) -> None:
        self.is_kept = False
        self.snapshot: Snapshot | None = None
        self.generation = 0
        self.writing = threading.RLock()


_memory = _Memory()


def keep_in_memory() -> None:
    """Trust this process to be the only one; the standalone server calls it once."""
    _memory.is_kept = True


def forget() -> None:
    """Drop the remembered snapshot because a row behind it changed."""
    _memory.generation += 1
    _memory.snapshot = None


def snapshot() -> Snapshot:
    """Return the current snapshot, from memory where that is allowed."""
    if _memory.snapshot is not None:
        return _memory.snapshot
    generation = _memory.generation
    fresh = _read()
    # A change that came in while the rows were read must not be covered by what was read before.
    if _memory.is_kept and generation == _memory.generation:
        _memory.snapshot = fresh
    return fresh


def _read() -> Snapshot:
    stored = StoredBehaviour.objects.filter(pk=_SINGLE).values_list("values", flat=True).first()
    partners = {partner.third_code: partner for partner in Partner.objects.all()}
    if not partners:
        partners = _first_partner()
    return Snapshot(
        behaviour=baseline().changed(stored or {}),
        faults=tuple(FaultRule.objects.exclude(remaining=0)),
        partners=MappingProxyType(partners),
    )


def baseline() -> Behaviour:
    """Return the behaviour that the settings ask for, before anybody turned a knob."""
    return Behaviour().changed(getattr(settings, "HILI_SANDBOX", {}).get("BEHAVIOUR", {}))


def _first_partner() -> dict[str, Partner]:
    """Open the account that ``HILI_SANDBOX`` names, so that a mounted sandbox needs no set-up."""
    wanted: Mapping[str, Any] = getattr(settings, "HILI_SANDBOX", {})
    if not wanted.get("THIRD_CODE"):
        return {}
    partner = add_partner(
        third_code=wanted["THIRD_CODE"],
        secret_key=wanted["SECRET_KEY"],
        credit_count=wanted.get("CREDITS", 100),
        charging=wanted.get("CHARGING", Partner.Charging.UPLOAD),
    )
    return {partner.third_code: partner}


@contextmanager
def writing() -> Iterator[None]:
    """Hold a transaction; on SQLite also a lock, since its own waiting sleeps in long steps."""
    alias = router.db_for_write(Partner)
    if connections[alias].vendor == "sqlite":
        with _memory.writing, transaction.atomic(using=alias):
            yield
    else:
        with transaction.atomic(using=alias):
            yield


def change_behaviour(values: Mapping[str, Any]) -> Behaviour:
    """Change some settings and keep the others; a ValueError names what is wrong."""
    changed = snapshot().behaviour.changed(values)
    with writing():
        # Only what was turned is stored, so that a restart with other options heeds them.
        row, _ = StoredBehaviour.objects.select_for_update().get_or_create(pk=_SINGLE)
        row.values = {**row.values, **{name: getattr(changed, name) for name in values}}
        row.save(update_fields=["values"])
    forget()
    return changed


def add_partner(
    *,
    third_code: str,
    secret_key: str,
    credit_count: int = 0,
    charging: str = Partner.Charging.UPLOAD,
) -> Partner:
    """Open an account, or give an old one a new secret and charging mode; add the credits."""
    if charging not in Partner.Charging.values:
        raise ValueError(f"charging is one of {', '.join(Partner.Charging.values)}")
    with writing():
        partner, _ = Partner.objects.update_or_create(
            third_code=third_code, defaults={"secret_key": secret_key, "charging": charging}
        )
    forget()
    if credit_count:
        add_package(partner=partner, credit_count=credit_count, days=Behaviour().package_days)
    return partner


def add_package(*, partner: Partner, credit_count: int, days: float | None = None) -> CreditPackage:
    """Sell a package; it lapses after a year unless told otherwise."""
    if credit_count < 1:
        raise ValueError("a package holds at least one credit")
    if days is None:
        days = snapshot().behaviour.package_days
    travelled = StoredBehaviour.objects.filter(pk=_SINGLE).values_list("values", flat=True).first()
    now = time.time() + float((travelled or {}).get("travel_seconds", 0.0))
    with writing():
        return CreditPackage.objects.create(
            partner=partner,
            size=credit_count,
            unspent=credit_count,
            bought_at=now,
            expires_at=now + days * 86400,
        )
