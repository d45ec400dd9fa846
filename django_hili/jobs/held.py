"""Settles held jobs: by a person's decision, or by the vendor's own count of credits.

Owns the arithmetic of reconciliation. It only decides where the numbers leave one answer:
credits expected = the last count − what the ledger knows to be paid since. None missing: no
doubtful send was charged, and all may go out again for free. As many missing as there are
doubts: all were charged. Anything between, or anything the ledger cannot explain: a person.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from enum import StrEnum

from django.db import router, transaction
from django.utils import timezone

from django_hili import queue
from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    PhotoJob,
    ProviderState,
    SendState,
)
from django_hili.models.disclosure import DisclosureQuerySet


class Finding(StrEnum):
    """What a count of credits says about the sends in doubt."""

    NOTHING_IN_DOUBT = "nothing_in_doubt"
    NONE_CHARGED = "none_charged"
    ALL_CHARGED = "all_charged"
    UNDECIDED = "undecided"
    SHARED_ACCOUNT = "shared_account"
    """Somebody else spends or buys credits: the count proves nothing about us."""


@dataclass(frozen=True, slots=True)
class Count:
    """What reconciliation goes by."""

    before: int
    """Credits at the last count."""
    now: int
    paid_since: int
    """Charges the ledger is sure of between the two counts."""
    in_doubt: int


def read_count(count: Count, *, is_exclusive: bool) -> Finding:
    """Say what follows from a count. A pure function."""
    missing = count.before - count.paid_since - count.now
    if missing < 0 or missing > count.in_doubt:
        return Finding.SHARED_ACCOUNT
    if not count.in_doubt:
        return Finding.NOTHING_IN_DOUBT
    if not is_exclusive:
        return Finding.UNDECIDED
    if missing == 0:
        return Finding.NONE_CHARGED
    return Finding.ALL_CHARGED if missing == count.in_doubt else Finding.UNDECIDED


def reconcile(*, provider: str, credits_left: int, is_exclusive: bool) -> Finding:
    """Settle what is in doubt by a fresh count, and remember the count.

    Call it only while nothing is on its way: a send between barrier and answer would be
    counted on one side and not on the other. Raises `WrongStateError` then.
    """
    now = timezone.now()
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        state = ProviderState.objects.select_for_update().get_or_create(alias=provider)[0]
        sends = Disclosure.objects.filter(provider=provider)
        if sends.filter(state=SendState.PASSED).exists():
            raise WrongStateError(Code.JOB_CHANGED)
        finding = Finding.NOTHING_IN_DOUBT
        if state.credits is not None and state.credits_at is not None:
            count = Count(
                before=state.credits,
                now=credits_left,
                paid_since=sends.charged().filter(answered_at__gt=state.credits_at).count(),
                in_doubt=_doubts(sends).count(),
            )
            finding = read_count(count, is_exclusive=is_exclusive and not state.is_shared)
            _settle(_doubts(sends), finding, now)
        elif _doubts(sends).exists():
            finding = Finding.UNDECIDED  # there is no count from before to reckon from
        if finding is not Finding.UNDECIDED:
            state.credits, state.credits_at = credits_left, now
        state.is_shared = state.is_shared or finding is Finding.SHARED_ACCOUNT
        state.save(update_fields=["credits", "credits_at", "is_shared"])
    return finding


def wants_a_count(*, provider: str) -> bool:
    """Whether a fresh count of credits would tell anything: there is none, or a doubt."""
    if _doubts(Disclosure.objects.filter(provider=provider)).exists():
        return True
    counted = ProviderState.objects.filter(alias=provider, credits__isnull=False)
    return not counted.exists()


def release(*, job_id: uuid.UUID) -> None:
    """Send a held job out again because a person said so, at the risk of a second charge."""
    database = router.db_for_write(PhotoJob)
    with transaction.atomic(using=database):
        moved = PhotoJob.objects.move(
            job_id, JobStatus.HELD, JobStatus.QUEUED, held_reason="", code="",
            due_at=timezone.now(), attempts=0,
        )  # fmt: skip
        if not moved:
            raise WrongStateError(Code.JOB_CHANGED)
        queue.wake(database)


def _doubts(sends: DisclosureQuerySet) -> DisclosureQuerySet:
    return sends.in_doubt().filter(charged=None)


def _settle(doubts: DisclosureQuerySet, finding: Finding, now: dt.datetime) -> None:
    if finding not in {Finding.NONE_CHARGED, Finding.ALL_CHARGED}:
        return
    settled = list(doubts.values_list("pk", "job_id"))
    charged = finding is Finding.ALL_CHARGED
    Disclosure.objects.filter(pk__in=[pk for pk, _ in settled]).update(
        state=SendState.RECONCILED, charged=charged, answered_at=now
    )
    if not charged:
        free = PhotoJob.objects.filter(
            pk__in=[job for _, job in settled],
            status=JobStatus.HELD,
            held_reason=HeldReason.SEND_UNKNOWN,
        )
        free.update(status=JobStatus.QUEUED, held_reason="", code="", due_at=now)
