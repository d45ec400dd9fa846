"""Hands a photo out as an HTTP response that no cache may keep: a stored one, or the host's own.

Owns headers and ranges. Who may have the photo has been decided by the caller.
Clauses C14, C20: HILI-3.3, AIART-3.3a, PIXEL-5.3, MIAO-6.3.
There is no public area. Clauses C14: AIART-1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from django.core.files import File
from django.http import (
    FileResponse,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    StreamingHttpResponse,
)

from django_hili.media.ranges import Span, UnsatisfiableError, read_range
from django_hili.media.serving import for_server, is_awaited
from django_hili.media.validators import etag_of, is_known, may_go_on
from django_hili.media.vault import stream
from django_hili.models import Media


class Asking(Protocol):
    """A request, Django's or Django REST framework's."""

    @property
    def method(self) -> str | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


Delivered = Callable[[Media], None]
"""Called when the last byte of the whole photo has been handed to the server."""


def photo_response(
    media: Media, *, request: Asking | None = None, as_attachment: bool = False,
    on_delivered: Delivered | None = None,
) -> HttpResponseBase:  # fmt: skip
    """Stream a live photo, or the part of it that `request` asks for.

    Raises `StorageError` before the first byte if it is gone. Under ASGI `request` has to be
    named, else the server reads all of the photo before it sends any. Only a GET that has taken
    every byte is a delivery: no HEAD, no part, no connection that was cut, no 304.
    """
    etag = _etag_of(media)
    if request is not None and is_known(etag, request.headers.get("If-None-Match")):
        return _guarded(HttpResponseNotModified(), etag)
    try:
        span = _asked(media, request, etag)
    except UnsatisfiableError:
        answer = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        answer["Content-Range"] = f"bytes */{media.size}"
        return _guarded(answer, etag)
    start, end = (span.start, span.end) if span else (0, media.size)
    pieces = _opened(media, start, end)
    response: HttpResponseBase
    if request is not None and request.method == "HEAD":
        # Servers drain what they do not send, so there must be nothing to drain.
        response = HttpResponse(content_type=media.content_type)
    else:
        is_whole = (start, end) == (0, media.size)
        done = partial(on_delivered, media) if on_delivered is not None and is_whole else None
        body = for_server(pieces, request, on_end=done)
        response = StreamingHttpResponse(body, content_type=media.content_type)
    if span:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = span.header
    response["Content-Length"] = str(end - start)
    suffix = media.content_type.removeprefix("image/")
    disposition = "attachment" if as_attachment else "inline"
    response["Content-Disposition"] = f'{disposition}; filename="photo.{suffix}"'
    return _guarded(response, etag)


def file_response(file: File[Any], *, request: Asking, content_type: str) -> FileResponse:
    """Stream a photo that lies in a field of the host's. Raises what opening it does."""
    response = FileResponse(file.open("rb"), content_type=content_type, filename="photo")
    if is_awaited(request):
        pieces = iter(response.streaming_content)  # type: ignore[arg-type]
        response.streaming_content = for_server(pieces, request)
    _keep_private(response)
    return response


def _etag_of(media: Media) -> str:
    """A stored photo never changes, so its id stands for its bytes; it lies under that id too."""
    return etag_of(media.pk.bytes)


def _asked(media: Media, request: Asking | None, etag: str) -> Span | None:
    if request is None or request.method != "GET":
        return None
    if not may_go_on(etag, request.headers.get("If-Range")):
        return None
    return read_range(request.headers.get("Range"), media.size)


def _opened(media: Media, start: int, end: int) -> Iterator[bytes]:
    """Open the photo now, so that what is gone is an error and not half an answer."""
    pieces = stream(media, start, end)
    first = next(pieces, b"")

    def body() -> Iterator[bytes]:
        yield first
        yield from pieces

    return body()


def _guarded(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    _keep_private(response)
    return response


def _keep_private(response: HttpResponseBase) -> None:
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
