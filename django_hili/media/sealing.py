"""Seals bytes in authenticated segments and opens them again, from any place in them.

Owns the formats. A sealed file is a header and segments of 64 KiB, each AES-256-GCM under the
object's own key (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). A
segment's nonce holds its number and whether it is the last; the header and the object's id are
authenticated with every segment. So a file that was cut, reordered, changed or moved to another
object does not open, and no segment is read that has not been checked.
Clauses C25: HILI-5a, AIART-4.2.1a, AIART-4.2.1b, PIXEL-4.1a, PIXEL-4.2, MIAO-2.1d, MIAO-7.3b.
"""

from __future__ import annotations

import secrets
import struct
import uuid
from collections.abc import Iterable, Iterator
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PLAIN = 0
"""Bytes as they are: for a site that encrypts its storage itself."""
SEALED = 1
"""AES-256-GCM in segments of 64 KiB."""

SEGMENT = 64 * 1024
_TAG = 16
_MAGIC = b"HILI"
_HEADER = struct.Struct(">4sB7s")
_NONCE = struct.Struct(">7sI?")
_AT_ONCE = 4
"""Segments read with one call."""


class DamagedError(Exception):
    """The bytes are not those that were sealed for this object."""


def new_key() -> bytes:
    """Return a key for one object."""
    return AESGCM.generate_key(256)


class Sealer:
    """Seals what is pushed into it, one segment behind, since the last one is marked."""

    def __init__(self, *, key: bytes, object_id: uuid.UUID) -> None:
        # Random, so that writing the same object twice never uses a nonce twice.
        self._prefix = secrets.token_bytes(7)
        self.header = _HEADER.pack(_MAGIC, SEALED, self._prefix)
        """Stands before the first segment."""
        self._bound = self.header + object_id.bytes
        self._cipher = AESGCM(key)
        self._number = 0
        self._held = bytearray()

    def add(self, piece: bytes) -> Iterator[bytes]:
        """Yield the sealed segments that `piece` fills."""
        rest = memoryview(piece)
        while len(self._held) + len(rest) > SEGMENT:
            room = SEGMENT - len(self._held)
            if self._held:
                self._held += rest[:room]
                yield self._sealed(self._held, is_last=False)
                self._held = bytearray()
            else:
                yield self._sealed(rest[:room], is_last=False)
            rest = rest[room:]
        self._held += rest

    def end(self) -> bytes:
        """Return the last segment, sealed. There is always one."""
        return self._sealed(self._held, is_last=True)

    def _sealed(self, segment: bytearray | memoryview, *, is_last: bool) -> bytes:
        nonce = _NONCE.pack(self._prefix, self._number, is_last)
        self._number += 1
        return self._cipher.encrypt(nonce, segment, self._bound)


def seal(pieces: Iterable[bytes], *, key: bytes, object_id: uuid.UUID) -> Iterator[bytes]:
    """Yield the sealed form of `pieces`, reading one segment ahead of what is yielded."""
    sealer = Sealer(key=key, object_id=object_id)
    yield sealer.header
    for piece in pieces:
        yield from sealer.add(piece)
    yield sealer.end()


def unseal(
    opened: IO[bytes] | Any, *, key: bytes, object_id: uuid.UUID, size: int, start: int, end: int
) -> Iterator[bytes]:
    """Yield the bytes from `start` up to `end` of a sealed file of `size` bytes.

    Raises `DamagedError` before a byte of a segment that is not what was sealed is given out.
    """
    end = min(end, size)
    first, last = start // SEGMENT, max(size - 1, 0) // SEGMENT
    stop = max(end - 1, start) // SEGMENT
    for number, segment in enumerate(_opened(opened, key, object_id, first, stop, last), first):
        if number in {first, stop}:
            begin = number * SEGMENT
            segment = segment[max(start - begin, 0) : max(end - begin, 0)]  # noqa: PLW2901
        if segment:
            yield segment


def sealed_size(size: int) -> int:
    """Return how many bytes the sealed form of `size` bytes has."""
    return _HEADER.size + size + _TAG * (max(size - 1, 0) // SEGMENT + 1)


def _opened(
    opened: Any, key: bytes, object_id: uuid.UUID, first: int, stop: int, last: int
) -> Iterator[bytes]:
    """Yield whole segments from `first` to `stop`, of which `last` is the file's last."""
    header = opened.read(_HEADER.size)
    if len(header) != _HEADER.size or header[:5] != _MAGIC + bytes([SEALED]):
        raise DamagedError
    cipher, bound, prefix = AESGCM(key), header + object_id.bytes, header[5:]
    if first:
        opened.seek(_HEADER.size + first * (SEGMENT + _TAG))
    for begin in range(first, stop + 1, _AT_ONCE):
        count = min(_AT_ONCE, stop + 1 - begin)
        block = memoryview(_read(opened, count * (SEGMENT + _TAG)))
        for number in range(begin, begin + count):
            offset = (number - begin) * (SEGMENT + _TAG)
            nonce = _NONCE.pack(prefix, number, number == last)
            try:
                yield cipher.decrypt(nonce, block[offset : offset + SEGMENT + _TAG], bound)
            except (InvalidTag, ValueError):
                raise DamagedError from None
    if stop == last and opened.read(1):
        raise DamagedError


def _read(opened: Any, size: int) -> bytes:
    """Read `size` bytes or up to the end; a storage's `read` may give fewer before it."""
    block: bytes = opened.read(size)
    while len(block) < size and (more := opened.read(size - len(block))):
        block += more
    return block
