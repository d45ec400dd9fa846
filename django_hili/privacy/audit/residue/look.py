"""One look at one place: how much was read, and which words stood there. Owns what a place is.

A count of nought only counts where the same look, at the same place, has just found a word that
was planted. Clauses C35: HILI-5c, AIART-4.2.2. C20: HILI-API-5, MIAO-2.1d.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

PLANT: Final = "hili-canary-"
"""How the name of everything planted begins, so that it can be told from everything else."""
_PIECE: Final = 1024 * 1024


class Place(Protocol):
    """Somewhere that can be read from end to end, and where a word can be planted."""

    @property
    def name(self) -> str:
        """What it is called in a report."""

    def pieces(self) -> Iterator[bytes]:
        """Yield everything that lies there, in order."""

    def planted(self) -> AbstractContextManager[Collection[bytes]]:
        """Plant words and yield them; they are gone when the block ends, however it ends.

        Where the process dies first, a deadline or a rollback takes them away.
        """


@dataclass(frozen=True, slots=True)
class Look:
    """What one look came to."""

    bytes_read: int
    found: frozenset[bytes]
    """The words that stood there."""


def look(pieces: Iterable[bytes], words: Collection[bytes]) -> Look:
    """Read a place for words. A word that two pieces share is found, too."""
    longest = max(map(len, words), default=1)
    found: set[bytes] = set()
    read, tail = 0, b""
    for piece in pieces:
        read += len(piece)
        joined = tail + piece
        found.update(word for word in words if word not in found and word in joined)
        tail = joined[-(longest - 1) :] if longest > 1 else b""
    return Look(read, frozenset(found))


def is_seen(place: Place) -> bool:
    """Plant words in a place and say whether a look finds every one, and none afterwards."""
    with place.planted() as words:
        planted = frozenset(words)
        seen = look(place.pieces(), planted).found
    return bool(planted) and seen == planted and not look(place.pieces(), planted).found


def new_word() -> bytes:
    """Return a word that stands nowhere: short enough for the columns that hold names."""
    return f"hc{secrets.token_hex(6)}".encode()


def pieces_of_file(opened: IO[bytes]) -> Iterator[bytes]:
    """Yield a file's bytes from where it stands."""
    while piece := opened.read(_PIECE):
        yield piece


def pieces_of_path(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes; nothing where it has gone meanwhile or is not ours to read."""
    try:
        opened = path.open("rb")
    except (FileNotFoundError, PermissionError):
        return
    with opened:
        yield from pieces_of_file(opened)
