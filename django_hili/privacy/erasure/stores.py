"""Stores of the host's that hold copies: thumbnails, a history table, an archive of its own.

A site registers each by a name and two functions; from then on every erasure reaches it too. What
it was asked is a row that stays, and is tried again, until the store itself finds nothing left.

    register("thumbnails", erase=delete_thumbnails, find=thumbnails_of)

Clauses C22: HILI-4.2. C09: AIART-4.2.2.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from django.db import router, transaction
from django.db.models import Count

from django_hili.exceptions import log_name
from django_hili.models import EraseCause, Erasure, PhotoJob
from django_hili.privacy.evidence.receipts import Event, append, hold_chain

logger = logging.getLogger(__name__)

_FIRST_PAUSE = dt.timedelta(minutes=1)
_LONGEST_PAUSE = dt.timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose copies, or which photo's. Fields that do not apply are None or empty."""

    subject_ref: uuid.UUID | None = None
    user_key: str = ""
    """The primary key of the site's user, as text."""
    job_id: uuid.UUID | None = None
    target_model: str = ""
    """The site's model the photo came from: app_label.modelname."""
    target_pk: str = ""


Erase = Callable[[Scope], object]
"""Deletes every copy in the scope; may be called again for what is gone already."""
Find = Callable[[Scope], Iterable[object]]
"""Looks for copies in the scope; what it returns is counted, not read."""


@dataclass(frozen=True, slots=True)
class Store:
    """One place of the host's that may hold copies."""

    name: str
    erase: Erase
    find: Find


_stores: dict[str, Store] = {}


def register(name: str, *, erase: Erase, find: Find) -> None:
    """Have erasures reach a store. The same name twice replaces the first."""
    _stores[name] = Store(name, erase, find)


def unregister(name: str) -> None:
    """Take a store out again; what is still to be erased there waits, or is given up."""
    _stores.pop(name, None)


def registered() -> tuple[Store, ...]:
    """Return every store, in the order they were registered."""
    return tuple(_stores.values())


def waiting_for_nobody() -> dict[str, int]:
    """Return how many erasures wait for each store that is not registered any more."""
    left = Erasure.objects.exclude(store__in=list(_stores)).order_by("store")
    counts = left.values_list("store").annotate(number=Count("pk"))
    return dict(counts)


def give_up(name: str) -> int:
    """Let go of what a store that exists no more had to erase. Returns how many erasures.

    Only a person can know that it is gone with all it held; each erasure leaves a receipt that
    says so, and what the row said of a person goes with it. Raises `ValueError` for a store that
    is registered: that one is asked.
    """
    if name in _stores:
        raise ValueError("This store is registered, so it is asked to erase.")
    with transaction.atomic(using=router.db_for_write(Erasure)):
        hold_chain()
        rows = list(Erasure.objects.filter(store=name).order_by("decided_at", "pk"))
        Erasure.objects.filter(pk__in=[row.pk for row in rows]).delete()
        if rows:
            facts = [{"store": row.store, "cause": row.cause} for row in rows]
            append(
                [
                    Event("store_given_up", row.pk, fact)
                    for row, fact in zip(rows, facts, strict=True)
                ]
            )
    return len(rows)


def decide(scope: Scope, *, cause: EraseCause, now: dt.datetime) -> int:
    """Write down, in the caller's transaction, that every store has to erase. Returns how many."""
    rows = [
        Erasure(
            store=store.name,
            cause=cause,
            subject_ref=scope.subject_ref,
            user_key=scope.user_key,
            job_ref=scope.job_id,
            target_model=scope.target_model,
            target_pk=scope.target_pk,
            decided_at=now,
            due_at=now,
        )
        for store in registered()
    ]
    Erasure.objects.bulk_create(rows)
    return len(rows)


def decide_for_jobs(
    job_ids: Collection[uuid.UUID], *, cause: EraseCause, now: dt.datetime
) -> int:  # fmt: skip
    """Write down that every store has to erase what it made of these jobs' photos."""
    if not _stores:
        return 0
    columns = ("subject_ref", "pk", "target_model", "target_pk")
    rows = PhotoJob.objects.filter(pk__in=list(job_ids)).values_list(*columns)
    return sum(
        decide(
            Scope(subject_ref=ref, job_id=pk, target_model=model, target_pk=target),
            cause=cause,
            now=now,
        )
        for ref, pk, model, target in rows
    )


def erase_elsewhere(now: dt.datetime) -> tuple[int, int]:
    """Have the stores erase what is due; return how many did, and how many are still to do."""
    done = left = 0
    for row in Erasure.objects.due(now).iterator(chunk_size=200):
        if _is_empty_after(row):
            done += _finish(row)
        else:
            left += 1
            pause = min(_FIRST_PAUSE * 2 ** min(row.tries, 20), _LONGEST_PAUSE)
            rows = Erasure.objects.filter(pk=row.pk, tries=row.tries)
            rows.update(tries=row.tries + 1, due_at=now + pause)
    return done, left


def _is_empty_after(row: Erasure) -> bool:
    """Ask a store to erase, then to look; its own failure is a no."""
    store = _stores.get(row.store)
    if store is None:
        logger.warning("A store that has to erase is not registered any more: %s.", row.store)
        return False
    scope = Scope(row.subject_ref, row.user_key, row.job_ref, row.target_model, row.target_pk)
    try:
        store.erase(scope)
        return not any(True for _ in store.find(scope))
    except Exception as error:  # noqa: BLE001 - the site's code; tried again
        logger.warning("The store %s could not erase: %s.", row.store, log_name(error))
        return False


def _finish(row: Erasure) -> int:
    with transaction.atomic(using=router.db_for_write(Erasure)):
        hold_chain()
        if not Erasure.objects.filter(pk=row.pk).delete()[0]:
            return 0
        append([Event("store_erased", row.pk, {"store": row.store, "cause": row.cause})])
    return 1
