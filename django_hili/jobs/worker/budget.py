"""How many calls of one kind a worker has open with a provider at a time.

Owns the additive increase and multiplicative decrease: *too many* halves the budget, a round of
successes adds one. The moment until which all workers wait, and how many slots they have between
them for sending, is in the provider's row, which `breakers.py` writes. Knows no rows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from django_hili.codes import Code
from django_hili.exceptions import ProviderError


class Budget:
    """Slots whose number follows from what the provider says."""

    def __init__(self, most: int) -> None:
        self.slots = most
        """How many calls may be open now."""
        self._most = most
        self._open = 0
        self._successes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until one more call may be open, and be that call."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self._open < self.slots and not self._waiting:
            self._open += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was given a slot in the very moment it was cancelled
            raise

    def _leave(self) -> None:
        self._open -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._open < self.slots:
            turn = self._waiting.popleft()
            if not turn.done():
                self._open += 1
                turn.set_result(None)

    def close(self) -> None:
        """Give out no slot any more: whoever waits for one is cancelled."""
        self.slots = 0
        while self._waiting:
            self._waiting.popleft().cancel()

    @property
    def open(self) -> int:
        """How many calls are open."""
        return self._open

    def heard(self, error: ProviderError) -> None:
        """Halve the budget if the provider said that it was asked too often."""
        if error.code is Code.PROVIDER_BUSY:
            self.slots = max(1, self.slots // 2)
            self._successes = 0

    def grow(self) -> None:
        """Count a success; a round of them, one for each slot, adds a slot."""
        self._successes += 1
        if self.slots < self._most and self._successes >= self.slots:
            self._successes = 0
            self.slots += 1
            self._admit()


class Share(Budget):
    """One worker's part of the slots that an account has for all of them."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.has_earned = False
        """Whether a round of successes has gone by that the account has not been told of."""
        self._account = most

    def take(self, share: int, *, account: int) -> None:
        """Have so many slots from now on, out of so many; who has one already keeps it."""
        self.slots, self._account = share, account
        self._admit()

    def heard(self, error: ProviderError) -> None:
        """Begin a round anew; the account's slots are in the provider's row."""
        if error.code is Code.PROVIDER_BUSY:
            self._successes = 0

    def grow(self) -> None:
        """Count a success; a round of them, one for each of the account's slots, earns a slot."""
        self._successes += 1
        if self._account < self._most and self._successes >= self._account:
            self._successes = 0
            self.has_earned = True
