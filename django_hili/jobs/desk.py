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

from django.db import DatabaseError, close_old_connections, connections

from django_hili.conf import get_settings
from django_hili.models import PhotoJob

OnProgress = Callable[[PhotoJob, str, float], None]
_P = ParamSpec("_P")
_R = TypeVar("_R")
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

    def __init__(self, *, on_progress: OnProgress | None = None) -> None:
        self.worker = secrets.token_hex(8)
        self.settings = get_settings().worker
        self.report = RunReport()
        self.wake = asyncio.Event()
        self._on_progress = on_progress
        self._progress: dict[object, tuple[PhotoJob, str, int]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hili-rows")

    @property
    def lease(self) -> dt.timedelta:
        """How long a claimed job stays this worker's without a heartbeat."""
        return self.settings.lease

    async def rows(self, verb: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call `verb` in the database thread."""

        def call() -> _R:
            close_old_connections()
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

    def note_progress(self, job: PhotoJob, stage: str, fraction: float) -> None:
        """Remember how far a job is, and tell who asked to be told."""
        self._progress[job.pk] = (job, stage, round(fraction * 100))
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
