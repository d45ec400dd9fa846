"""A vendor without a network: its answers are late, lost or wrong as the weather says.

Owns the books that the oracle reads. What it accepts, it accepts when the last bytes arrive,
whether or not whoever sent them is still there.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.hili import HiliProvider
from django_hili.providers.remote import (
    Barrier,
    Charging,
    RemoteProvider,
    RemoteStage,
    RemoteState,
    Sink,
    Upload,
)
from django_hili.vocabulary import Capabilities, Enhancement
from tests.chaos.sim_loop import SimLoop

PATIENCE = 10.0
"""Seconds for which an answer is awaited."""


@dataclass
class Weather:
    """How bad it is: chances for each call, statement or point."""

    refuse: float = 0.0
    lose_answer: float = 0.0
    lose_request: float = 0.0
    late: float = 0.0
    """Chance that a request that has left is read only much later."""
    latest: float = 7.0
    fail_call: float = 0.0
    die_at_statement: float = 0.0
    die_at_point: float = 0.0
    freeze_at_point: float = 0.0
    database_away: float = 0.0
    commit_unheard: float = 0.0
    yield_between: float = 0.3


@dataclass
class SimVendor:
    """The vendor and its books."""

    loop: SimLoop
    dice: random.Random
    charging: Charging
    is_exclusive: bool
    """What the site says of the account; `has_guest` where that is not so."""
    has_guest: bool = False
    weather: Weather = field(default_factory=Weather)
    left: int = 1000
    pictures: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Handle → the photo's fingerprint and when it is ready."""
    contents: dict[str, bytes] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    """Credits by the photo's fingerprint."""
    granted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    _handles: Any = field(default_factory=itertools.count)

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.dice.random() < chance

    def arrive(self, content: bytes, answer: asyncio.Future[str]) -> None:
        """The last bytes are here."""
        if self.happens(self.weather.lose_request):
            return
        if self.left <= 0 or self.happens(self.weather.refuse):
            self._say(
                answer, ProviderError(Code.PROVIDER_NO_CREDITS, retryable=True, charged=False)
            )
            return
        fingerprint = hashlib.sha256(content).hexdigest()
        handle = f"{next(self._handles):032x}"
        self.pictures[handle] = (fingerprint, self.loop.now + self.dice.uniform(0, 2))
        self.contents[handle] = content
        if self.charging is Charging.UPLOAD:
            self.taken[fingerprint] += 1
            self.left -= 1
        if not self.happens(self.weather.lose_answer):
            self._say(answer, handle)

    def _say(self, answer: asyncio.Future[str], what: str | ProviderError) -> None:
        def say() -> None:
            if answer.done():
                return
            if isinstance(what, str):
                answer.set_result(what)
            else:
                answer.set_exception(what)

        self.loop.in_world(self.dice.choice((0.0, 0.05, 1.0)), say)

    async def hop(self) -> None:
        """A small call's way there, which may fail."""
        await asyncio.sleep(self.dice.choice((0.0, 0.01, 0.3)))
        if self.happens(self.weather.fail_call):
            raise ProviderError(Code.PROVIDER_DOWN, retryable=True, charged=False)


class World:
    """Where the simulated provider finds its vendor."""

    vendor: SimVendor
    keeps_last_bytes = True
    """Whether the last bytes of a photo wait for the barrier."""


class SimProvider(RemoteProvider):
    """Speaks to the simulated vendor."""

    handles_per_call = 3

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, options)
        self.is_exclusive = getattr(World, "vendor", None) is not None and World.vendor.is_exclusive

    @property
    def capabilities(self) -> Capabilities:
        return HiliProvider("hili", {}).capabilities

    @property
    def charging(self) -> Charging:
        return World.vendor.charging

    async def send(self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier) -> str:
        vendor = World.vendor
        content = bytearray()
        async for piece in upload.pieces():
            content += piece
        await vendor.hop()
        if World.keeps_last_bytes:
            await barrier()
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        lateness = vendor.dice.choice((0.0, 0.05, 0.5))
        if vendor.happens(vendor.weather.late):
            lateness = vendor.dice.uniform(0, vendor.weather.latest)
        vendor.loop.in_world(lateness, vendor.arrive, bytes(content), answer)
        if not World.keeps_last_bytes:
            await barrier()
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            is_doubt = self.charging is Charging.UPLOAD
            raise ProviderError(
                Code.SEND_UNKNOWN if is_doubt else Code.PROVIDER_ANSWER_UNREADABLE,
                retryable=not is_doubt,
                charged=None if is_doubt else False,
            ) from None

    async def states(self, handles: Sequence[str]) -> Mapping[str, RemoteState | ProviderError]:
        vendor = World.vendor
        await vendor.hop()
        found: dict[str, RemoteState | ProviderError] = {}
        for handle in handles:
            if handle not in vendor.pictures:
                found[handle] = RemoteState(RemoteStage.GONE)
                continue
            is_ready = vendor.pictures[handle][1] <= vendor.loop.now
            found[handle] = RemoteState(RemoteStage.DONE if is_ready else RemoteStage.PROCESSING)
        await asyncio.sleep(0)
        return found

    async def fetch(self, handle: str, sink: Sink, *, max_bytes: int) -> int:
        vendor = World.vendor
        await vendor.hop()
        if vendor.charging is Charging.DOWNLOAD and handle not in vendor.granted:
            vendor.granted.add(handle)
            vendor.taken[vendor.pictures[handle][0]] += 1
            vendor.left -= 1
        content = vendor.contents[handle]
        await sink(content[:100])
        await vendor.hop()
        await sink(content[100:])
        return len(content)

    async def credits(self) -> int:
        vendor = World.vendor
        await vendor.hop()
        left = vendor.left
        await asyncio.sleep(vendor.dice.choice((0.0, 0.05, 0.5)))
        return left
