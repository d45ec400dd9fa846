"""Hands bytes over in the way the server takes them: WSGI asks for a piece, ASGI awaits one.

An ASGI server that is given an ordinary iterator reads all of it before it sends a byte. Either
way a piece is read when the one before has gone, and the end is the end: what waits for it is
called after the server has come back for more than there is, and never for a cut connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest

Done = Callable[[], None]


def is_awaited(request: object) -> bool:
    """Whether `request`, Django's or DRF's, came through an ASGI server."""
    return isinstance(getattr(request, "_request", request), ASGIRequest)


def for_server(
    pieces: Iterator[bytes], request: object, *, on_end: Done | None = None
) -> Iterator[bytes] | AsyncIterator[bytes]:  # fmt: skip
    """Return `pieces` for the server that `request` came through, Django's request or DRF's."""
    if is_awaited(request):
        return _Awaited(pieces, on_end)
    return _asked_for(pieces, on_end)


def _asked_for(pieces: Iterator[bytes], on_end: Done | None) -> Iterator[bytes]:
    yield from pieces
    if on_end is not None:
        on_end()


class _Awaited:
    """Reads pieces in the request's own thread, where its database connections are."""

    def __init__(self, pieces: Iterator[bytes], on_end: Done | None) -> None:
        self._pieces, self._on_end = pieces, on_end

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await sync_to_async(self._read)()
        if piece is not None:
            return piece
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            await sync_to_async(on_end)()
        raise StopAsyncIteration

    def _read(self) -> bytes | None:
        return next(self._pieces, None)

    def close(self) -> None:
        """Let go of what is open. Django calls it with the response's end, in the same thread."""
        if close := getattr(self._pieces, "close", None):
            close()
