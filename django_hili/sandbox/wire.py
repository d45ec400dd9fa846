"""Own what goes wrong below HTTP: lost, cut, slowed answers; must not know why.

The sandbox's own server looks at the ``Wire`` it put into the request and obeys it to the byte.
Under any other server the nearest thing is done: an answer whose body breaks off, which makes
servers close the connection.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Final

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
    return _imitation(response, wire)


def _imitation(response: HttpResponseBase, wire: Wire) -> StreamingHttpResponse:
    body = b"".join(response)
    sent = body if wire.share is None else body[: int(len(body) * wire.share)]
    imitation = StreamingHttpResponse(
        _pieces(b"" if wire.is_lost else sent, whole=sent is body and not wire.is_lost, wire=wire),
        status=response.status_code,
        headers=dict(response.items()),
    )
    imitation["Content-Length"] = str(len(body))
    return imitation


def _pieces(body: bytes, *, whole: bool, wire: Wire) -> Iterator[bytes]:
    yield from paced(body, wire.bytes_per_second)
    if not whole:
        raise BrokenOffError("the sandbox breaks this answer off")


def paced(body: bytes, bytes_per_second: int) -> Iterator[bytes]:
    """Yield a body in pieces that keep to a pace; all at once where there is none."""
    if not bytes_per_second:
        yield body
        return
    step = max(1, bytes_per_second // _STEPS_PER_SECOND)
    for at in range(0, len(body), step):
        yield body[at : at + step]
        time.sleep(step / bytes_per_second)
