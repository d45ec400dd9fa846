"""Holds bytes for as long as somebody has them in hand: few in memory, more in a sealed file.

The file's key exists in this process only and it has no directory entry: when the process dies,
however it dies, nothing is left that could be opened, and nothing that has to be cleaned up.
Clauses C20, C25: MIAO-2.1d, AIART-F2.
"""

from __future__ import annotations

import io
import tempfile
import uuid
from typing import IO

from django.conf import settings

from django_hili.media import sealing

_BUFFER = 4 * sealing.SEGMENT


class Spool:
    """Takes bytes by the piece: into memory while they are few, then into a sealed file."""

    def __init__(self) -> None:
        self._memory = io.BytesIO()
        self._sealed: SealedSpool | None = None

    @property
    def is_on_disk(self) -> bool:
        """Whether there were too many for memory."""
        return self._sealed is not None

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        size = self._memory.tell() + len(piece)
        if self._sealed is None and size > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            self._sealed = SealedSpool()
            self._sealed.add(self._memory.getvalue())
            self._memory = io.BytesIO()
        if self._sealed is None:
            self._memory.write(piece)
        else:
            self._sealed.add(piece)

    def opened(self) -> IO[bytes]:
        """Return what was taken as a file to read, which is whoever's who asks."""
        if self._sealed is not None:
            return self._sealed.opened()
        self._memory.seek(0)
        return self._memory

    def close(self) -> None:
        """Let go of everything."""
        if self._sealed is not None:
            self._sealed.close()
        self._memory = io.BytesIO()


class SealedSpool:
    """Takes bytes by the piece; gives them back as a file once it is complete."""

    def __init__(self) -> None:
        self._key, self._id = sealing.new_key(), uuid.uuid4()
        self._sealer = sealing.Sealer(key=self._key, object_id=self._id)
        folder = settings.FILE_UPLOAD_TEMP_DIR
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - until `close`
        self._file.write(self._sealer.header)
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._size += len(piece)
        self._file.writelines(self._sealer.add(piece))

    def opened(self) -> io.BufferedReader:
        """End what was taken and return it as a file to read, from anywhere in it."""
        self._file.write(self._sealer.end())
        return io.BufferedReader(
            _Opened(self._file, key=self._key, object_id=self._id, size=self._size), _BUFFER
        )

    def close(self) -> None:
        """Let go of everything."""
        self._file.close()


class _Opened(io.RawIOBase):
    """A complete spool, read as what was put in."""

    def __init__(self, file: IO[bytes], *, key: bytes, object_id: uuid.UUID, size: int) -> None:
        super().__init__()
        self._file, self._key, self._id, self._size = file, key, object_id, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from where we are."""
        start = self._at
        end = min(start + len(buffer), self._size)
        if start >= end:
            return 0
        self._file.seek(0)
        pieces = sealing.unseal(
            self._file, key=self._key, object_id=self._id, size=self._size, start=start, end=end
        )
        for piece in pieces:
            offset = self._at - start
            buffer[offset : offset + len(piece)] = piece
            self._at += len(piece)
        return self._at - start

    def close(self) -> None:
        self._file.close()
        super().close()
