"""Holds bytes on disk for as long as somebody has them in hand, sealed and without a name.

The key exists in this process only and the file has no directory entry: when the process dies,
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
