"""An event loop without time and without threads, in which several workers live and die by dice.

Owns the clock, the order of everything, and the border between one simulated process and another:
whatever a process has started carries its mark, so that it can be frozen or dropped as a whole.
Work for threads runs as a greenlet that can be left between any two statements to the database.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import random
import zlib
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

OWNER: contextvars.ContextVar[Process | None] = contextvars.ContextVar("owner", default=None)


class KilledError(BaseException):
    """This simulated process is dead: whatever it was doing is not done."""


class Process:
    """One simulated worker process."""

    def __init__(self, name: str, clock_lie: float = 0.0) -> None:
        self.name = name
        self.clock_lie = clock_lie
        """Seconds by which its clock is ahead."""
        self.is_dead = False
        self.frozen_until = 0.0
        self.task: asyncio.Task[Any] | None = None

    @property
    def has_ended(self) -> bool:
        return self.is_dead or (self.task is not None and self.task.done())


class SimTask(asyncio.Task[Any]):
    """A task whose place in a set is not decided by where it lies in memory."""

    numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(self.numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class SimLoop(asyncio.AbstractEventLoop):
    """The loop all simulated processes share."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.now = 0.0
        self.current: Process | None = None
        self.steps = 0
        self.trace = 0
        self.is_over = False
        SimTask.numbers = itertools.count()
        # What died half-way is kept to the end: its clean-up must not run in another's name.
        self._tasks: list[asyncio.Task[Any]] = []
        self._jobs: list[greenlet] = []
        self._ready: dict[Process | None, deque[asyncio.Handle]] = defaultdict(deque)
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = itertools.count()
        self._lanes: dict[tuple[int, int], deque[Callable[[], None]]] = {}
        self._job: greenlet | None = None

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback, *args, context=None):  # type: ignore[no-untyped-def, override]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready[_owner_of(handle)].append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None):  # type: ignore[no-untyped-def, override]
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):  # type: ignore[no-untyped-def, override]
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._count), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when their time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):  # type: ignore[no-untyped-def, override]
        task = SimTask(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A dead process's tasks complain; so does nobody else."""

    def run_in_executor(self, executor, func, *args):  # type: ignore[no-untyped-def, override]
        """Do a thread's work in steps. One executor's jobs go one after another."""
        future = self.create_future()
        lane = (id(self.current), id(executor) if executor is not None else next(self._count))
        jobs = self._lanes.setdefault(lane, deque())
        jobs.append(lambda: self._begin(lane, func, args, future))
        if len(jobs) == 1:
            self._soon(jobs[0])
        return future

    def _soon(self, step: Callable[[], None]) -> None:
        self.call_later(self.dice.choice((0.0, 0.0, 0.001, 0.02)), step)

    def _begin(
        self, lane: tuple[int, int], func: Callable[..., Any], args: tuple[Any, ...],
        future: asyncio.Future[Any],
    ) -> None:  # fmt: skip
        def body() -> None:
            try:
                result = func(*args)
            except KilledError:
                return
            except BaseException as error:  # noqa: BLE001 - whatever it is, its caller gets it
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        job = None if future.cancelled() else greenlet(body)
        if job is not None:
            self._jobs.append(job)
        self._go_on(lane, job)

    def _go_on(self, lane: tuple[int, int], job: greenlet | None) -> None:
        if job is not None:
            self._job = job
            job.switch()
            self._job = None
            if not job.dead:
                self._soon(lambda: self._go_on(lane, job))
                return
        jobs = self._lanes[lane]
        jobs.popleft()
        if jobs:
            self._soon(jobs[0])
        else:
            del self._lanes[lane]

    def between_statements(self) -> None:
        """Perhaps leave the job that is running to the others for a moment."""
        if self._job is not None and getcurrent() is self._job:
            self._job.parent.switch()

    # What the simulation asks of it.

    def start(self, process: Process, coro: Any) -> None:
        """Begin a process with its main coroutine."""
        context = contextvars.copy_context()
        context.run(OWNER.set, process)
        process.task = self.create_task(coro, context=context)

    def kill(self, process: Process) -> None:
        """kill -9: nothing of it runs any more."""
        process.is_dead = True
        self._ready.pop(process, None)

    def close(self) -> None:
        """End what is left; none of it may do anything any more."""
        self.is_over = True
        for job in self._jobs:
            if not job.dead:
                job.throw()
        self._tasks.clear()

    def in_world(self, delay: float, callback: Callable[..., None], *args: Any) -> None:
        """Let something happen outside every process."""
        context = contextvars.copy_context()
        context.run(OWNER.set, None)
        self.call_later(delay, callback, *args, context=context)

    def run(self, *, until: Callable[[], bool], latest: float) -> bool:
        """Go on until `until` holds, asked about once a simulated second; say whether it did."""
        asyncio.events._set_running_loop(self)
        next_look = self.now
        try:
            while self.now < latest:
                if self.now >= next_look:
                    next_look = self.now + 1.0
                    if until():
                        return True
                if not self._step():
                    self._advance(next_look)
            return until()
        finally:
            asyncio.events._set_running_loop(None)

    def _step(self) -> bool:
        owners = [
            owner
            for owner, handles in self._ready.items()
            if handles and (owner is None or owner.frozen_until <= self.now)
        ]
        if not owners:
            return False
        owner = owners[0] if len(owners) == 1 else self.dice.choice(owners)
        handle = self._ready[owner].popleft()
        if handle.cancelled() or (owner is not None and owner.is_dead):
            return True
        self.steps += 1
        told = f"{self.now:.6f} {owner.name if owner else ''}"
        self.trace = zlib.crc32(told.encode(), self.trace)
        self.current = owner
        try:
            handle._run()
        finally:
            self.current = None
        return True

    def _advance(self, next_look: float) -> None:
        """Nothing can happen now: go to the next moment at which something can."""
        moments = [next_look]
        moments += [
            owner.frozen_until for owner, handles in self._ready.items() if owner and handles
        ]
        if self._timers:
            moments.append(self._timers[0][0])
        self.now = max(self.now, min(moments))
        while self._timers and self._timers[0][0] <= self.now:
            handle = heapq.heappop(self._timers)[2]
            owner = _owner_of(handle)
            if not handle.cancelled() and not (owner is not None and owner.is_dead):
                self._ready[owner].append(handle)


def _owner_of(handle: asyncio.Handle) -> Process | None:
    return handle._context.get(OWNER)
