"""Writes resolution and mark into a clean file without coding its pixels again.

Owns where they go in a JPEG and in a PNG. JFIF 1.02; XMP in JPEG: ISO 16684-3; PNG: pHYs, iTXt.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from django_hili.imaging.clean import CleanPhoto
from django_hili.imaging.containers import insert_jpeg_segments
from django_hili.imaging.encode import SourceType, strongest

_APP0, _APP1 = 0xE0, 0xE1
_XMP_NAMESPACE = b"http://ns.adobe.com/xap/1.0/\x00"
_PNG_HEAD = 33
"""Signature and IHDR: what follows may be anything."""
_INCHES_PER_METRE = 39.3701


def marked(photo: CleanPhoto, *, dpi: int | None = None, mark: SourceType | None = None) -> bytes:
    """Return a clean JPEG or PNG with its resolution and the mark of what made it.

    A photo that said more about itself when it came in goes on saying that.
    """
    mark = strongest(mark, photo.mark)
    if photo.content_type == "image/jpeg":
        return insert_jpeg_segments(photo.content, *_segments(dpi, mark))
    head, rest = photo.content[:_PNG_HEAD], photo.content[_PNG_HEAD:]
    return b"".join((head, *_chunks(dpi, mark), rest))


def _segments(dpi: int | None, mark: SourceType | None) -> Iterator[tuple[int, bytes]]:
    if dpi:
        yield _APP0, b"JFIF\x00\x01\x02\x01" + dpi.to_bytes(2, "big") * 2 + b"\x00\x00"
    if mark:
        yield _APP1, _XMP_NAMESPACE + mark.xmp


def _chunks(dpi: int | None, mark: SourceType | None) -> Iterator[bytes]:
    if dpi:
        per_metre = round(dpi * _INCHES_PER_METRE).to_bytes(4, "big")
        yield _chunk(b"pHYs", per_metre * 2 + b"\x01")
    if mark:
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + mark.xmp)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum
