"""Takes uploads in memory under the cap, so that no plain temporary file is ever written.

Owns the upload handler our own views install. Django's default writes anything over 2.5 MB
into a temporary folder before anybody has been asked. Clauses C20: MIAO-2.1d, AIART-F2.
"""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest

from django_hili.conf import get_settings


class CappedMemoryUploadHandler(FileUploadHandler):
    """Holds one file in memory and stops reading as soon as it is over the cap."""

    chunk_size = 256 * 1024

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._limit = get_settings().limits.max_bytes
        self._buffer = io.BytesIO()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Start a file; the name the client gave is not kept."""
        super().new_file(*args, **kwargs)
        self._buffer = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Take a piece. One byte over the cap is enough for intake to refuse the photo."""
        room = self._limit + 1 - self._buffer.tell()
        self._buffer.write(raw_data[:room])
        if start + len(raw_data) > self._limit + self.chunk_size:
            # Far over: the rest of the body is read and dropped, not held.
            raise StopUpload(connection_reset=False)
        return None

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """Hand the file over under a fixed name."""
        del file_size  # what was kept may be less than what was sent
        size = self._buffer.tell()
        self._buffer.seek(0)
        return InMemoryUploadedFile(
            self._buffer, self.field_name, "photo", self.content_type, size, self.charset
        )

    def upload_interrupted(self) -> None:
        """Let go of what was received."""
        self._buffer = io.BytesIO()
