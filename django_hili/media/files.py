"""A file object whose content is made while a storage reads it, and the way back.

Knows the two ways storages read: folders by `chunks()`, object stores by `read(n)`. Nothing is
ever whole in memory but what the storage itself gathers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from django.core.files.base import File

if TYPE_CHECKING:
    _File = File[bytes]
else:
    _File = File


class Laid(_File):
    """Pieces as a file for `storage.save`. Can be read once, from its beginning to its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(None, "photo")
        self._rest = b""
        self._pieces = iter(pieces)
        self._at = 0

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the pieces as they come."""
        del chunk_size
        yield from self._pieces

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks()

    def multiple_chunks(self, chunk_size: int | None = None) -> bool:
        """Say that this is read piece by piece."""
        del chunk_size
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes; fewer at the end only."""
        if size is None or size < 0:
            return self._taken(self._rest + b"".join(self._pieces), None)
        gathered = [self._rest]
        have = len(self._rest)
        while have < size and (piece := next(self._pieces, b"")):
            gathered.append(piece)
            have += len(piece)
        return self._taken(b"".join(gathered), size)

    def _taken(self, content: bytes, size: int | None) -> bytes:
        taken, self._rest = content[:size], b"" if size is None else content[size:]
        self._at += len(taken)
        return taken

    def seekable(self) -> bool:
        """Say no: what has been read is gone."""
        return False

    def readable(self) -> bool:
        """Say yes, as a file that was opened for reading."""
        return True

    def tell(self) -> int:
        """Return how many bytes `read` has given."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to the beginning, where we are there: some storages rewind before they read."""
        if (offset, whence) != (0, 0) or self._at:
            raise OSError("cannot be read twice")
        return 0

    @property
    def closed(self) -> bool:
        """Say no: there is nothing to close."""
        return False

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def pieces_of(opened: IO[bytes] | Any, start: int, end: int, *, most: int) -> Iterator[bytes]:
    """Yield what an opened file holds from `start` up to `end`."""
    if start:
        opened.seek(start)
    left = end - start
    while left > 0 and (piece := opened.read(min(most, left))):
        left -= len(piece)
        yield piece
