"""The worker: one event loop that takes jobs up, has them enhanced and ends them.

The same loop runs as a shift inside a django-q2 task and as `manage.py hili_run`. It owns
claims, heartbeat, upkeep and an orderly stop; what happens to a photo is its lane's business,
one lane per provider. Pixels are never computed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections
from django.utils import timezone

from django_hili.exceptions import log_name
from django_hili.jobs.moves import claim
from django_hili.jobs.worker.crash import crash_point
from django_hili.jobs.worker.desk import Desk, OnProgress, RunReport
from django_hili.jobs.worker.direct import DirectLane
from django_hili.jobs.worker.masks import Masks
from django_hili.jobs.worker.remote import RemoteLane
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.models import PhotoJob
from django_hili.providers.base import DirectProvider
from django_hili.providers.registry import build_provider, provider_aliases
from django_hili.providers.remote import RemoteProvider

logger = logging.getLogger(__name__)

IDLE_PAUSE = 1.2
"""Seconds between two looks for work while there is none; a look is one query."""
BUSY_PAUSE = 0.25
LOOK_PAUSE = 1.0
"""Seconds until a busy worker asks again where it got less than it had room for."""
STOP_GRACE = 30.0
"""Seconds that photos in hand have to finish after a stop was asked for."""

Lane = DirectLane | RemoteLane


class Runner:
    """One worker. `until_idle` ends it when nothing is left to do; `time_cap` ends it anyway.

    What is in hand at the `time_cap` has `grace` to finish; without one, what is done here has
    as long as it takes.

    With `only`, it works on these jobs and leaves all others and the upkeep alone. Jobs with
    `masks` it takes up before they are due.
    """

    def __init__(
        self,
        *,
        until_idle: bool = False,
        time_cap: dt.timedelta | None = None,
        grace: dt.timedelta | None = None,
        only: Sequence[uuid.UUID] | None = None,
        on_progress: OnProgress | None = None,
        masks: Masks | None = None,
        is_shift: bool = False,
    ) -> None:
        self._desk = Desk(on_progress=on_progress, masks=masks)
        self._until_idle = until_idle
        self._time_cap = time_cap
        self._grace = grace
        self._only = only
        self._is_shift = is_shift
        self._stopping = False
        self._lanes: dict[str, Lane] = {}
        self._next_adoption: dict[str, float] = {}
        self._next_holding = 0.0

    @property
    def name(self) -> str:
        """The name under which this worker's jobs are leased."""
        return self._desk.worker

    def stop(self) -> None:
        """Take up nothing more, finish what is in hand, then end."""
        self._stopping = True
        self._desk.wake.set()

    async def run(self) -> RunReport:
        """Work until idle, stopped or at the time cap."""
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._lanes = {alias: self._open_lane(alias) for alias in provider_aliases()}
        background = [asyncio.create_task(self._heartbeat())]
        if self._only is None:
            background.append(asyncio.create_task(self._keep_house()))
        try:
            await self._work()
            await self._wind_up()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            for lane in self._lanes.values():
                await lane.aclose()
            await self._desk.aclose()
        return self._desk.report

    async def _wind_up(self) -> None:
        patience = self._grace.total_seconds() if self._grace else None
        if self._stopping:
            patience = STOP_GRACE
        else:
            self._desk.is_time_up = True
        await asyncio.gather(*(lane.wind_up(patience) for lane in self._lanes.values()))

    def _open_lane(self, alias: str) -> Lane:
        provider = build_provider(alias)
        if isinstance(provider, DirectProvider):
            return DirectLane(self._desk, provider)
        if isinstance(provider, RemoteProvider):
            return RemoteLane(self._desk, provider)
        raise TypeError(f"{type(provider).__name__} is neither a direct nor a remote provider")

    async def _work(self) -> None:
        while not self._stopping and not self._is_past_cap():
            try:
                if await self._look() and not self._is_busy and await self._may_end():
                    return
            except Exception as error:  # noqa: BLE001 - a database hiccup must not end a worker
                logger.warning("The worker could not look for work: %s.", log_name(error))
            await self._pause(self._seconds_to_next_look())

    async def _look(self) -> bool:
        """See to every lane and take up what is due; say whether nothing was found."""
        is_idle = not self._is_busy
        has_work = not is_idle or await self._has_work()
        has_found = False
        for alias, lane in self._lanes.items():
            try:
                await lane.tick()
                if has_work and (is_idle or self._loop.time() >= lane.next_look):
                    has_found = bool(await self._take_up(lane)) or has_found
                await lane.tend()
            except Exception as error:  # noqa: BLE001 - other providers' photos go on
                logger.warning("The provider %r was passed over: %s.", alias, log_name(error))
                has_found = True
        if has_work:
            await self._hold_back()
        return not has_found

    async def _has_work(self) -> bool:
        """Ask the one question of an idle worker."""
        now, early = timezone.now(), self._desk.masks.jobs
        return await self._desk.rows(claim.has_work, now=now, only=self._only, early=early)

    async def _hold_back(self) -> None:
        """Tell the operator about jobs that no lane will take up, instead of leaving them."""
        if self._only is not None or self._loop.time() < self._next_holding:
            return
        self._next_holding = self._loop.time() + self._desk.lease.total_seconds() / 3
        # The report is read after the wait: sends count into it meanwhile.
        paused = await self._desk.rows(claim.hold_paused, now=timezone.now())
        self._desk.report.held += paused
        held = await self._desk.rows(
            claim.hold_strangers, known=list(self._lanes), now=timezone.now()
        )
        for alias, count in held.items():
            self._desk.report.held += count
            logger.error(
                '%d waiting jobs are for the provider %r, which is not in HILI["PROVIDERS"]. '
                "They are held: set it up again and resume it, or cancel them.", count, alias,
            )  # fmt: skip

    async def _take_up(self, lane: Lane) -> int:
        words: dict[str, Any] = {
            "worker": self._desk.worker,
            "lease": self._desk.lease,
            "now": timezone.now(),
            "only": self._only,
            "provider": lane.provider.alias,
        }
        now, jobs = self._loop.time(), list[PhotoJob]()
        if now >= self._next_adoption.get(lane.provider.alias, 0.0) or not self._is_busy:
            jobs = await self._adopt(lane, words)
        free = await lane.free()
        if free > len(jobs):
            wanted = free - len(jobs)
            found = await self._desk.rows(
                claim.claim, limit=wanted, takes_up_as=lane.takes_up_as, adopts=(),
                early=self._desk.masks.jobs, **words,
            )  # fmt: skip
            jobs += found
            if len(found) < wanted:
                lane.next_look = now + LOOK_PAUSE
        if self._next_adoption.get(lane.provider.alias, 0.0) <= now:
            lane.next_look = 0.0
        crash_point("after_claim")
        if jobs:
            await lane.start(jobs)
        return len(jobs)

    async def _adopt(self, lane: Lane, words: dict[str, Any]) -> list[PhotoJob]:
        room = await lane.room()
        if room <= 0:
            return []
        jobs = await self._desk.rows(claim.adopt, limit=room, adopts=lane.adopts, **words)
        if not jobs:
            # A whole fleet may have fallen silent: only who finds nothing waits.
            third = self._desk.lease.total_seconds() / 3
            self._next_adoption[lane.provider.alias] = self._loop.time() + third
        return jobs

    @property
    def _is_busy(self) -> bool:
        return any(lane.is_busy for lane in self._lanes.values())

    async def _may_end(self) -> bool:
        if self._is_shift:
            return True
        if not self._until_idle:
            return False
        return not await self._desk.rows(claim.has_unfinished, only=self._only)

    async def _heartbeat(self) -> None:
        """Keep the leases, and write down progress that has changed, once a second at most."""
        third = self._desk.lease.total_seconds() / 3
        next_keep = self._loop.time() + third
        while True:
            await asyncio.sleep(min(1.0, third))
            try:
                if self._loop.time() >= next_keep and self._is_busy:
                    next_keep = self._loop.time() + third
                    await self._desk.rows(
                        claim.keep,
                        worker=self._desk.worker,
                        lease=self._desk.lease,
                        now=timezone.now(),
                        in_hand={pk for lane in self._lanes.values() for pk in lane.in_hand},
                    )
                if progress := self._desk.take_progress():
                    await self._desk.rows(claim.report_all, progress=progress)
            except Exception as error:  # noqa: BLE001 - the next beat tries again
                logger.warning("The worker could not renew its leases: %s.", log_name(error))

    async def _keep_house(self) -> None:
        while True:
            try:
                await asyncio.to_thread(_with_own_connection, upkeep)
            except Exception as error:  # noqa: BLE001 - the next pass tries again
                logger.warning("The sweep stopped early: %s.", log_name(error))
            await asyncio.sleep(self._desk.settings.sweep_interval.total_seconds())

    def _seconds_to_next_look(self) -> float:
        """A finished photo waits for the next question, and not for a look besides."""
        pause = BUSY_PAUSE if self._is_busy else IDLE_PAUSE
        due = min(lane.next_tick for lane in self._lanes.values()) - self._loop.time()
        # What is overdue has just been looked at in vain.
        return min(pause, due) if due > 0 else pause

    async def _pause(self, seconds: float) -> None:
        self._desk.wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._desk.wake.wait()

    def _is_past_cap(self) -> bool:
        cap = self._time_cap
        return cap is not None and self._loop.time() - self._started >= cap.total_seconds()


def _with_own_connection(verb: Callable[[], object]) -> None:
    try:
        verb()
    finally:
        connections.close_all()
