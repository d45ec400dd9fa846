"""Own the look at an uploaded file: is it a picture that can be processed; must not know rows."""

from __future__ import annotations

import dataclasses
import io
import struct

from PIL import Image, UnidentifiedImageError

from django_hili.sandbox import behaviour, contract
from django_hili.sandbox.contract import (
    DAMAGED_PICTURE,
    UNSUPPORTED_FILE,
    UPLOAD_FAILED,
    RefusalError,
)

_MOST_PIXELS = 40_000_000
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow raises for a picture that it cannot read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Inspected:
    """What the header of an accepted picture says."""

    image_format: str
    width: int
    height: int


def inspect(content: bytes, *, mode: str) -> Inspected:
    """Check one file; the Refusal says whether it is empty, no picture, or a damaged one.

    In the modes that promise to cost nothing only the header and the end mark are looked at;
    with the engine the whole picture is decoded.
    """
    if not content:
        raise RefusalError(UPLOAD_FAILED)
    try:
        picture = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise RefusalError(UNSUPPORTED_FILE) from None
    except _BROKEN:
        raise RefusalError(DAMAGED_PICTURE) from None
    with picture:
        image_format = picture.format or ""
        width, height = picture.size
        if image_format == "MPO":
            image_format = "JPEG"
        if image_format not in contract.FORMATS:
            raise RefusalError(UNSUPPORTED_FILE)
        if width * height > _MOST_PIXELS or not _has_end(content, image_format):
            raise RefusalError(DAMAGED_PICTURE)
        if mode == behaviour.ENGINE:
            _decode(picture)
    return Inspected(image_format, width, height)


def _has_end(content: bytes, image_format: str) -> bool:
    """Tell whether the file goes on to where its format says that it ends."""
    if image_format == "JPEG":
        return b"\xff\xd9" in content[-4096:]
    if image_format == "PNG":
        return b"IEND" in content[-4096:]
    if image_format == "GIF":
        return b"\x3b" in content[-4096:]
    (declared,) = struct.unpack("<I", content[4:8])
    return bool(len(content) >= declared + 8)


def _decode(picture: Image.Image) -> None:
    """Decode the whole picture; JPEG at an eighth of its size, which reads all the same bytes."""
    try:
        if picture.format == "JPEG":
            picture.draft("RGB", (picture.width // 8, picture.height // 8))
        picture.load()
    except _BROKEN:
        raise RefusalError(DAMAGED_PICTURE) from None
