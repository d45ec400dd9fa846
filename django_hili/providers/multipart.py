"""A form body written by hand, so that it can stop just before its last bytes.

Owns the bytes around a photo and their exact length. Knows no vendor and no HTTP client; never
holds a photo: its pieces pass through.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from django_hili.codes import Code
from django_hili.exceptions import StorageError
from django_hili.providers.remote import Upload

_ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
}
_OTHER_ENDING = "bin"

# Nobody who could put it into a photo ever learns it, so once a process is often enough.
_SECRET = secrets.token_hex(16)
_numbers = itertools.count()

Fields = Mapping[str, str | Sequence[str]]
"""Each name with its value, or with several that repeat the name."""


@dataclass(slots=True)
class Form:
    """One request body: fields, perhaps a photo, and fields that are kept for the last bytes.

    A vendor needs the `last` fields to accept anything, so even a server that takes a body which
    was cut short has nothing to accept before the barrier.
    """

    fields: Fields
    last: Fields = field(default_factory=dict)
    upload: Upload | None = None
    boundary: str = field(default_factory=lambda: f"{_SECRET}{next(_numbers):08x}")

    @property
    def content_type(self) -> str:
        """The request's Content-Type."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int:
        """The request's exact Content-Length in bytes."""
        photo = self.upload.size if self.upload else 0
        return len(self.head) + photo + len(self.tail)

    @property
    def head(self) -> bytes:
        """Everything before the photo."""
        text = self._parts(self.fields)
        if self.upload is not None:
            kind = self.upload.content_type
            # A name of our own: the person's file name is none of the vendor's business.
            name = f"photo.{_ENDINGS.get(kind, _OTHER_ENDING)}"
            text += (
                f"--{self.boundary}\r\n"
                f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
                f"Content-Type: {kind}\r\n\r\n"
            )
        return text.encode()

    @property
    def tail(self) -> bytes:
        """The last bytes: without them nothing has been sent."""
        text = "\r\n" if self.upload else ""
        text += self._parts(self.last)
        return f"{text}--{self.boundary}--\r\n".encode()

    def whole(self) -> bytes:
        """Return the body at once; for forms without a photo."""
        return self.head + self.tail

    async def until_last(self) -> AsyncGenerator[bytes]:
        """Give everything but the tail. Raises `StorageError` if the photo is not its size."""
        yield self.head
        if self.upload is None:
            return
        left = self.upload.size
        pieces = self.upload.pieces()
        try:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    break
                if piece:
                    yield piece
        finally:
            # A generator holds a file open: it must not wait for the garbage collector.
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        if left:
            raise StorageError(Code.STORAGE_FAILED)

    def _parts(self, fields: Fields) -> str:
        return "".join(
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, values in fields.items()
            for value in ([values] if isinstance(values, str) else values)
        )
