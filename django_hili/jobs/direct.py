"""The lane of a provider that answers with the finished photo in the same call.

Owns the trip of one photo through such a provider: read, enhance, store, end.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from functools import partial

from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError, StorageError
from django_hili.jobs import claim, finish
from django_hili.jobs.crash import crash_point
from django_hili.jobs.desk import Desk
from django_hili.jobs.retry import GiveUp, decide
from django_hili.media import vault
from django_hili.models import JobStatus, Media, MediaKind, PhotoJob
from django_hili.providers.base import DirectProvider, EnhancedPhoto, Photo

logger = logging.getLogger(__name__)


class DirectLane:
    """Jobs of one direct provider, as many at a time as the worker has slots."""

    takes_up_as = JobStatus.PROCESSING
    adopts = (JobStatus.PROCESSING, JobStatus.FETCHING)
    """A silent worker's jobs in these states are simply begun again: nothing was charged."""

    def __init__(self, desk: Desk, provider: DirectProvider) -> None:
        self.provider = provider
        self._desk = desk
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any job is in hand."""
        return bool(self._tasks)

    async def free(self) -> int:
        """How many more jobs may be taken up now."""
        return self._desk.settings.slots - len(self._tasks)

    def start(self, job: PhotoJob) -> None:
        """Begin with a claimed job."""
        task = asyncio.create_task(self._handle(job))
        self._tasks[job.pk] = task
        task.add_done_callback(partial(self._put_down, job))

    async def tick(self) -> None:
        """Nothing to ask: a direct provider answers by itself."""

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
        self._desk.forget(job)

    async def _handle(self, job: PhotoJob) -> None:
        """Bring one claimed job to its end. Nothing raised in here ends the worker."""
        try:
            await self._enhance(job)
        except LostLeaseError:
            self._desk.report.lost += 1
        except asyncio.CancelledError:
            await self._desk.rows(claim.release, job=job, now=timezone.now())
        except Exception as error:  # noqa: BLE001 - every error must end or requeue the job
            await end_or_retry(self._desk, job, error)

    async def _enhance(self, job: PhotoJob) -> None:
        if job.attempts > self._desk.settings.max_attempts:
            # Whoever took it up before fell silent every time: the photo may be the reason.
            raise ProviderError(Code.TRIES_EXHAUSTED)
        source = await self._desk.rows(source_of, job)
        content = await asyncio.to_thread(vault.read, source)
        crash_point("before_enhance")
        result = await self.provider.enhance(
            Photo(content, source.content_type),
            job.enhancement,
            partial(self._desk.note_progress, job),
        )
        crash_point("after_enhance")
        await store(self._desk, job, result)


async def store(desk: Desk, job: PhotoJob, result: EnhancedPhoto) -> None:
    """Store a result and end its job as done. Raises `LostLeaseError` or `StorageError`."""
    now = timezone.now()
    media = await desk.rows(finish.begin_storing, job=job, result=result, now=now)
    crash_point("after_reserve")
    await asyncio.to_thread(vault.write, media, result.content)
    crash_point("after_write")
    await desk.rows(finish.complete, job=job, media=media, result=result, now=timezone.now())
    crash_point("after_complete")
    desk.report.done += 1


async def end_or_retry(desk: Desk, job: PhotoJob, error: Exception) -> None:
    """Fail a job or queue it again, as the error says."""
    verdict = decide(error, attempts=job.attempts, max_attempts=desk.settings.max_attempts)
    # The type alone: a message could hold what was in the photo's way.
    logger.warning("Job %s: attempt %d: %s.", job.pk, job.attempts, type(error).__name__)
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
    except Exception as failure:  # noqa: BLE001 - the lease runs out and the job is claimed anew
        logger.warning("Job %s could not be ended: %s.", job.pk, type(failure).__name__)


def source_of(job: PhotoJob) -> Media:
    """Return the live source of a job. Raises `StorageError` if it is gone."""
    source = Media.objects.live().filter(job_id=job.pk, kind=MediaKind.SOURCE).first()
    if source is None:
        raise StorageError(Code.SOURCE_GONE)
    return source
