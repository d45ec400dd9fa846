"""Enhances many photos in one go for somebody who waits, a few stored at a time.

Owns the pace: photos are submitted as earlier ones end, so that a source never waits long and
memory stays the same however many there are. One worker does them all and leaves other
people's jobs alone. Whatever happens, nothing of a photo is left when it has been delivered.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from django.db import connections

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.worker.masks import Masks
from django_hili.jobs.worker.run import Runner
from django_hili.models import EraseCause, JobStatus, PhotoJob
from django_hili.models.job import ACTIVE

_LOOK = 0.1
"""Seconds between two looks at what has ended."""
OnProgress = Callable[[PhotoJob, str, float], None]
_R = TypeVar("_R")


class Order(Protocol):
    """One photo to be enhanced, and what becomes of it. Called in one thread, one at a time."""

    def submit(self) -> PhotoJob:
        """Make its job. A `HiliError` is handed to `refuse`."""

    def deliver(self, job: PhotoJob) -> None:
        """Take the result of the ended job, or its failure; everything is deleted right after."""

    def refuse(self, error: HiliError) -> None:
        """Be told why there is no job, or why its result could not be taken."""


def work_through(
    orders: Iterable[Order],
    *,
    on_progress: OnProgress | None = None,
    masks: Masks | None = None,
) -> None:
    """Bring every order to its end. Interrupted, it deletes what is in hand and raises.

    Orders that show or take a scratch mask tell `masks` of their job when they submit it.
    """
    connections.close_all()
    asyncio.run(_Stream(iter(orders), on_progress, masks or Masks()).run())


class _Stream:
    def __init__(
        self, orders: Iterator[Order], on_progress: OnProgress | None, masks: Masks
    ) -> None:
        self._orders = orders
        self._masks = masks
        self._in_hand: dict[uuid.UUID, Order] = {}
        self._only: list[uuid.UUID] = []
        self._worker = Runner(only=self._only, on_progress=on_progress, masks=masks)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hili-stream")
        # One more than the worker takes up, so that it never waits for the next.
        self._most = get_settings().worker.slots + 1

    async def run(self) -> None:
        await self._call(self._fill)
        working = asyncio.create_task(self._worker.run())
        try:
            while self._in_hand and not working.done():
                await asyncio.sleep(_LOOK)
                await self._call(self._deliver_ended)
                await self._call(self._fill)
            self._worker.stop()
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self._call(self._drop_all)
            self._thread.shutdown()

    async def _call(self, verb: Callable[[], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, verb)

    def _fill(self) -> None:
        while len(self._in_hand) < self._most:
            order = next(self._orders, None)
            if order is None:
                return
            try:
                job = order.submit()
            except HiliError as error:
                order.refuse(error)
                continue
            self._in_hand[job.pk] = order
            self._only.append(job.pk)

    def _deliver_ended(self) -> None:
        unended = [JobStatus.QUEUED, *ACTIVE]
        rows = PhotoJob.objects.filter(pk__in=list(self._in_hand)).exclude(status__in=unended)
        for job in rows:
            order = self._in_hand[job.pk]
            try:
                order.deliver(job)
            except HiliError as error:
                order.refuse(error)
            finally:
                self._drop(job.pk)

    def _drop(self, job_id: uuid.UUID) -> None:
        delete_jobs(job_ids=[job_id], cause=EraseCause.DELIVERED)
        self._only.remove(job_id)
        self._masks.taken(job_id)
        del self._in_hand[job_id]

    def _drop_all(self) -> None:
        try:
            for job_id in list(self._in_hand):
                self._drop(job_id)
        finally:
            connections.close_all()
