"""Own the counts of what this process served; must not know what for.

They live in memory: a benchmark reads them, a person looks at them, and a restart begins anew.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Any, Final

_LATEST: Final = 100


class Records:
    """Counts requests, ids and bytes, and keeps the latest requests for the control page."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._latest: deque[dict[str, Any]] = deque(maxlen=_LATEST)

    def count(self, name: str, by: int = 1) -> None:
        """Add to one count."""
        with self._lock:
            self._counts[name] += by

    def request(
        self, *, endpoint: str, outcome: str, faults: str, seconds: float, third_code: str
    ) -> None:
        """Note one served request."""
        with self._lock:
            self._counts[endpoint] += 1
            self._latest.appendleft(
                {
                    "at": time.time(),
                    "endpoint": endpoint,
                    "third_code": third_code,
                    "outcome": outcome,
                    "faults": faults,
                    "milliseconds": round(seconds * 1000, 1),
                }
            )

    def counts(self) -> dict[str, int]:
        """Return every count."""
        with self._lock:
            return dict(self._counts)

    def latest(self) -> list[dict[str, Any]]:
        """Return the latest requests, newest first."""
        with self._lock:
            return list(self._latest)


records = Records()
"""This process's records."""
