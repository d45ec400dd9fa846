"""Copies a JPEG or PNG without anything that is not needed to show its pixels.

Owns the lists of what may stay. Nothing is decoded, so nothing is lost and a photo of two
megabytes takes milliseconds. Reading stops at the end of the image: what a phone or a
forger put behind it is not copied. Knows Pillow not at all.

JPEG: ITU-T T.81, B.1. PNG: W3C PNG (Third Edition), 5.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError

_JPEG_TABLES = {0xC4, 0xDB, 0xDD, *(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC})}
"""DHT, DQT, DRI and the frame headers: what a decoder needs besides the scans."""
_SOI, _EOI, _SOS, _APP14 = 0xD8, 0xD9, 0xDA, 0xEE
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The first marker behind entropy-coded data that is neither stuffing, restart nor fill."""
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def clean_jpeg(content: bytes) -> bytes:
    """Return the JPEG with tables, frame and scans only. Raises if it is cut short."""
    return b"".join((b"\xff\xd8", *_jpeg_parts(content), b"\xff\xd9"))


def clean_png(content: bytes) -> bytes:
    """Return the PNG with the chunks that carry pixels only. Raises if it is cut or corrupt."""
    if not content.startswith(_PNG_SIGNATURE):
        raise InvalidPhotoError(Code.PHOTO_DAMAGED)
    return _PNG_SIGNATURE + b"".join(_png_chunks(content))


def insert_jpeg_segments(content: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Return the JPEG with (marker, payload) segments right behind its start."""
    parts = [
        bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload
        for marker, payload in segments
    ]
    return b"".join((content[:2], *parts, content[2:]))


def _jpeg_parts(content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    position = 2
    scans = 0
    while True:
        position, marker = _next_marker(content, position)
        if marker == _EOI:
            if not scans:
                raise InvalidPhotoError(Code.PHOTO_DAMAGED)
            return
        length = int.from_bytes(view[position : position + 2], "big")
        end = position + length
        if length < 2 or end > len(content):
            raise InvalidPhotoError(Code.PHOTO_DAMAGED)
        if marker == _SOS:
            scans += 1
            match = _SCAN_END.search(content, end)
            if match is None:
                raise InvalidPhotoError(Code.PHOTO_DAMAGED)
            end = match.start()
        if marker in _JPEG_TABLES or marker == _SOS:
            yield b"\xff" + bytes((marker,))
            yield bytes(view[position:end])
        elif marker == _APP14 and content[position + 2 : position + 7] == b"Adobe" and length >= 14:
            # How three or four components become colours; only its twelve known bytes.
            yield b"\xff\xee\x00\x0e" + bytes(view[position + 2 : position + 14])
        position = end


def _next_marker(content: bytes, position: int) -> tuple[int, int]:
    """Return the position behind the next marker, and the marker's code."""
    while True:
        if position + 2 > len(content) or content[position] != 0xFF:
            raise InvalidPhotoError(Code.PHOTO_DAMAGED)
        marker = content[position + 1]
        position += 1 if marker == 0xFF else 2
        if marker not in {0x01, 0xFF} and not 0xD0 <= marker <= _SOI:
            return position, marker


def _png_chunks(content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    position = len(_PNG_SIGNATURE)
    seen_pixels = False
    while True:
        length = int.from_bytes(view[position : position + 4], "big")
        end = position + 12 + length
        if end > len(content):
            raise InvalidPhotoError(Code.PHOTO_DAMAGED)
        kind = bytes(view[position + 4 : position + 8])
        checksum = int.from_bytes(view[end - 4 : end], "big")
        if zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise InvalidPhotoError(Code.PHOTO_DAMAGED)
        seen_pixels = seen_pixels or kind == b"IDAT"
        if kind in _PNG_KEPT:
            yield bytes(view[position:end])
        if kind == b"IEND":
            if not seen_pixels:
                raise InvalidPhotoError(Code.PHOTO_DAMAGED)
            return
        position = end
