"""The lane of a provider that answers with the finished photo in the same call.

Owns the trip of one photo through such a provider: read, enhance, store, end.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import math
import uuid
from collections.abc import Sequence
from functools import partial

from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError, StorageError, log_name
from django_hili.jobs.moves import breakers, claim, finish
from django_hili.jobs.moves.finish import Stored
from django_hili.jobs.moves.verdict import GiveUp, decide
from django_hili.jobs.worker.crash import crash_point
from django_hili.jobs.worker.desk import Desk
from django_hili.media import vault
from django_hili.models import JobStatus, Media, MediaKind, PhotoJob
from django_hili.providers.base import DirectProvider, EnhancedPhoto

logger = logging.getLogger(__name__)

ERASE_PATIENCE = 2.0
"""Seconds until condemned sources are erased, where others are about to be condemned. Each erasure
leaves a receipt in a chain, and one receipt for many is one place in it."""


class DirectLane:
    """Jobs of one direct provider, as many at a time as the worker has slots."""

    takes_up_as = JobStatus.PROCESSING
    adopts = (JobStatus.PROCESSING, JobStatus.FETCHING)
    """A silent worker's jobs in these states are simply begun again: nothing was charged."""

    def __init__(self, desk: Desk, provider: DirectProvider) -> None:
        self.provider = provider
        self._desk = desk
        self._gate = breakers.Gate(provider.alias)
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self.next_look = 0.0
        """By the loop's clock: not before then is it worth asking for more jobs."""

    next_tick = math.inf
    """By the loop's clock: when the lane has to be looked at again at the latest."""

    @property
    def is_busy(self) -> bool:
        """Whether any job is in hand."""
        return bool(self._tasks)

    @property
    def in_hand(self) -> set[uuid.UUID]:
        """The jobs that this worker has not let go of."""
        return set(self._tasks)

    async def free(self) -> int:
        """How many more jobs may be taken up now: none while staff have paused the provider."""
        room = await self.room()
        if room <= 0 or not await self._desk.rows(self._gate.is_open, timezone.now()):
            return 0
        return room

    async def room(self) -> int:
        """How many silent workers' jobs may be adopted now: a pause lets them finish."""
        return self._desk.settings.slots - len(self._tasks)

    async def start(self, jobs: Sequence[PhotoJob]) -> None:
        """Begin with claimed jobs."""
        for job in jobs:
            task = asyncio.create_task(self._handle(job))
            self._tasks[job.pk] = task
            task.add_done_callback(partial(self._put_down, job))

    async def tick(self) -> None:
        """Nothing to ask: a direct provider answers by itself."""

    async def tend(self) -> None:
        """Nothing to see to: what a silent worker had is begun again."""

    async def wind_up(self, patience: float | None) -> None:
        """Let what is in hand finish within `patience` seconds, then give the rest back."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """End the provider's processes."""
        await self.provider.aclose()

    def _put_down(self, job: PhotoJob, _: asyncio.Task[None]) -> None:
        self._tasks.pop(job.pk, None)
        self.next_look = 0.0
        self._desk.forget(job)

    async def _handle(self, job: PhotoJob) -> None:
        """Bring one claimed job to its end. Nothing raised in here ends the worker."""
        try:
            await self._enhance(job)
        except LostLeaseError:
            self._desk.report.lost += 1
        except asyncio.CancelledError:
            await self._cut_short(job)
        except Exception as error:  # noqa: BLE001 - every error must end or requeue the job
            await end_or_retry(self._desk, job, error)

    async def _cut_short(self, job: PhotoJob) -> None:
        """Give a job back. One that a worker's whole time was too short for has had a try.

        Without that, a photo that takes longer than any shift would be begun again for ever.
        """
        now = timezone.now()
        if self._desk.is_time_up:
            none = dt.timedelta(0)
            with contextlib.suppress(LostLeaseError):
                await self._desk.rows(finish.try_again, job=job, delay=none, now=now)
            return
        await self._desk.rows(claim.release, job=job, now=now)

    async def _enhance(self, job: PhotoJob) -> None:
        if job.attempts > self._desk.settings.max_attempts:
            # Whoever took it up before fell silent every time: the photo may be the reason.
            raise ProviderError(Code.TRIES_EXHAUSTED)
        source = await self._desk.rows(source_of, job)
        content = await asyncio.to_thread(vault.read, source)
        crash_point("before_enhance")
        result = await self.provider.enhance(
            self._desk.masks.photo(job.pk, content, source.content_type),
            job.enhancement,
            partial(self._desk.note_progress, job),
        )
        crash_point("after_enhance")
        self._desk.masks.keep(job.pk, result)
        await store(self._desk, job, result)


async def store(desk: Desk, job: PhotoJob, result: EnhancedPhoto) -> None:
    """Store a result and end its job as done. Raises `LostLeaseError` or `StorageError`."""
    media = await desk.rows(finish.begin_storing, job=job, now=timezone.now())
    crash_point("after_reserve")
    await asyncio.to_thread(vault.write, media, result.content)
    crash_point("after_write")
    await end_as_done(desk, Stored(job, media, result, result.steps, result.warnings))


async def end_as_done(
    desk: Desk, stored: Stored, *, company: int = 1, patience: float = 0.0, in_hand: int = 1
) -> None:
    """End a job whose result is written. Raises `LostLeaseError`; the result is gone then.

    `company` jobs are expected to end within `patience`. The sources of `in_hand` jobs are
    erased together, if they come within `ERASE_PATIENCE`.
    """
    try:
        is_done = await desk.write(finish.complete_all, stored, company=company, patience=patience)
    except LostLeaseError:
        is_done = False
    if not is_done:
        await desk.rows(finish.discard, media=stored.media, now=timezone.now())
        raise LostLeaseError
    crash_point("after_commit")
    desk.report.done += 1
    await desk.write(
        finish.clear_up, stored.job, company=in_hand, patience=ERASE_PATIENCE, is_atomic=False
    )
    crash_point("after_complete")


async def end_or_retry(desk: Desk, job: PhotoJob, error: Exception) -> None:
    """Fail a job or queue it again, as the error says."""
    verdict = decide(error, attempts=job.attempts, max_attempts=desk.settings.max_attempts)
    logger.warning("Job %s: attempt %d: %s.", job.pk, job.attempts, log_name(error))
    try:
        if isinstance(verdict, GiveUp):
            await desk.rows(finish.fail, job=job, code=verdict.code, now=timezone.now())
            desk.report.failed += 1
        else:
            delay, now = verdict.delay, timezone.now()
            await desk.rows(finish.try_again, job=job, delay=delay, now=now)
            desk.report.again += 1
    except LostLeaseError:
        desk.report.lost += 1
    except Exception as failure:  # noqa: BLE001 - the next look takes it up anew
        logger.warning("Job %s could not be ended: %s.", job.pk, log_name(failure))
        await desk.rows_surely(claim.let_go, jobs=[job], now=timezone.now())


def source_of(job: PhotoJob) -> Media:
    """Return the live source of a job. Raises `StorageError` if it is gone."""
    source = Media.objects.live().filter(job_id=job.pk, kind=MediaKind.SOURCE).first()
    if source is None:
        raise StorageError(Code.SOURCE_GONE)
    return source
