"""One finished photo's way in: fetched piece by piece, checked, stored.

Owns how much of a result is in memory at any time. A small one is held and checked at once; a
large one goes into the vault as it arrives, and from there, piece by piece and one photo at a
time, through a process apart that checks it and hands back what is stored. What follows from an
error is `remote.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from django_hili.conf import get_settings
from django_hili.exceptions import LostLeaseError, ProviderError
from django_hili.imaging.clean import clean
from django_hili.imaging.encode import SourceType, strongest
from django_hili.imaging.marking import marked
from django_hili.jobs.moves import finish, send
from django_hili.jobs.moves.finish import Stored
from django_hili.jobs.worker.checking import Finished, Finisher
from django_hili.jobs.worker.crash import crash_point
from django_hili.jobs.worker.desk import Desk
from django_hili.media import vault
from django_hili.media.pipe import AsyncPipe
from django_hili.models import Media, PhotoJob
from django_hili.providers.base import Step
from django_hili.providers.remote import Charging, RemoteProvider

HELD_BYTES = 512 * 1024
"""A result up to this size is checked in memory."""
PATIENCE = 0.025
"""Seconds that a large result may wait for others to have rows reserved with it."""


@dataclass(slots=True)
class Arrived:
    """A result on this side: held in memory, or in the vault under a row of its own."""

    content: bytes | None
    raw: Media | None = None


class Receiver:
    """Fetches results of one remote provider into the vault."""

    def __init__(self, desk: Desk, provider: RemoteProvider) -> None:
        self._desk = desk
        self._provider = provider
        self._finisher = Finisher()
        self._one = asyncio.Semaphore(1)

    async def fetch(
        self, job: PhotoJob, handle: str, media: Media, *, on_granted: Callable[[], None]
    ) -> Stored:
        """Fetch, check and write a result into its reserved row.

        `on_granted` is called with every piece, so with the first: the provider lets us have it.
        """
        arrived = await self._arrive(job, handle, on_granted)
        crash_point("after_fetch")
        if arrived.content is not None:
            finished, content = await asyncio.to_thread(
                _finish, arrived.content, dpi=job.dpi, mark=_mark_for(job)
            )
            await asyncio.to_thread(vault.write, media, content)
        else:
            finished = await self._finish_apart(job, arrived, media)
        crash_point("after_write")
        steps = tuple(Step(name, f"provider:{job.provider}") for name in job.operations)
        return Stored(job, media, finished, steps, finished.warnings)

    async def aclose(self) -> None:
        """End the process apart."""
        await asyncio.to_thread(self._finisher.close)

    async def _arrive(self, job: PhotoJob, handle: str, on_granted: Callable[[], None]) -> Arrived:
        is_charged = self._provider.charging is Charging.DOWNLOAD
        arrival = _Arrival(self._desk, job, is_charged=is_charged, on_granted=on_granted)
        most = get_settings().limits.max_result_bytes
        try:
            await self._provider.fetch(handle, arrival.take, max_bytes=most)
        except ProviderError as error:
            if is_charged and error.charged:
                await arrival.note_charge()
            await arrival.give_up(error)
            raise
        except BaseException as error:
            await arrival.give_up(error)
            raise
        return await arrival.end()

    async def _finish_apart(self, job: PhotoJob, arrived: Arrived, media: Media) -> Finished:
        async with self._one:
            return await asyncio.to_thread(
                self._finisher.finish, _laid_down(arrived.raw), media, dpi=job.dpi,
                mark=_mark_for(job),
            )  # fmt: skip


class _Arrival:
    """The pieces of one result: held while they are few, in the vault from then on."""

    def __init__(
        self, desk: Desk, job: PhotoJob, *, is_charged: bool, on_granted: Callable[[], None]
    ) -> None:
        self._desk = desk
        self._job = job
        self._on_granted = on_granted
        self._is_unwritten = is_charged
        """Whether the ledger has still to be told that this result is paid for."""
        self._held = bytearray()
        self._raw: Media | None = None
        self._pipe: AsyncPipe | None = None

    async def take(self, piece: bytes) -> None:
        """Take the next piece. The first says that the result was granted."""
        self._on_granted()
        await self.note_charge()
        if self._pipe is None:
            self._held += piece
            if len(self._held) <= HELD_BYTES:
                return
            await self._begin_laying_down()
            piece, self._held = bytes(self._held), bytearray()
        assert self._pipe is not None  # noqa: S101 - begun above
        await self._pipe.push(piece)

    async def note_charge(self) -> None:
        """Write down, once, that the vendor took a credit for this result."""
        if self._is_unwritten:
            self._is_unwritten = False
            await self._desk.rows_surely(send.downloaded, job=self._job)

    async def _begin_laying_down(self) -> None:
        self._raw = await self._desk.write(
            finish.reserve_raw, self._job, company=2, patience=PATIENCE
        )
        if self._raw is None:
            raise LostLeaseError
        pipe = vault.arriving(self._raw)
        await pipe.__aenter__()
        self._pipe = pipe

    async def give_up(self, error: BaseException) -> None:
        """Let go of what has arrived; its row is condemned with the job's others."""
        self._held = bytearray()
        if self._pipe is not None:
            await self._pipe.__aexit__(type(error), error, None)

    async def end(self) -> Arrived:
        """Wait until everything is laid down."""
        if self._pipe is None:
            return Arrived(bytes(self._held))
        await self._pipe.__aexit__(None, None, None)
        return Arrived(None, self._raw)


def _finish(content: bytes, *, dpi: int, mark: SourceType) -> tuple[Finished, bytes]:
    """Clean what came from outside and mark it as made by software."""
    side = get_settings().limits.max_result_side
    photo = clean(content, max_megapixels=side**2 // 1_000_000)
    made = marked(photo, dpi=dpi, mark=mark)
    return Finished(photo.content_type, photo.width, photo.height, photo.warnings), made


def _mark_for(job: PhotoJob) -> SourceType:
    """What made the result, or what made the photo where that says more: vendors drop its mark."""
    said = SourceType(job.source_mark) if job.source_mark else None
    return strongest(SourceType.MODEL, said) or SourceType.MODEL


def _laid_down(raw: Media | None) -> Media:
    assert raw is not None  # noqa: S101 - nothing was held in memory
    return raw
