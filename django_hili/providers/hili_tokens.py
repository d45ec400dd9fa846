"""The vendor's token: made anew for every request, by a clock that can learn.

Owns the formula and the clock's offset. Knows no HTTP; never keeps a token or a secret.
Clauses C27: HILI-API-9.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

TOLERATED_SECONDS = 30.0
"""A clock this near to the vendor's cannot be why a token was refused: it holds for two minutes."""
LARGEST_OFFSET_SECONDS = 86_400.0
"""A clock further off is for the operator to set: tokens for another day are none of ours."""


def make_token(*, secret_key: str, time: str) -> str:
    """Return the `token` header for a secret and a Unix time as text.

    MD5 is the vendor's choice. It keeps the secret itself off the wire, and nothing more.
    """
    digest = hashlib.md5((secret_key + time).encode(), usedforsecurity=False).hexdigest()
    return f"{digest},{time}"


class Clock:
    """Tells the vendor's time."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.offset = 0.0
        """Seconds that the vendor's clock is ahead of ours, as far as it was learned."""
        self.difference: float | None = None
        """The same, as the vendor's last answer told it, whether or not that matters."""

    def token(self, secret_key: str) -> str:
        """Return a token for this moment."""
        return make_token(secret_key=secret_key, time=str(int(self._now() + self.offset)))

    def saw(self, server_now: float | None) -> None:
        """Note how far the vendor's clock is from ours."""
        if server_now is not None:
            self.difference = server_now - self._now()

    def learn(self, server_now: float | None, *, offset_used: float) -> bool:
        """Take over the vendor's time after a refused token; True if that can have been why.

        `offset_used` is the offset the refused token was made with: of several requests refused
        at once, each may be tried again. A second refusal by the learned time finds nothing left
        to learn, so this cannot go in circles.
        """
        if server_now is None:
            return False
        offset = server_now - self._now()
        is_near = abs(offset - offset_used) <= TOLERATED_SECONDS
        if is_near or abs(offset) > LARGEST_OFFSET_SECONDS:
            return False
        self.offset = offset
        return True
