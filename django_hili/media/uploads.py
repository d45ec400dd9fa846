"""Takes uploads in memory under the cap, so that no plain temporary file is ever written.

Owns the upload handler our own views install. Django's default writes anything over 2.5 MB
into a temporary folder before anybody has been asked. Clauses C20: MIAO-2.1d, AIART-F2.
"""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from django_hili.codes import Code
from django_hili.conf import MIB, get_settings
from django_hili.exceptions import InvalidPhotoError


def take_uploads_in_memory(request: HttpRequest) -> None:
    """Install the handler, unless a middleware of the host has read the body already."""
    if not hasattr(request, "_files"):
        request.upload_handlers = [CappedMemoryUploadHandler(request)]


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

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take a piece. Raises `InvalidPhotoError` as soon as the photo is over the cap."""
        if start + len(raw_data) > self._limit:
            self._buffer = io.BytesIO()
            raise InvalidPhotoError(Code.PHOTO_TOO_LARGE, limit=self._limit // MIB)
        self._buffer.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes] | None:
        """Hand the file over under a fixed name."""
        self._buffer.seek(0)
        return InMemoryUploadedFile(
            self._buffer, self.field_name, "photo", self.content_type, file_size, self.charset
        )

    def upload_interrupted(self) -> None:
        """Let go of what was received."""
        self._buffer = io.BytesIO()
