"""What a worker lends its lanes: its name, its one database thread, its slots and its report.

Owns the thread that touches rows. Knows no provider and no state of a job.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connections

from django_hili.conf import get_settings
from django_hili.jobs.worker.group_commit import Gatherer, GroupVerb
from django_hili.jobs.worker.masks import Masks
from django_hili.models import PhotoJob

OnProgress = Callable[[PhotoJob, str, float], None]
_P = ParamSpec("_P")
_R = TypeVar("_R")
_E = TypeVar("_E")
_W = TypeVar("_W")
_PATIENCE = 0.5
"""Seconds between two tries to write what must not be lost."""


@dataclass(slots=True)
class RunReport:
    """What a worker did in one run."""

    done: int = 0
    failed: int = 0
    again: int = 0
    held: int = 0
    lost: int = 0


class Desk:
    """One worker's place: everything its lanes share."""

    def __init__(
        self, *, on_progress: OnProgress | None = None, masks: Masks | None = None
    ) -> None:
        self.worker = secrets.token_hex(8)
        self.settings = get_settings().worker
        self.report = RunReport()
        self.masks = masks or Masks()
        self.wake = asyncio.Event()
        self.is_time_up = False
        """Whether the worker ends because its time is up, and not because it was told to stop."""
        self._on_progress = on_progress
        self._progress: dict[object, tuple[PhotoJob, str, int]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hili-rows")
        self._gatherer = Gatherer(self.rows)

    @property
    def lease(self) -> dt.timedelta:
        """How long a claimed job stays this worker's without a heartbeat."""
        return self.settings.lease

    async def rows(self, verb: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call `verb` in the database thread."""

        def call() -> _R:
            _let_go_of_broken_connections()
            return verb(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def rows_surely(self, verb: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call `verb`, again and again while the database is away.

        For what only this process knows: that a vendor took a photo, or may have taken it.
        """
        while True:
            try:
                return await self.rows(verb, *args, **kwargs)
            except DatabaseError:
                await asyncio.sleep(_PATIENCE)

    async def write(
        self,
        verb: GroupVerb[_E, _W],
        entry: _E,
        *,
        company: int = 1,
        patience: float = 0.0,
        is_atomic: bool = True,
    ) -> _W:
        """Write `entry` in one transaction with whatever else is to be written; see `Gatherer`."""
        return await self._gatherer.write(
            verb, entry, company=company, patience=patience, is_atomic=is_atomic
        )

    async def write_surely(
        self, verb: GroupVerb[_E, _W], entry: _E, *, company: int = 1, patience: float = 0.0
    ) -> _W:
        """Write `entry` as `write` does, again and again while the database is away."""
        while True:
            try:
                return await self.write(verb, entry, company=company, patience=patience)
            except DatabaseError:
                await asyncio.sleep(_PATIENCE)

    def note_progress(self, job: PhotoJob, stage: str, fraction: float) -> None:
        """Remember how far a job is, and tell who asked to be told."""
        percent = round(fraction * 100)
        if (job.stage, job.percent) == (stage, percent):
            return
        job.stage, job.percent = stage, percent
        self._progress[job.pk] = (job, stage, percent)
        if self._on_progress:
            self._on_progress(job, stage, fraction)

    def take_progress(self) -> list[tuple[PhotoJob, str, int]]:
        """Return what has changed since the last call."""
        changed, self._progress = self._progress, {}
        return list(changed.values())

    def forget(self, job: PhotoJob) -> None:
        """A job has been put down."""
        self._progress.pop(job.pk, None)
        self.wake.set()

    async def aclose(self) -> None:
        """Close the thread and its connections."""
        await self.rows(connections.close_all)
        self._thread.shutdown()


def _let_go_of_broken_connections() -> None:
    """Close what an error has left unusable.

    Unlike a request's, a worker's connection is kept however old it is: by default Django would
    have it made anew for every single call.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.errors_occurred:
            continue
        if connection.is_usable():
            connection.errors_occurred = False
        else:
            connection.close()
