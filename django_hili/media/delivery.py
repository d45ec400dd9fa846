"""Hands a stored photo out as an HTTP response that no cache may keep.

Owns headers. Who may have the photo has been decided by the caller.
Clauses C14, C20: HILI-3.3, AIART-3.3a, PIXEL-5.3, MIAO-6.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from django_hili.media.vault import stream
from django_hili.models import Media


def photo_response(media: Media, *, as_attachment: bool = False) -> StreamingHttpResponse:
    """Stream a live photo. Raises `StorageError` before the first byte if it is gone."""
    pieces = stream(media)
    first = next(pieces, b"")

    def body() -> Iterator[bytes]:
        yield first
        yield from pieces

    response = StreamingHttpResponse(body(), content_type=media.content_type)
    response["Content-Length"] = str(media.size)
    suffix = media.content_type.removeprefix("image/")
    disposition = "attachment" if as_attachment else "inline"
    response["Content-Disposition"] = f'{disposition}; filename="photo.{suffix}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
