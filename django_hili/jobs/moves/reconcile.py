"""Settles doubtful sends by the vendor's own count of credits, and says when a count is due.

Owns the arithmetic of reconciliation. It only decides where the numbers leave one answer:
credits expected = the base, an earlier count, − what the ledger knows to be paid since. None
missing: no doubtful send was charged, and all may go out again for free. As many missing as there
are doubts: all were charged. Anything between, or anything the ledger cannot explain: a person.
One count is not enough: a vendor that was away may find a photo in its buffers when it is back,
and accept it after it has said how many credits are left. Two counts have to say the same.

Whatever two such counts have left undecided stays so: they are the new base, and doubts older than
the base are in no reckoning any more. Where credits were bought, what was charged meanwhile shows
no longer; where credits went that the ledger cannot explain, no count settles anything until staff
say otherwise. What is not seen: somebody who spends exactly what is in doubt, or buys exactly what
was charged, between two counts. That nobody else spends is the site's promise (`is_exclusive`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from django.db import router, transaction
from django.db.models import Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import HiliConfigurationError, InvalidOptionsError, WrongStateError
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    PhotoJob,
    ProviderState,
    SendState,
)
from django_hili.models.disclosure import DisclosureQuerySet
from django_hili.providers.registry import build_provider
from django_hili.providers.remote import Charging, RemoteProvider
from django_hili.signals import credits_low

COUNT_INTERVAL = dt.timedelta(minutes=10)
"""While photos are being charged, a count is at most this old."""
SETTLE_AFTER = dt.timedelta(minutes=2)
"""From a doubtful send to the first count that may settle it, and from that to the second."""


class Finding(StrEnum):
    """What a count of credits says about the sends in doubt."""

    NOTHING_IN_DOUBT = "nothing_in_doubt"
    NONE_CHARGED = "none_charged"
    ALL_CHARGED = "all_charged"
    UNDECIDED = "undecided"
    CREDITS_BOUGHT = "credits_bought"
    """More are left than there were: what was charged meanwhile can no longer be told."""
    SHARED_ACCOUNT = "shared_account"
    """Credits went that this site did not spend, by somebody else's hand or because a package has
    lapsed: the count proves nothing about us."""


_SETTLES = (Finding.NONE_CHARGED, Finding.ALL_CHARGED)
_LEFT_AT = Coalesce("passed_at", "intended_at")


@dataclass(frozen=True, slots=True)
class Count:
    """What reconciliation goes by."""

    before: int
    """Credits at the count that is reckoned from."""
    now: int
    paid_since: int
    """Charges the ledger is sure of between the two counts."""
    in_doubt: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a vendor said, and when it was written down."""

    credits: int
    at: dt.datetime


def read_count(count: Count, *, is_exclusive: bool) -> Finding:
    """Say what follows from a count. A pure function."""
    missing = count.before - count.paid_since - count.now
    if missing < 0:
        return Finding.CREDITS_BOUGHT
    if missing > count.in_doubt:
        return Finding.SHARED_ACCOUNT
    if not count.in_doubt:
        return Finding.NOTHING_IN_DOUBT
    if not is_exclusive:
        return Finding.UNDECIDED
    if missing == 0:
        return Finding.NONE_CHARGED
    return Finding.ALL_CHARGED if missing == count.in_doubt else Finding.UNDECIDED


def reconcile(
    *, provider: str, credits_left: int, is_exclusive: bool, asked_at: dt.datetime | None = None
) -> Finding:
    """Note a fresh count, and settle what is in doubt if the count before it said the same.

    It settles nothing while a send is between barrier and answer, or was answered after the
    question left (`asked_at`): that send would be counted on one side and not on the other.
    Raises `WrongStateError` then; the count has been noted all the same.
    """
    now = timezone.now()
    account = _account(provider)
    earlier = _last_reading(provider)
    fresh = Reading(credits_left, now)
    note_count(provider=provider, credits_left=credits_left, now=now)
    with transaction.atomic(using=_database()):
        state = ProviderState.objects.select_for_update().get(alias=provider)
        sends = Disclosure.objects.filter(provider=provider)
        if _are_moving(sends, asked_at):
            raise WrongStateError(Code.JOB_CHANGED)
        # Where results are charged, a send is never in doubt, and the ledger reckons no charge.
        if account is not None and account.charging is not Charging.UPLOAD:
            _reckon_from(state, fresh)
            return Finding.NOTHING_IN_DOUBT
        return _take_in(state, sends, earlier, fresh, is_exclusive=is_exclusive)


def trust_count(*, provider: str) -> bool:
    """Let counts settle doubts again, because a person knows where the credits went.

    What is in doubt now is left to people: nobody knows what it was reckoned from. Returns whether
    anything had to be changed.
    """
    shared = ProviderState.objects.filter(alias=provider, is_shared=True)
    return bool(shared.update(is_shared=False, base_credits=None, base_at=None))


def note_count(*, provider: str, credits_left: int, now: dt.datetime) -> None:
    """Remember how many credits are left, and tell the site when they have become few."""
    mark = low_credits_of(provider)
    is_low = mark is not None and credits_left <= mark
    with transaction.atomic(using=_database()):
        ProviderState.objects.get_or_create(alias=provider)
        rows = ProviderState.objects.filter(alias=provider)
        rows.update(credits=credits_left, credits_at=now)
        has_crossed = rows.filter(is_low=not is_low).update(is_low=is_low)
        if has_crossed and is_low:
            transaction.on_commit(
                lambda: credits_low.send_robust(
                    sender=ProviderState, provider=provider, credits=credits_left
                ),
                using=_database(),
                robust=True,
            )


def low_credits_of(provider: str) -> int | None:
    """Return the low-water mark of a provider, or None where it has none."""
    account = _account(provider)
    return account.low_credits if account else None


def wants_a_count(*, provider: str) -> bool:
    """Whether a fresh count would tell anything: there is none, a doubt, or it is out of date.

    Before photos leave it is soon out of date: the newer the base, the less can hide behind it.
    """
    sends = Disclosure.objects.filter(provider=provider)
    state = ProviderState.objects.filter(alias=provider, credits__isnull=False).first()
    if state is None or state.credits_at is None:
        return True
    now = timezone.now()
    newest = _newest(_doubts(state, sends))
    if newest is not None:
        return now >= max(newest, state.credits_at) + SETTLE_AFTER
    age = now - state.credits_at
    if age < min(SETTLE_AFTER, COUNT_INTERVAL):
        return False
    if PhotoJob.objects.filter(provider=provider, status=JobStatus.QUEUED).exists():
        return True
    since = sends.filter(intended_at__gt=state.credits_at, state=SendState.ANSWERED)
    return age >= COUNT_INTERVAL and since.exists()


def is_news(*, provider: str, credits_left: int) -> bool:
    """Whether a number that was told in passing says more than the last count.

    The same again would only put off the count that is due.
    """
    earlier = _last_reading(provider)
    return earlier is None or earlier.credits != credits_left or wants_a_count(provider=provider)


def _take_in(
    state: ProviderState, sends: DisclosureQuerySet, earlier: Reading | None, fresh: Reading, *,
    is_exclusive: bool,
) -> Finding:  # fmt: skip
    """Settle what two counts settle, and say from which one is reckoned from now on."""
    doubts = _doubts(state, sends)
    is_telling = is_exclusive and not state.is_shared
    change = None if earlier is None else _change(sends, earlier, fresh)
    finding = _find(state, sends, fresh, is_exclusive=is_telling)
    if doubts.exists() and change is not None and change > 0:
        finding = Finding.CREDITS_BOUGHT
    state.is_shared = state.is_shared or finding is Finding.SHARED_ACCOUNT
    if not is_telling or not doubts.exists() or _is_steady(doubts, earlier, fresh, change):
        _settle(doubts, finding, fresh.at)
        _reckon_from(state, fresh)
        return finding
    # What is in doubt may still be charged, so the count of today is no base.
    _reckon_from(state, None if finding is Finding.CREDITS_BOUGHT else _base(state))
    return Finding.UNDECIDED if finding in _SETTLES else finding


def _find(
    state: ProviderState, sends: DisclosureQuerySet, fresh: Reading, *, is_exclusive: bool
) -> Finding:
    doubts, base = _doubts(state, sends).count(), _base(state)
    if base is None:
        # There is no count from before to reckon from.
        return Finding.UNDECIDED if doubts else Finding.NOTHING_IN_DOUBT
    count = Count(base.credits, fresh.credits, _paid_between(sends, base, fresh), doubts)
    return read_count(count, is_exclusive=is_exclusive)


def _paid_between(sends: DisclosureQuerySet, earlier: Reading, later: Reading) -> int:
    """Count the charges that the ledger is sure of, and that the earlier count did not hold yet.

    An answer to what was in doubt at the time of that count may be to a charge before it.
    """
    paid = sends.charged().annotate(left_at=_LEFT_AT)
    return paid.filter(
        left_at__gt=earlier.at, answered_at__gt=earlier.at, answered_at__lte=later.at
    ).count()


def _change(sends: DisclosureQuerySet, earlier: Reading, later: Reading) -> int | None:
    """By how much the credits rose that the ledger does not explain; None where nobody can tell."""
    if sends.charged().filter(passed_at__lte=earlier.at, answered_at__gt=earlier.at).exists():
        return None  # it was on its way at the time: counted, or not
    return later.credits - earlier.credits + _paid_between(sends, earlier, later)


def _is_steady(
    doubts: DisclosureQuerySet, earlier: Reading | None, fresh: Reading, change: int | None
) -> bool:
    """Whether the count before this one said the same, long enough after the doubts and ago."""
    newest = _newest(doubts)
    if earlier is None or change != 0 or newest is None:
        return False
    return earlier.at >= newest + SETTLE_AFTER and fresh.at >= earlier.at + SETTLE_AFTER


def _base(state: ProviderState) -> Reading | None:
    if state.base_credits is None or state.base_at is None:
        return None
    return Reading(state.base_credits, state.base_at)


def _reckon_from(state: ProviderState, base: Reading | None) -> None:
    state.base_credits, state.base_at = (base.credits, base.at) if base else (None, None)
    state.save(update_fields=["base_credits", "base_at", "is_shared"])


def _last_reading(provider: str) -> Reading | None:
    state = ProviderState.objects.filter(alias=provider).first()
    if state is None or state.credits is None or state.credits_at is None:
        return None
    return Reading(state.credits, state.credits_at)


def _newest(doubts: DisclosureQuerySet) -> dt.datetime | None:
    """The moment from which on nothing more was sent that is in doubt now."""
    found = doubts.aggregate(at=Max(_LEFT_AT))["at"]
    return found if isinstance(found, dt.datetime) else None


def _are_moving(sends: DisclosureQuerySet, asked_at: dt.datetime | None) -> bool:
    moving = Q(state=SendState.PASSED)
    if asked_at is not None:
        moving |= Q(answered_at__gte=asked_at)
    return sends.filter(moving).exists()


def _account(provider: str) -> RemoteProvider | None:
    """Return the provider for its options alone; None where it is no remote one, or gone."""
    try:
        account = build_provider(provider)
    except (HiliConfigurationError, InvalidOptionsError):
        return None
    return account if isinstance(account, RemoteProvider) else None


def _database() -> str:
    return router.db_for_write(PhotoJob)


def _doubts(state: ProviderState, sends: DisclosureQuerySet) -> DisclosureQuerySet:
    """Doubts that a count may settle: what was in doubt at the time of the base never will be."""
    doubts = sends.in_doubt().filter(charged=None)
    if state.base_at is None:
        return doubts
    return doubts.annotate(left_at=_LEFT_AT).filter(left_at__gt=state.base_at)


def _settle(doubts: DisclosureQuerySet, finding: Finding, now: dt.datetime) -> None:
    if finding not in _SETTLES:
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
