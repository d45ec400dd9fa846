"""Makes a file that holds the photo and nothing else, losing as little as possible.

Owns the choice between copying a container and rebuilding from pixels. A plain JPEG or PNG
is copied part by part: the pixels stay what they were, bit for bit. Whatever carries a
turn, a colour profile, more depth or another format is rebuilt.
Clauses C08: HILI-0.3, HILI-1.3.2, AIART-1.2.2, PIXEL-1.1.2.5, MIAO-2.1a.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import ImageCms

from django_hili.codes import Code
from django_hili.imaging.containers import clean_jpeg, clean_png
from django_hili.imaging.decode import Picture, decode, is_srgb
from django_hili.imaging.encode import encode_jpeg, encode_png
from django_hili.imaging.inspect import CONTENT_TYPES, Header, inspect

_REBUILT_QUALITY = 96
_LOSSLESS = {"PNG", "TIFF", "GIF", "BMP"}


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A photo without metadata: upright, sRGB, eight bits, nothing behind its end."""

    content: bytes
    content_type: str
    width: int
    height: int
    warnings: tuple[Code, ...] = ()


def clean(content: bytes, *, max_megapixels: int) -> CleanPhoto:
    """Return `content` as a photo and nothing else. Raises `InvalidPhotoError`."""
    header = inspect(content, max_megapixels=max_megapixels)
    if _can_be_copied(header):
        copied = clean_jpeg(content) if header.format == "JPEG" else clean_png(content)
        return CleanPhoto(copied, CONTENT_TYPES[header.format], header.width, header.height)
    return _rebuild(header, decode(content, max_megapixels=max_megapixels))


def _can_be_copied(header: Header) -> bool:
    if header.orientation != 1 or header.bits != 8:
        return False
    if header.icc_profile and not _holds_srgb(header.icc_profile):
        return False
    if header.format == "JPEG":
        return header.mode in {"RGB", "L"}
    return header.format == "PNG"


def _holds_srgb(icc_profile: bytes) -> bool:
    try:
        return is_srgb(ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)))
    except (OSError, ImageCms.PyCMSError):
        return False


def _rebuild(header: Header, picture: Picture) -> CleanPhoto:
    pixels = picture.pixels
    if picture.alpha is not None or header.format in _LOSSLESS:
        content, kind = encode_png(pixels, alpha=picture.alpha), "PNG"
    else:
        content, kind = encode_jpeg(pixels, quality=_REBUILT_QUALITY), "JPEG"
    return CleanPhoto(content, CONTENT_TYPES[kind], pixels.width, pixels.height, picture.warnings)
