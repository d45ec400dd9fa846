"""The contract of providers that take a photo away and finish it later.

Owns the shapes and the order of events: send, ask, fetch. Knows no vendor, no HTTP, no models and
no storage: bytes arrive and leave in bounded pieces, so that a photo is never whole in memory.
"""

from __future__ import annotations

import abc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.base import Provider
from django_hili.vocabulary import Enhancement

Barrier = Callable[[], Awaitable[None]]
"""Awaited once per attempt, when all but the last bytes have left. What it raises ends the send:
the last bytes then never leave, and the photo cannot have been accepted."""

MOST_IN_DOUBT = 4
"""Photos of one worker that may be between the barrier and the vendor's answer at any time."""

Sink = Callable[[bytes], Awaitable[None]]
"""Takes the next piece of a result. What it raises ends the fetch."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A clean photo to be streamed out."""

    size: int
    """Bytes in all. Pieces that add up to anything else never become an accepted photo."""
    content_type: str
    pieces: Callable[[], AsyncIterator[bytes]]
    """Called once per attempt; gives the photo in bounded pieces."""


class Charging(StrEnum):
    """When the vendor takes a credit."""

    UPLOAD = "upload"
    """For each photo accepted. Sending twice costs twice."""
    DOWNLOAD = "download"
    """For each result granted, once. Sending twice costs nothing."""


class RemoteStage(StrEnum):
    """How far a photo is with the vendor."""

    WAITING = "waiting"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"
    """The vendor knows no such photo: not yet, where it was sent a moment ago, else no longer."""


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What the vendor says of one photo."""

    stage: RemoteStage
    operation: str | None = None
    """The operation that runs now, where the vendor tells."""
    vendor_words: str = ""
    """What the vendor said, without addresses and secrets. For the operator only."""


class RemoteProvider(Provider):
    """Takes a photo, works on it elsewhere, and is asked for it later.

    Everything raises `ProviderError`, whose `charged` is False where the call has certainly cost
    nothing, also where the barrier was passed. `SEND_UNKNOWN` says that a send may have been
    accepted: it is never sent again on a guess. What a barrier, a sink or an upload's pieces
    raise comes out as it is.
    """

    handles_per_call: int = 1
    """How many photos one `states` call may ask about."""
    is_exclusive: bool = False
    """Whether this site alone spends the account's credits, so that their count settles doubts."""
    max_in_doubt: int = MOST_IN_DOUBT
    """How many photos of one worker may be between the barrier and the answer at a time, from 1 to
    `MOST_IN_DOUBT`: as many as a crash of the worker leaves in doubt."""
    low_credits: int | None = None
    """The low-water mark: with as many credits or fewer, the site's operator is told."""

    @property
    def clock_difference_seconds(self) -> float | None:
        """How far the vendor's clock is ahead of ours by its last answer; None where unknown."""
        return None

    @property
    @abc.abstractmethod
    def charging(self) -> Charging:
        """When a credit is taken."""

    @abc.abstractmethod
    async def send(self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier) -> str:
        """Send a photo and return the vendor's handle for it.

        Streams everything but the last bytes, awaits `barrier`, then sends the rest. Whatever
        fails before the barrier has cost nothing; a send that is cancelled after it is in doubt,
        and only who cancels knows. Options that cannot be expressed raise
        `InvalidOptionsError` before a connection is made.
        """

    async def send_again(self, handle: str, enhancement: Enhancement, *, barrier: Barrier) -> str:
        """Have a photo processed again that the vendor still holds; return the new handle."""
        del handle, enhancement, barrier
        raise ProviderError(Code.PROVIDER_CANNOT_REPEAT, charged=False)

    @abc.abstractmethod
    async def states(self, handles: Sequence[str]) -> Mapping[str, RemoteState | ProviderError]:
        """Say how far photos are, each handle by itself: one bad id does not spoil the others.

        Takes up to `handles_per_call` handles and answers for every one of them. Raises only
        where nothing could be learned about any.
        """

    @abc.abstractmethod
    async def fetch(self, handle: str, sink: Sink, *, max_bytes: int) -> int:
        """Stream a finished photo into `sink` and return its size in bytes.

        Ends with an error as soon as more than `max_bytes` arrive, whatever was announced. Pieces
        may have reached `sink` when it raises; only a size that was returned means a whole file.
        Where results are charged, the first piece says that this one is, and so does an error
        whose `charged` is True.
        """

    @abc.abstractmethod
    async def credits(self) -> int:
        """Return how many credits are left."""
