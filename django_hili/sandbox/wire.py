"""Own what goes wrong below HTTP: lost, cut, slowed answers; must not know why.

The sandbox's own server looks at the ``Wire`` it put into the request and obeys it to the byte.
Under any other server the nearest thing is done: the answer's body breaks off, and the connection
is shut where the server lets it be found.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

KEY: Final = "hili_sandbox.wire"
_STEPS_PER_SECOND: Final = 20


class BrokenOffError(ConnectionAbortedError):
    """The answer is meant to break off here."""


@dataclasses.dataclass(slots=True)
class Wire:
    """What is to happen to the bytes of one answer."""

    is_lost: bool = False
    """Send nothing and close."""
    is_reset: bool = False
    """Close by a TCP reset instead of an orderly end."""
    share: float | None = None
    """Send this share of the body and close."""
    bytes_per_second: int = 0
    """Send the body no faster than this; 0 for as fast as it goes."""

    @property
    def is_plain(self) -> bool:
        """Return whether the answer goes out untouched."""
        return self == _PLAIN


_PLAIN = Wire()


def obey(request: HttpRequest, response: HttpResponseBase, wire: Wire) -> HttpResponseBase:
    """Leave the order with the sandbox's own server, or imitate it under a foreign one."""
    if wire.is_plain:
        return response
    own = request.META.get(KEY)
    if isinstance(own, Wire):
        for field in dataclasses.fields(Wire):
            setattr(own, field.name, getattr(wire, field.name))
        return response
    return _imitation(request, response, wire)


def _imitation(
    request: HttpRequest, response: HttpResponseBase, wire: Wire
) -> StreamingHttpResponse:
    body = b"".join(response)
    sent = body if wire.share is None else body[: int(len(body) * wire.share)]
    is_whole = not wire.is_lost and len(sent) == len(body)
    imitation = StreamingHttpResponse(
        _pieces(request, b"" if wire.is_lost else sent, is_whole=is_whole, wire=wire),
        status=response.status_code,
        headers=dict(response.items()),
    )
    imitation["Content-Length"] = str(len(body))
    return imitation


def _pieces(request: HttpRequest, body: bytes, *, is_whole: bool, wire: Wire) -> Iterator[bytes]:
    if body:
        yield from paced(body, wire.bytes_per_second)
    if not is_whole:
        _hang_up(request)
        raise BrokenOffError("the sandbox breaks this answer off")


def _hang_up(request: HttpRequest) -> None:
    """Shut the connection of a foreign server, where the request lets it be found.

    Without this the development server would keep it open, and the caller would wait.
    """
    source = request.META.get("gunicorn.socket") or request.META.get("wsgi.input")
    # The development server wraps its stream and keeps no more of it than its read method.
    stream: Any = getattr(getattr(source, "_read", None), "__self__", source)
    try:
        number = stream.fileno()
        with socket.socket(fileno=os.dup(number)) as connection:
            connection.shutdown(socket.SHUT_RDWR)
    except (AttributeError, OSError, ValueError):
        return


def paced(body: bytes, bytes_per_second: int) -> Iterator[bytes]:
    """Yield a body in pieces that keep to a pace; all at once where there is none."""
    if not bytes_per_second:
        yield body
        return
    step = max(1, bytes_per_second // _STEPS_PER_SECOND)
    for at in range(0, len(body), step):
        yield body[at : at + step]
        time.sleep(step / bytes_per_second)
