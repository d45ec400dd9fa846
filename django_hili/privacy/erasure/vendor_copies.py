"""What became of the copies that vendors had. Owns the clock; takes nothing for granted.

A vendor says how long it keeps a copy; a quarter of an hour after that it is asked whether it is
gone, and the answer is written down: gone, still served, not known, or never promised at all.
With that the ledger row is final: its handle goes, a receipt stays.
Clauses C19: HILI-API-3, HILI-API-6, HILI-API-7, HILI-API-10, HILI-FR-3, AIART-5.2, PIXEL-6.2b.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import router, transaction
from django.db.models import Q, QuerySet

from django_hili.conf import get_settings
from django_hili.media import keys
from django_hili.models import Disclosure, JobStatus, PhotoJob, SendState, VendorCopy
from django_hili.models.job import ENDED
from django_hili.privacy.evidence.receipts import Event, append, hold_chain

MARGIN = dt.timedelta(minutes=15)
"""After the vendor's own deadline: clocks differ, and a clean-up takes its time."""
PAUSE = dt.timedelta(hours=1)
"""Between two questions, where the first got no answer."""
LONGEST_SEND = dt.timedelta(hours=1)
"""From the intention to an answer. What is older is no longer under way."""
MOST_PROBES = 3
GIVEN_UP = dt.timedelta(hours=24)
"""After the vendor's deadline, where nobody was there to ask."""
BATCH = 500
_NEVER_THERE = Q(state=SendState.REFUSED) | Q(state=SendState.RECONCILED, charged=False)


class Heard(StrEnum):
    """What a vendor answered when asked for a copy past its time."""

    GONE = "gone"
    SERVED = "served"
    NOTHING = "nothing"
    """No answer, or one that says nothing about the copy."""


@dataclass(frozen=True, slots=True)
class Due:
    """A copy to ask about."""

    send_id: uuid.UUID
    handle: str


def decide(*, heard: Heard, probes: int, is_promised: bool) -> VendorCopy | None:
    """Return what an answer settles, the `probes`-th one; None where it is to be asked again.

    `is_promised` says that the vendor's promise covers this photo: it does not where the vendor
    failed with it, and such a copy is never called gone without being asked for.
    """
    if heard is Heard.GONE:
        return VendorCopy.CONFIRMED
    if heard is Heard.SERVED:
        return VendorCopy.STILL_SERVED
    if probes < MOST_PROBES:
        return None
    return VendorCopy.UNVERIFIED if is_promised else VendorCopy.RETENTION_UNSTATED


def seal_handle(
    handle: str, *, send_id: uuid.UUID, due_at: dt.datetime | None, now: dt.datetime
) -> str:
    """Return a vendor's handle as the ledger keeps it: sealed, until its copy's end is known."""
    until = due_at + GIVEN_UP + PAUSE if due_at else now + get_settings().privacy.job_kept
    return keys.seal_words(handle, object_id=send_id, until=until, now=now)


def open_handle(sealed: str, *, send_id: uuid.UUID, now: dt.datetime) -> str:
    """Return a handle from the ledger; empty where it no longer opens."""
    try:
        return keys.open_words(sealed, object_id=send_id, now=now)
    except keys.KeyGoneError:
        return ""


def due_copies(*, provider: str, limit: int, now: dt.datetime) -> list[Due]:
    """Return copies of one provider that are past their time and have to be asked about."""
    rows = _to_be_asked(now).filter(provider=provider).order_by("vendor_due_at")
    found = (
        Due(pk, open_handle(handle, send_id=pk, now=now))
        for pk, handle in rows.values_list("pk", "handle")[:limit]
    )
    return [copy for copy in found if copy.handle]


def are_due(now: dt.datetime) -> bool:
    """Whether any provider has to be asked about a copy."""
    return _to_be_asked(now).exists()


def note_answers(
    *, heard: Mapping[uuid.UUID, Heard], now: dt.datetime
) -> dict[uuid.UUID, VendorCopy]:
    """Write down what a vendor answered; return what that settled."""
    settled: dict[uuid.UUID, VendorCopy] = {}
    for row in _pending().filter(pk__in=list(heard)):
        probes = row.probes + 1
        outcome = decide(heard=heard[row.pk], probes=probes, is_promised=_is_promised(row))
        if outcome is None:
            _pending().filter(pk=row.pk, probes=row.probes).update(probes=probes)
        else:
            settled[row.pk] = outcome
    for outcome in set(settled.values()):
        _settle([pk for pk, one in settled.items() if one == outcome], outcome, now)
    return settled


def settle_without_asking(now: dt.datetime) -> int:
    """Settle what no question can: never there, never promised, nobody to ask. Returns how many."""
    _close_abandoned(now)
    pending = Disclosure.objects.filter(outcome=VendorCopy.PENDING)
    unended = PhotoJob.objects.exclude(status__in=ENDED).values("pk")
    unpromised = Q(state__in=[SendState.ANSWERED, SendState.RECONCILED], vendor_due_at=None)
    forgotten = Q(vendor_due_at__lte=now - MARGIN - GIVEN_UP) | Q(
        state=SendState.UNKNOWN, intended_at__lte=now - GIVEN_UP
    )
    return (
        _settle_all(pending.filter(_NEVER_THERE), VendorCopy.NONE, now)
        + _settle_all(
            pending.filter(unpromised).exclude(_NEVER_THERE).exclude(job_id__in=unended),
            VendorCopy.RETENTION_UNSTATED,
            now,
        )
        + _settle_all(pending.filter(forgotten), VendorCopy.UNVERIFIED, now)
    )


def _close_abandoned(now: dt.datetime) -> None:
    """Close sends that nobody will: the worker died, and the job has gone another way since.

    A barrier that is still to be passed finds its row closed, and the photo does not leave.
    """
    old = Disclosure.objects.filter(outcome=VendorCopy.PENDING, intended_at__lte=now - LONGEST_SEND)
    intended = old.filter(state=SendState.INTENDED)
    intended.update(state=SendState.REFUSED, charged=False, answered_at=now)
    old.filter(state=SendState.PASSED).update(state=SendState.UNKNOWN)


def _settle_all(rows: QuerySet[Disclosure], outcome: VendorCopy, now: dt.datetime) -> int:
    settled = 0
    while page := list(rows.values_list("pk", flat=True)[:BATCH]):
        done = _settle(page, outcome, now)
        settled += done
        if not done or len(page) < BATCH:
            break
    return settled


def _settle(ids: Sequence[uuid.UUID], outcome: VendorCopy, now: dt.datetime) -> int:
    """Make rows final: what became of the copy, no handle any more, and a receipt each."""
    with transaction.atomic(using=router.db_for_write(Disclosure)):
        hold_chain()
        pending = Disclosure.objects.filter(pk__in=ids, outcome=VendorCopy.PENDING)
        columns = ("pk", "provider", "region", "state")
        found = list(pending.order_by("pk").values_list(*columns))
        pending.update(
            outcome=outcome,
            outcome_at=now,
            handle="",
            vendor_words="",
            expires_at=now + get_settings().privacy.effective.receipts_kept,
        )
        append([_receipt(*row, outcome=outcome) for row in found], now=now)
    return len(found)


def _receipt(
    pk: uuid.UUID, provider: str, region: str, state: str, *, outcome: VendorCopy
) -> Event:
    facts = {"processor": provider, "region": region, "state": state, "outcome": outcome.value}
    return Event("disclosed", pk, facts)


def _pending() -> QuerySet[Disclosure]:
    there = [SendState.ANSWERED, SendState.RECONCILED]
    rows = Disclosure.objects.filter(outcome=VendorCopy.PENDING, state__in=there)
    return rows.exclude(_NEVER_THERE)


def _to_be_asked(now: dt.datetime) -> QuerySet[Disclosure]:
    late = Q(pk=None)
    for probes in range(MOST_PROBES):
        late |= Q(probes=probes, vendor_due_at__lte=now - MARGIN - probes * PAUSE)
    return _pending().filter(late).exclude(handle="")


def _is_promised(row: Disclosure) -> bool:
    ended = PhotoJob.objects.filter(disclosures=row.pk).values_list("status", flat=True).first()
    return ended in {None, JobStatus.DONE}
