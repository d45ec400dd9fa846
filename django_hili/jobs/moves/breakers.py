"""Holds sends back while a provider cannot take them, for all workers at once.

Owns the rows that say why and until when, and how many photos may leave for a provider at a time,
whoever sends them. Jobs wait meanwhile; they do not fail in a storm. A wait is never cut short by
what another call was answered: only time ends it, or staff.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction
from django.db.models import F, Q
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.models import Breaker, PhotoJob, ProviderState
from django_hili.models.job import ACTIVE
from django_hili.models.provider_state import SEND_SLOTS
from django_hili.signals import provider_held_back

logger = logging.getLogger(__name__)

OPENS = {
    Code.PROVIDER_NO_CREDITS: Breaker.NO_CREDITS,
    Code.PROVIDER_BAD_CREDENTIALS: Breaker.BAD_CREDENTIALS,
    Code.PROVIDER_DOWN: Breaker.DOWN,
    Code.PROVIDER_BUSY: Breaker.DOWN,
    Code.PROVIDER_ANSWER_UNREADABLE: Breaker.DOWN,
}
"""Which errors say something about the provider and not about the photo."""

_FIRST_PAUSE = {Breaker.NO_CREDITS: 60.0, Breaker.BAD_CREDENTIALS: 60.0, Breaker.DOWN: 1.0}
_LONGEST_PAUSE = 60.0
_FRESH = dt.timedelta(seconds=2)
_TURN = 60
"""Seconds after which workers for whom no slot was left get one in the place of others."""


def state_of(alias: str) -> ProviderState:
    """Return the provider's row, making it at first sight."""
    return ProviderState.objects.get_or_create(alias=alias)[0]


@dataclass(slots=True)
class Gate:
    """One worker's view of a provider's row, read again once it is two seconds old."""

    alias: str
    worker: str = ""
    """The name under which its jobs are leased."""
    slots: int = SEND_SLOTS
    """How many photos all workers together may be sending."""
    share: int = SEND_SLOTS
    """How many of them are this worker's."""
    _state: ProviderState | None = None
    _read_at: dt.datetime | None = None
    _shut_until: dt.datetime | None = None

    def is_open(self, now: dt.datetime) -> bool:
        """Whether photos may be sent now. Closes a breaker whose time is over once one may."""
        return self._read(now).may_be_asked(now) and self.shut_until(now) is None

    def is_there(self, now: dt.datetime) -> bool:
        """Whether no breaker is open, paused or not."""
        return not self._read(now).is_held_back(now) and self.shut_until(now) is None

    def _read(self, now: dt.datetime) -> ProviderState:
        if self._state is None or self._read_at is None or now - self._read_at >= _FRESH:
            known = ProviderState.objects.filter(alias=self.alias).first()
            # No row yet: nothing is known against it. A look writes none.
            self._state, self._read_at = known or ProviderState(alias=self.alias), now
            self._wait(self._state.ask_again_at)
            self.slots = self._state.slots
            workers = {self.worker, *senders(self.alias, now)}
            self.share = share_of(self.worker, workers, slots=self.slots, now=now)
        return self._state

    @property
    def is_quiet(self) -> bool:
        """Whether the row, as far as this worker knows, says nothing against the provider."""
        return self._state is not None and not self._state.breaker and not self._state.failures

    def shut_until(self, now: dt.datetime) -> dt.datetime | None:
        """Return when the provider is asked again, None if it may be now. Asks no row."""
        until = self._shut_until
        return until if until is not None and until > now else None

    def forget(self, until: dt.datetime | None = None) -> None:
        """Read the row anew at the next question: it has just been changed, to wait `until`."""
        self._state = None
        self._wait(until)

    def _wait(self, until: dt.datetime | None) -> None:
        """Wait so long, unless it is known already that the wait is longer."""
        if until is not None and (self._shut_until is None or self._shut_until < until):
            self._shut_until = until


def senders(alias: str, now: dt.datetime) -> set[str]:
    """Return the names of the live workers that have jobs of a provider in hand."""
    rows = PhotoJob.objects.filter(provider=alias, status__in=ACTIVE, lease_until__gt=now)
    return set(rows.order_by().values_list("lease_owner", flat=True).distinct()) - {""}


def share_of(worker: str, workers: Collection[str], *, slots: int, now: dt.datetime) -> int:
    """Return how many of an account's slots are one worker's. A pure function.

    All shares together are as many as there are slots. Where there are more workers than slots,
    they take turns.
    """
    turn = int(now.timestamp() // _TURN)
    order = sorted(workers, key=lambda name: (zlib.crc32(f"{turn} {name}".encode()), name))
    each, left = divmod(slots, len(order))
    return each + (order.index(worker) < left)


def note_failure(alias: str, error: ProviderError, now: dt.datetime) -> dt.datetime | None:
    """Open the breaker if `error` is about the provider. Returns when it is asked again.

    A wait that is open already is made longer, never shorter. *Too many* halves the account's
    slots, once for each wait.
    """
    breaker = OPENS.get(error.code)
    if breaker is None:
        return None
    state = state_of(alias)
    again = now + dt.timedelta(seconds=_pause(breaker, state.failures, error.retry_after))
    rows = ProviderState.objects.filter(alias=alias)
    longer = rows.filter(Q(ask_again_at=None) | Q(ask_again_at__lt=again))
    words: dict[str, Any] = {"failures": F("failures") + 1, "ask_again_at": again}
    if error.code is Code.PROVIDER_BUSY and state.may_be_asked(now):
        words["slots"] = max(1, state.slots // 2)
    if longer.exclude(breaker=breaker).update(breaker=breaker, **words):
        _tell(alias, breaker, again)
    elif not longer.update(**words):
        rows.update(failures=F("failures") + 1)
        return max(again, state.ask_again_at or again)
    return again


def note_success(alias: str) -> None:
    """Close the breaker if its time is over. Writes nothing where it is closed already."""
    opened = ProviderState.objects.filter(alias=alias).exclude(breaker="", failures=0)
    over = opened.filter(Q(ask_again_at=None) | Q(ask_again_at__lte=timezone.now()))
    over.update(breaker=Breaker.CLOSED, failures=0, ask_again_at=None)


def note_round(alias: str) -> None:
    """A round of sends went well, one for each slot of the account: it gets one more slot."""
    rows = ProviderState.objects.filter(alias=alias, slots__lt=SEND_SLOTS)
    rows.update(slots=F("slots") + 1)


def _tell(alias: str, breaker: Breaker, again: dt.datetime) -> None:
    """Tell the operator and the site that sends are held back: once, whichever worker saw it."""
    logger.warning(
        "Sends to the provider %r are held back (%s); it is asked again at %s.",
        alias, breaker.value, again.isoformat(timespec="seconds"),
    )  # fmt: skip
    database = router.db_for_write(ProviderState)
    transaction.on_commit(
        lambda: provider_held_back.send_robust(
            sender=ProviderState, provider=alias, reason=breaker.value, until=again
        ),
        using=database,
        robust=True,
    )


def _pause(breaker: Breaker, failures: int, told: float | None) -> float:
    """As long as we were told, else doubling up to a minute, with full jitter above the first."""
    if told is not None:
        return told
    first = _FIRST_PAUSE[breaker]
    longest = min(first * 2 ** min(failures, 10), max(_LONGEST_PAUSE, first))
    return random.uniform(first, longest)  # noqa: S311 - jitter, not a secret
