"""The shapes that pass between a vendor's module and `http.py`, and how their headers read.

Knows no vendor and no HTTP client. Addresses and contents never show in a `repr`.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from django_hili.providers.remote import Barrier

_LONGEST_WAIT_TOLD = 3600.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. The first three bound one step, the others a whole exchange."""

    connect: float = 10.0
    read: float = 30.0
    """Silence while an answer is awaited."""
    write: float = 30.0
    """A connection that takes no more bytes."""
    call: float = 60.0
    """A whole small call."""
    send: float = 600.0
    """A photo's way out, up to the barrier."""
    fetch: float = 600.0
    """A result's way in."""

    def steps(self) -> dict[str, float]:
        """Return the bounds of single steps by the name of each step."""
        steps = {"connect": self.connect, "read": self.read, "write": self.write}
        return {**steps, "pool": self.connect}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whole and bounded."""

    status: int
    content: bytes = field(repr=False)
    date: float | None = None
    """The server's clock as Unix seconds."""
    retry_after: float | None = None
    """Seconds that the server asked to be left alone."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a result address gave: a file of `size` bytes, or a reason for none."""

    status: int
    size: int = 0
    location: str = field(default="", repr=False)
    retry_after: float | None = None


class Passage:
    """One send's barrier, and whether the last bytes may have left: before, nothing is charged."""

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier
        self.is_open = False
        """True from the moment the last bytes may leave."""
        self.error: Exception | None = None
        """What the barrier raised instead of letting us through."""

    async def go_through(self) -> None:
        """Await the barrier, and remember what it raised if it did."""
        try:
            await self._barrier()
        except Exception as error:
            self.error = error
            raise


def moment(text: str) -> float | None:
    """Read an HTTP date as Unix seconds; None where it is none."""
    try:
        when = parsedate_to_datetime(text)
        # "-0000" gives a moment without a zone; HTTP knows no other than UTC.
        return when.replace(tzinfo=when.tzinfo or dt.UTC).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def wait_told(text: str, server_now: float | None) -> float | None:
    """Read seconds or an HTTP date; the date is held against the server's own clock."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_TOLD)
    when = moment(text)
    if when is None:
        return None
    now = time.time() if server_now is None else server_now
    return min(max(when - now, 0.0), _LONGEST_WAIT_TOLD)
