"""The photos a remote provider has: asked about in batches, on one tick.

Owns when which photo is asked about, and how long the provider has taken lately. While it does
not answer, nobody hears of single photos: all of them wait for the next question together, so that
an outage costs one call a pause however many photos are over there, and the first answer after it
finds every result that is ready. What follows from an answer is `remote.py`'s.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import random
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.jobs.moves import breakers
from django_hili.jobs.moves.breakers import Gate
from django_hili.jobs.worker.desk import Desk
from django_hili.models import Disclosure, JobStatus, PhotoJob
from django_hili.providers.remote import RemoteProvider, RemoteStage, RemoteState

TICK = 0.5
"""Seconds between two questions about photos that could be done."""
YOUNG = 60.0
"""Seconds after a send in which *no such photo* only means *not yet*."""
SAFETY = dt.timedelta(minutes=5)
"""A result is given up this long before the vendor deletes it."""
LONGEST_PAUSE = 30.0
"""Seconds that an error puts off the next question at the most."""


@dataclass(slots=True)
class InFlight:
    """A photo the vendor has."""

    job: PhotoJob
    handle: str
    since: float
    """When it was sent, by the loop's clock."""
    due_at: dt.datetime | None
    """When the vendor deletes it."""
    not_before: float = 0.0
    unheard: int = 0
    """Questions about this photo alone, in a row, that failed."""
    is_blurred: bool = False
    """A question about it failed, so nobody knows when it was done."""
    unfetched: int = 0
    """Fetches that failed."""

    @property
    def age(self) -> float:
        """Seconds since the photo was sent, or since it was adopted from a silent worker."""
        return _clock() - self.since

    @property
    def is_too_late(self) -> bool:
        """Whether the vendor deletes it before a result could still be fetched for sure."""
        return self.due_at is not None and timezone.now() >= self.due_at - SAFETY

    def ask_later(self, failures: int, told: float | None = None) -> None:
        """Put the next question off: as told, else back-off with full jitter. For errors only."""
        self.not_before = _clock() + (jittered(failures) if told is None else told)


_Due = Mapping[str, list[InFlight]]
"""The photos to ask about, by handle."""


@dataclass(slots=True)
class _Learned:
    """How long the vendor has taken lately, so that it is not asked too early."""

    seconds: list[float] = field(default_factory=list)

    def note(self, seconds: float) -> None:
        """Remember one photo's time, the last fifty of them."""
        self.seconds = [*self.seconds[-49:], seconds]

    @property
    def earliest(self) -> float:
        """Before this many seconds hardly any photo was done."""
        return 0.8 * min(self.seconds) if len(self.seconds) >= 5 else 0.0  # noqa: PLR2004


class Watch:
    """Asks one remote provider about the photos it has."""

    def __init__(
        self, desk: Desk, provider: RemoteProvider, gate: Gate, *,
        on_done: Callable[[InFlight], None], on_lost: Callable[[InFlight, Code], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.learned = _Learned()
        self.silences = 0
        """Rounds of questions, in a row, that the provider left without an answer."""
        self._desk = desk
        self._provider = provider
        self._gate = gate
        self._on_done = on_done
        self._on_lost = on_lost
        self._photos: dict[uuid.UUID, InFlight] = {}
        """By job: a vendor may have one id for photos that are alike."""
        self._next_tick = 0.0
        self._is_known_there = False
        """Whether the provider has answered anybody since it was last asked about photos."""

    def __len__(self) -> int:
        return len(self._photos)

    def __iter__(self) -> Iterator[InFlight]:
        return iter(self._photos.values())

    @property
    def next_tick(self) -> float:
        """When the provider is asked next, by the loop's clock; never while it has no photo."""
        return self._next_tick if self._photos else math.inf

    def begin(self, job: PhotoJob, row: Disclosure) -> None:
        """Watch a photo that the vendor has accepted."""
        job.status = JobStatus.PROCESSING
        self.go_on(InFlight(job, row.handle, _clock(), row.vendor_due_at))

    def go_on(self, photo: InFlight) -> None:
        """Watch a photo, again where its result could not be fetched."""
        self._photos[photo.job.pk] = photo

    def forget(self) -> None:
        """Let all photos go; their jobs are another worker's from now on."""
        self._photos.clear()

    def hear_of_provider(self) -> None:
        """The provider has answered somebody: ask about every photo at the next tick."""
        self._is_known_there = True
        self._next_tick = 0.0

    async def tick(self) -> None:
        """Ask about the photos that could be done, if it is time."""
        if not self._photos or _clock() < self._next_tick:
            return
        self._next_tick = _clock() + TICK
        due: dict[str, list[InFlight]] = defaultdict(list)
        for photo in self._photos.values():
            if _clock() >= photo.not_before and photo.age >= self.learned.earliest:
                due[photo.handle].append(photo)
        if due:
            await self._ask(due)

    async def _ask(self, due: _Due) -> None:
        handles, most = list(due), self._provider.handles_per_call
        calls = [handles[start : start + most] for start in range(0, len(handles), most)]
        # After a silence one call finds out whether the provider is there again.
        first = calls[: 1 if self.silences else len(calls)]
        failed = await self._ask_together(due, first)
        if len(failed) < len(first):
            self.silences = 0
            failed += await self._ask_together(due, calls[len(first) :])
        elif all(_is_silence(error) for _, error in failed) and not self._is_known_there:
            self.silences += 1
            told = failed[0][1].retry_after
            self._next_tick = _clock() + (jittered(self.silences) if told is None else told)
        else:
            # It answers, but not to this: that is about the photos then.
            self.silences = 0
        self._is_known_there = False
        for call, error in failed:
            await self._tell(due, dict.fromkeys(call, error))

    async def _ask_together(
        self, due: _Due, calls: list[list[str]]
    ) -> list[tuple[list[str], ProviderError]]:
        """Ask in some calls at once. Returns those that said nothing about any photo, and why."""
        errors = await asyncio.gather(*(self._ask_about(due, call) for call in calls))
        return [(call, error) for call, error in zip(calls, errors, strict=True) if error]

    async def _ask_about(self, due: _Due, handles: list[str]) -> ProviderError | None:
        try:
            states = await self._provider.states(handles)
        except ProviderError as error:
            alias, now = self._provider.alias, timezone.now()
            until = await self._desk.rows(breakers.note_failure, alias, error, now)
            self._gate.forget(until)
            return error
        await self._tell(due, states)
        return None

    async def _tell(self, due: _Due, states: Mapping[str, RemoteState | ProviderError]) -> None:
        """Give every photo that is still watched its answer."""
        for handle, state in states.items():
            for photo in due.get(handle, ()):
                if self._photos.get(photo.job.pk) is photo:
                    await self.heard(photo, state)

    async def heard(self, photo: InFlight, state: RemoteState | ProviderError) -> None:
        """Take in what the provider says, or fails to say, about one photo."""
        if isinstance(state, ProviderError):
            await self._unheard(photo, state)
            return
        photo.unheard = 0
        if state.stage is RemoteStage.DONE:
            if not photo.is_blurred:
                self.learned.note(photo.age)
            self._on_done(self._photos.pop(photo.job.pk))
        elif state.stage is RemoteStage.FAILED:
            await self._lose(photo, Code.PROVIDER_PROCESSING_FAILED)
        elif photo.is_too_late or (state.stage is RemoteStage.GONE and photo.age > YOUNG):
            await self._lose(photo, Code.PROVIDER_COPY_GONE)
        elif state.operation:
            self._desk.note_progress(photo.job, state.operation, 0.5)

    async def _unheard(self, photo: InFlight, error: ProviderError) -> None:
        if not error.retryable or photo.is_too_late:
            await self._lose(photo, error.code)
            return
        # After an outage every photo seems to have taken as long as that was.
        photo.is_blurred = True
        if not self.silences:
            photo.unheard += 1
            photo.ask_later(photo.unheard, error.retry_after)

    async def _lose(self, photo: InFlight, code: Code) -> None:
        self._photos.pop(photo.job.pk, None)
        await self._on_lost(photo, code)


def _is_silence(error: ProviderError) -> bool:
    return error.retryable and error.code in breakers.OPENS


def jittered(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row."""
    longest = min(LONGEST_PAUSE, 2.0 ** min(failures, 5))
    return random.uniform(TICK, longest)  # noqa: S311 - jitter, not a secret


def _clock() -> float:
    return asyncio.get_running_loop().time()
