"""Hands an archive out as an HTTP response that no cache may keep. Owns headers.

Clauses C14, C20: HILI-3.3, AIART-3.3a, MIAO-6.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.http import StreamingHttpResponse

from django_hili.media.serving import for_server

ARCHIVE_NAME: Final = "photos-and-data.zip"


def archive_response(pieces: Iterator[bytes], *, request: object) -> StreamingHttpResponse:
    """Send an archive while it is being written."""
    response = StreamingHttpResponse(for_server(pieces, request), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{ARCHIVE_NAME}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    return response
