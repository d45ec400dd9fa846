"""Takes uploads under the cap without ever writing a readable byte to a disk.

Owns the upload handler our own views install. Django's default writes anything over 2.5 MB into
a plain temporary file before anybody has been asked. Here a photo up to that size stays in
memory; what grows beyond goes into a sealed spool without a name, so that a slow sender of a
large photo costs a server no more memory than a small one.
Clauses C20, C25: MIAO-2.1d, AIART-F2. C01: HILI-1.2a.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from tempfile import SpooledTemporaryFile
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from django_hili.codes import Code, sentence
from django_hili.conf import MIB, get_settings
from django_hili.exceptions import InvalidPhotoError
from django_hili.media.spool import Spool

logger = logging.getLogger(__name__)

Gate = Callable[[HttpRequest], None]
"""Asked when the first byte of a file arrives; what it raises ends the request."""


def take_uploads(request: HttpRequest, *, gate: Gate | None = None) -> None:
    """Install the handler, unless a middleware of the host has read the body already."""
    if not hasattr(request, "_files"):
        request.upload_handlers = [SealedUploadHandler(request, gate=gate, for_our_view=True)]


class SealedUploadHandler(FileUploadHandler):
    """Holds one file and stops reading as soon as it is over the cap.

    A site may also name it in `FILE_UPLOAD_HANDLERS`, for forms of its own: too large a file is
    then a bad request (400) instead of a refusal with a code.
    """

    chunk_size = 256 * 1024

    def __init__(
        self, request: HttpRequest | None = None, *, gate: Gate | None = None,
        for_our_view: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(request)
        self._gate = gate
        self._is_for_our_view = for_our_view
        self._limit = get_settings().limits.max_bytes
        self._spool = Spool()

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> Any:
        """Say so if the body has been on a disk as it came; it is read as any other."""
        body = getattr(self.request, "_stream", None)
        if isinstance(body, SpooledTemporaryFile) and getattr(body, "_rolled", False):
            _say_that_bodies_lie_open()
        return super().handle_raw_input(*args, **kwargs)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Start a file, if the gate lets it in; the name the client gave is not kept."""
        if self._gate is not None and self.request is not None:
            self._gate(self.request)
        super().new_file(*args, **kwargs)
        self._let_go()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take a piece. Raises `InvalidPhotoError` as soon as the photo is over the cap.

        In a view of the host's, which knows no such error: `RequestDataTooBig`.
        """
        if start + len(raw_data) > self._limit:
            self._let_go()
            limit = self._limit // MIB
            if not self._is_for_our_view:
                raise RequestDataTooBig(sentence(Code.PHOTO_TOO_LARGE, limit=limit))
            raise InvalidPhotoError(Code.PHOTO_TOO_LARGE, limit=limit)
        self.keep(raw_data)

    def keep(self, raw_data: bytes) -> None:
        """Keep a piece: in memory as long as the file is small, then in a sealed file."""
        self._spool.add(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes] | None:
        """Hand the file over under a fixed name."""
        spool, self._spool = self._spool, Spool()
        opened, kind, charset = spool.opened(), self.content_type, self.charset
        if spool.is_on_disk:
            return UploadedFile(opened, "photo", kind, file_size, charset, {})
        return InMemoryUploadedFile(opened, self.field_name, "photo", kind, file_size, charset)

    def upload_interrupted(self) -> None:
        """Let go of what was received."""
        self._let_go()

    def _let_go(self) -> None:
        self._spool.close()
        self._spool = Spool()


@cache
def _say_that_bodies_lie_open() -> None:
    """Once a process; the next upload would say the same."""
    logger.error(
        "An upload lay on a disk as it came before django-hili was asked: this site serves by "
        "Django's own ASGI handler. Take get_asgi_application from django_hili.asgi instead."
    )
