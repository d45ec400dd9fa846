"""What a file says about itself before a pixel is decoded: format, size, depth, frames.

Owns the refusal of everything that should never reach a decoder. Knows no storage.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
"""Pillow's names of what is read, those it loads without its other plug-ins first."""

for _name in ("PIL.TiffImagePlugin", "PIL.PngImagePlugin"):
    # At DEBUG these write every EXIF value and chunk into the log: cameras, places, names.
    logging.getLogger(_name).addFilter(lambda record: record.levelno >= logging.INFO)

CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}
_ORIENTATION = 0x0112
_IMAGE_MAGIC = (b"\x00\x00\x01\x00", b"8BPS", b"II*\x00", b"MM\x00*", b"\x00\x00\x00\x0cjP  ")


@dataclass(frozen=True, slots=True)
class Header:
    """What a file's header says, checked against the limits."""

    format: str
    """JPEG, PNG, WEBP, TIFF, GIF or BMP; a phone's MPO counts as JPEG."""
    width: int
    height: int
    mode: str
    """Pillow's mode: RGB, L, CMYK, P, RGBA, LA, I;16 and so on."""
    bits: int
    """Bits per channel, 8 or 16."""
    orientation: int
    """The EXIF orientation, 1 to 8; 1 is upright."""
    icc_profile: bytes | None
    pages: int


def inspect(content: bytes, *, max_megapixels: int) -> Header:
    """Read the header of `content`. Raises `InvalidPhotoError` for what must not be decoded."""
    if not content:
        raise InvalidPhotoError(Code.PHOTO_EMPTY)
    with reading(content, max_megapixels=max_megapixels) as image:
        return _header(content, image, max_megapixels)


@contextlib.contextmanager
def reading(content: bytes, *, max_megapixels: int) -> Iterator[Image.Image]:
    """Open `content`, and turn whatever goes wrong while it is read into `InvalidPhotoError`.

    The border to Pillow: on hostile bytes any of its methods may raise anything, and warn.
    """
    try:
        with warnings.catch_warnings():
            # The size is checked right after opening, against our own and lower limit. Other
            # warnings tell of a photo's insides, which concern nobody who reads a log.
            warnings.simplefilter("ignore")
            yield Image.open(io.BytesIO(content), formats=FORMATS)
    except (InvalidPhotoError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise InvalidPhotoError(Code.PHOTO_TOO_MANY_PIXELS, limit=max_megapixels) from None
    except UnidentifiedImageError:
        raise InvalidPhotoError(_why_unidentified(content)) from None
    except Exception:  # noqa: BLE001 - a decoder may raise anything on hostile bytes
        raise InvalidPhotoError(Code.PHOTO_DAMAGED) from None


def _header(content: bytes, image: Image.Image, max_megapixels: int) -> Header:
    if image.width * image.height > max_megapixels * 1_000_000:
        raise InvalidPhotoError(Code.PHOTO_TOO_MANY_PIXELS, limit=max_megapixels)
    # MPO is a JPEG with further pictures behind it, as phones write them.
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    icc = image.info.get("icc_profile")
    if image.mode == "CMYK" and not icc:
        raise InvalidPhotoError(Code.PHOTO_CMYK_WITHOUT_PROFILE)
    header = Header(
        format=kind,
        width=image.width,
        height=image.height,
        mode=image.mode,
        bits=_bits(content, image),
        orientation=_orientation(image),
        icc_profile=icc if isinstance(icc, bytes) else None,
        # Last: looking for further pages leaves the first one behind.
        pages=1 if kind == "JPEG" else int(getattr(image, "n_frames", 1)),
    )
    if header.pages > 1 and kind != "TIFF":
        raise InvalidPhotoError(Code.PHOTO_ANIMATED)
    return header


def _why_unidentified(content: bytes) -> Code:
    """Tell a picture in a format we do not read, or a broken one, from no picture at all."""
    if content[:3] == b"\xff\xd8\xff" or content[:4] == b"\x89PNG" or content[:4] == b"GIF8":
        return Code.PHOTO_DAMAGED
    boxed = content[4:8] == b"ftyp"
    if boxed or content.startswith(_IMAGE_MAGIC) or b"<svg" in content[:512]:
        return Code.PHOTO_FORMAT_UNSUPPORTED
    return Code.PHOTO_NOT_AN_IMAGE


def _bits(content: bytes, image: Image.Image) -> int:
    if image.format == "PNG":
        return 16 if content[24] == 16 else 8  # the bit depth in IHDR; Pillow's mode hides it
    return 16 if image.mode.startswith(("I", "F")) else 8


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF block says nothing about the pixels
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
