"""Reads a `Range` header: one span of bytes, none, or one that cannot be had (RFC 9110, 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_SPAN = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to `end`, of `size` in all."""

    start: int
    end: int
    size: int

    @property
    def header(self) -> str:
        """The span as `Content-Range` names it, last byte included."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class UnsatisfiableError(Exception):
    """No byte of the file is in the span that was asked for."""


def read_range(header: str | None, size: int) -> Span | None:
    """Return the span asked for; None where all of the file is to be sent.

    Several spans in one request, other units and what is malformed count as not asked. Raises
    `UnsatisfiableError`.
    """
    matched = _ONE_SPAN.fullmatch(header or "")
    if matched is None or matched.groups() == ("", ""):
        return None
    first, last = matched.groups()
    if not first:
        start, end = max(size - int(last), 0), size
        if not int(last) or not size:
            raise UnsatisfiableError
        return Span(start, end, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise UnsatisfiableError
    return Span(start, min(int(last) + 1, size) if last else size, size)
