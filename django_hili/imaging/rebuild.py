"""Decodes a photo and writes it anew: upright, sRGB, eight bits, nothing but pixels.

Owns what a photo becomes when copying its container is not enough. Hostile bytes are decoded
here, so it is meant to be called in `apart_process.py` only. Knows no other process.
"""

from __future__ import annotations

from dataclasses import dataclass

from django_hili.codes import Code
from django_hili.imaging.decode import decode
from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png, mark_of
from django_hili.imaging.inspect import CONTENT_TYPES, inspect

_QUALITY = 96
_LOSSLESS = {"PNG", "TIFF", "GIF", "BMP"}


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A photo without metadata: upright, sRGB, eight bits, nothing behind its end."""

    content: bytes
    content_type: str
    width: int
    height: int
    warnings: tuple[Code, ...] = ()
    mark: SourceType | None = None
    """What the file said about how it was made: all of its metadata that is not forgotten."""


def rebuild(content: bytes, *, max_megapixels: int) -> CleanPhoto:
    """Return `content` made anew from its pixels. Raises `InvalidPhotoError`."""
    header = inspect(content, max_megapixels=max_megapixels)
    picture = decode(content, max_megapixels=max_megapixels)
    pixels = picture.pixels
    if picture.alpha is not None or header.format in _LOSSLESS:
        made, kind = encode_png(pixels, alpha=picture.alpha), "PNG"
    else:
        made, kind = encode_jpeg(pixels, quality=_QUALITY), "JPEG"
    size = pixels.width, pixels.height
    return CleanPhoto(made, CONTENT_TYPES[kind], *size, picture.warnings, mark_of(content))
