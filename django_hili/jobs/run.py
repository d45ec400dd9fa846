"""The worker: one event loop that takes jobs up, has them enhanced and ends them.

The same loop runs as a shift inside a django-q2 task and as `manage.py hili_run`. It owns
slots, heartbeat, progress and an orderly stop. All rows are touched in one database thread;
pixels are computed in the provider's own processes, never here.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import secrets
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections
from django.utils import timezone

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import LostLeaseError, ProviderError, StorageError
from django_hili.jobs import claim, finish
from django_hili.jobs.crash import crash_point
from django_hili.jobs.retry import GiveUp, decide
from django_hili.jobs.upkeep import upkeep
from django_hili.media import vault
from django_hili.models import Media, MediaKind, PhotoJob
from django_hili.providers.base import DirectProvider, Photo, Provider
from django_hili.providers.registry import build_provider

logger = logging.getLogger(__name__)

IDLE_PAUSE = 1.0
"""Seconds between two looks for work while there is none."""
BUSY_PAUSE = 0.25
STOP_GRACE = 30.0
"""Seconds that photos in hand have to finish after a stop was asked for."""

OnProgress = Callable[[PhotoJob, str, float], None]
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(slots=True)
class RunReport:
    """What a worker did in one run."""

    done: int = 0
    failed: int = 0
    again: int = 0
    lost: int = 0


class Runner:
    """One worker. `until_idle` ends it when nothing is left to do; `time_cap` ends it anyway.

    With `only`, it works on these jobs and leaves all others and the upkeep alone.
    """

    def __init__(
        self,
        *,
        until_idle: bool = False,
        time_cap: dt.timedelta | None = None,
        only: Sequence[uuid.UUID] | None = None,
        on_progress: OnProgress | None = None,
        is_shift: bool = False,
    ) -> None:
        settings = get_settings().worker
        self.name = secrets.token_hex(8)
        self.report = RunReport()
        self._settings = settings
        self._until_idle = until_idle
        self._time_cap = time_cap
        self._only = only
        self._on_progress = on_progress
        self._is_shift = is_shift
        self._stopping = False
        self._wake = asyncio.Event()
        self._in_hand: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._progress: dict[uuid.UUID, tuple[PhotoJob, str, int]] = {}
        self._providers: dict[str, Provider] = {}
        self._rows = ThreadPoolExecutor(1, thread_name_prefix="hili-rows")

    def stop(self) -> None:
        """Take up nothing more, finish what is in hand, then end."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> RunReport:
        """Work until idle, stopped or at the time cap."""
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        background = [asyncio.create_task(self._heartbeat())]
        if self._only is None:
            background.append(asyncio.create_task(self._keep_house()))
        try:
            await self._work()
            await self._finish_in_hand()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            for provider in self._providers.values():
                await provider.aclose()
            await self._in_rows_thread(connections.close_all)
            self._rows.shutdown()
        return self.report

    async def _work(self) -> None:
        while not self._stopping and not self._is_past_cap():
            try:
                claimed = await self._take_up()
                if not claimed and not self._in_hand and await self._may_end():
                    return
            except Exception as error:  # noqa: BLE001 - a database hiccup must not end a worker
                logger.warning("The worker could not look for work: %s.", type(error).__name__)
            await self._pause(BUSY_PAUSE if self._in_hand else IDLE_PAUSE)

    async def _take_up(self) -> int:
        free = self._settings.slots - len(self._in_hand)
        if free <= 0:
            return 0
        jobs = await self._in_rows_thread(
            claim.claim,
            worker=self.name,
            limit=free,
            lease=self._settings.lease,
            now=timezone.now(),
            only=self._only,
        )
        crash_point("after_claim")
        for job in jobs:
            task = asyncio.create_task(self._handle(job))
            self._in_hand[job.pk] = task
            task.add_done_callback(partial(self._put_down, job.pk))
        return len(jobs)

    def _put_down(self, job_id: uuid.UUID, _: asyncio.Task[None]) -> None:
        self._in_hand.pop(job_id, None)
        self._progress.pop(job_id, None)
        self._wake.set()

    async def _may_end(self) -> bool:
        if self._is_shift:
            return True
        if not self._until_idle:
            return False
        return not await self._in_rows_thread(claim.has_unfinished, only=self._only)

    async def _finish_in_hand(self) -> None:
        if not self._in_hand:
            return
        patience = STOP_GRACE if self._stopping else None
        await asyncio.wait(list(self._in_hand.values()), timeout=patience)
        left = list(self._in_hand.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(self, job: PhotoJob) -> None:
        """Bring one claimed job to its end. Nothing raised in here ends the worker."""
        try:
            await self._enhance(job)
            self.report.done += 1
        except LostLeaseError:
            self.report.lost += 1
        except asyncio.CancelledError:
            await self._in_rows_thread(claim.release, job=job, now=timezone.now())
        except Exception as error:  # noqa: BLE001 - every error must end or requeue the job
            await self._give_up_or_retry(job, error)

    async def _enhance(self, job: PhotoJob) -> None:
        if job.attempts > self._settings.max_attempts:
            # Whoever took it up before fell silent every time: the photo may be the reason.
            raise ProviderError(Code.TRIES_EXHAUSTED)
        source = await self._in_rows_thread(_source_of, job)
        content = await asyncio.to_thread(vault.read, source)
        crash_point("before_enhance")
        result = await self._provider(job.provider).enhance(
            Photo(content, source.content_type), job.enhancement, self._reporter(job)
        )
        crash_point("after_enhance")
        now = timezone.now()
        media = await self._in_rows_thread(finish.begin_storing, job=job, result=result, now=now)
        crash_point("after_reserve")
        await asyncio.to_thread(vault.write, media, result.content)
        crash_point("after_write")
        await self._in_rows_thread(
            finish.complete, job=job, media=media, result=result, now=timezone.now()
        )
        crash_point("after_complete")

    async def _give_up_or_retry(self, job: PhotoJob, error: Exception) -> None:
        verdict = decide(error, attempts=job.attempts, max_attempts=self._settings.max_attempts)
        # The type alone: a message could hold what was in the photo's way.
        logger.warning("Job %s: attempt %d: %s.", job.pk, job.attempts, type(error).__name__)
        try:
            if isinstance(verdict, GiveUp):
                await self._fail(job, verdict.code)
            else:
                await self._in_rows_thread(
                    finish.try_again, job=job, delay=verdict.delay, now=timezone.now()
                )
                self.report.again += 1
        except LostLeaseError:
            self.report.lost += 1
        except Exception as failure:  # noqa: BLE001 - the lease runs out and the job is claimed anew
            logger.warning("Job %s could not be ended: %s.", job.pk, type(failure).__name__)

    async def _fail(self, job: PhotoJob, code: Code) -> None:
        await self._in_rows_thread(finish.fail, job=job, code=code, now=timezone.now())
        self.report.failed += 1

    def _provider(self, alias: str) -> DirectProvider:
        if alias not in self._providers:
            self._providers[alias] = build_provider(alias)
        provider = self._providers[alias]
        if not isinstance(provider, DirectProvider):
            raise ProviderError(Code.OPERATION_UNAVAILABLE)
        return provider

    def _reporter(self, job: PhotoJob) -> Callable[[str, float], None]:
        def report(stage: str, fraction: float) -> None:
            self._progress[job.pk] = (job, stage, round(fraction * 100))
            if self._on_progress:
                self._on_progress(job, stage, fraction)

        return report

    async def _heartbeat(self) -> None:
        """Keep the leases, and write down progress that has changed, once a second at most."""
        lease = self._settings.lease
        next_keep = self._loop.time() + lease.total_seconds() / 3
        while True:
            await asyncio.sleep(min(1.0, lease.total_seconds() / 3))
            try:
                if self._loop.time() >= next_keep and self._in_hand:
                    next_keep = self._loop.time() + lease.total_seconds() / 3
                    now = timezone.now()
                    await self._in_rows_thread(claim.keep, worker=self.name, lease=lease, now=now)
                changed, self._progress = self._progress, {}
                for job, stage, percent in changed.values():
                    await self._in_rows_thread(claim.report, job=job, stage=stage, percent=percent)
            except Exception as error:  # noqa: BLE001 - the next beat tries again
                logger.warning("The worker could not renew its leases: %s.", type(error).__name__)

    async def _keep_house(self) -> None:
        while True:
            try:
                await asyncio.to_thread(_with_own_connection, upkeep)
            except Exception as error:  # noqa: BLE001 - the next pass tries again
                logger.warning("The sweep stopped early: %s.", type(error).__name__)
            await asyncio.sleep(self._settings.sweep_interval.total_seconds())

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _is_past_cap(self) -> bool:
        cap = self._time_cap
        return cap is not None and self._loop.time() - self._started >= cap.total_seconds()

    async def _in_rows_thread(
        self, verb: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        def call() -> _R:
            close_old_connections()
            return verb(*args, **kwargs)

        return await self._loop.run_in_executor(self._rows, call)


def _source_of(job: PhotoJob) -> Media:
    source = Media.objects.live().filter(job_id=job.pk, kind=MediaKind.SOURCE).first()
    if source is None:
        raise StorageError(Code.SOURCE_GONE)
    return source


def _with_own_connection(verb: Callable[[], object]) -> None:
    try:
        verb()
    finally:
        connections.close_all()
