"""Gathers the writes of many jobs into few transactions: group commit.

Owns which writes go together and who hears how his own ended. What is written is the business
of the verbs: each takes the entries of many jobs and answers for each of them by itself. What
gathers while a transaction runs goes into the next one; a verb may also be given a moment to
find company.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from django.db import InterfaceError, OperationalError, router, transaction
from django.utils import timezone

from django_hili.models import PhotoJob

_E = TypeVar("_E")
_E_contra = TypeVar("_E_contra", contravariant=True)
_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)
_MOST_TOGETHER = 200
"""Entries of one verb in one transaction: SQLite's and MariaDB's statements have limits."""


class GroupVerb(Protocol[_E_contra, _R_co]):
    """Writes the entries of many jobs, and says of each, in their order, what became of it."""

    def __call__(self, *, entries: Sequence[_E_contra], now: dt.datetime) -> Sequence[_R_co]: ...


@dataclass(slots=True)
class _Waiting:
    """What has gathered for one verb."""

    is_atomic: bool
    due_at: float
    """By the loop's clock: no entry waits for company any longer than this."""
    entries: list[tuple[Any, asyncio.Future[Any]]] = field(default_factory=list)


_Batch = tuple[GroupVerb[Any, Any], bool, list[tuple[Any, asyncio.Future[Any]]]]
Rows = Callable[..., Awaitable[Any]]
"""Calls a function in the database thread."""


class Gatherer:
    """Writes for all lanes of one worker, in its one database thread."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._waiting: dict[GroupVerb[Any, Any], _Waiting] = {}
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def write(
        self,
        verb: GroupVerb[_E, _R],
        entry: _E,
        *,
        company: int = 1,
        patience: float = 0.0,
        is_atomic: bool = True,
    ) -> _R:
        """Write `entry` together with others' and return what became of this one.

        `company` is how many are expected to write the same soon: once as many wait, or after
        `patience` seconds, all are written. An error is raised to those whose entry caused it;
        a database that is away, to all.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_R] = loop.create_future()
        waiting = self._waiting.get(verb)
        if waiting is None:
            waiting = self._waiting[verb] = _Waiting(is_atomic, loop.time() + patience)
        waiting.entries.append((entry, future))
        if len(waiting.entries) >= company:
            waiting.due_at = loop.time()
        self._more.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            self._more.clear()
            pause = min(w.due_at for w in self._waiting.values()) - _clock()
            if pause > 0:
                await self._wait_for_more(pause)
                continue
            due = self._take_due()
            await self._write([batch for batch in due if batch[1]])
            for batch in due:
                if not batch[1]:
                    await self._write([batch])

    async def _wait_for_more(self, seconds: float) -> None:
        alarm = asyncio.get_running_loop().call_later(seconds, self._more.set)
        try:
            await self._more.wait()
        finally:
            alarm.cancel()

    def _take_due(self) -> list[_Batch]:
        now = _clock()
        batches: list[_Batch] = []
        for verb in [verb for verb, waiting in self._waiting.items() if waiting.due_at <= now]:
            waiting = self._waiting.pop(verb)
            taken, rest = waiting.entries[:_MOST_TOGETHER], waiting.entries[_MOST_TOGETHER:]
            if rest:
                self._waiting[verb] = _Waiting(waiting.is_atomic, now, rest)
            # Whoever was cancelled while waiting no longer wants this written.
            if wanted := [(entry, future) for entry, future in taken if not future.cancelled()]:
                batches.append((verb, waiting.is_atomic, wanted))
        return batches

    async def _write(self, batches: list[_Batch]) -> None:
        if not batches:
            return
        orders = [(verb, atomic, [entry for entry, _ in kept]) for verb, atomic, kept in batches]
        try:
            outcomes = await self._rows(_write_together, orders)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            await self._write_apart(batches, error)
            return
        for (_, _, kept), found in zip(batches, outcomes, strict=True):
            for (_, future), outcome in zip(kept, found, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _write_apart(self, batches: list[_Batch], error: Exception) -> None:
        """Nothing was written. Where one entry may be the reason, write each by itself."""
        alone = [(v, atomic, [one]) for v, atomic, kept in batches for one in kept]
        if len(alone) > 1 and not isinstance(error, OperationalError | InterfaceError):
            for batch in alone:
                await self._write([batch])
            return
        for _, _, kept in alone:
            if not kept[0][1].done():
                kept[0][1].set_exception(error)


def _write_together(
    orders: Sequence[tuple[GroupVerb[Any, Any], bool, list[Any]]],
) -> list[Sequence[Any]]:
    now = timezone.now()
    is_atomic = orders[0][1]
    with transaction.atomic(using=router.db_for_write(PhotoJob)) if is_atomic else nullcontext():
        return [verb(entries=entries, now=now) for verb, _, entries in orders]


def _clock() -> float:
    return asyncio.get_running_loop().time()
