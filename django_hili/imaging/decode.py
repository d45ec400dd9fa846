"""From a file's bytes to upright sRGB pixels of eight bits, alpha kept beside them.

Owns orientation, colour management, depth and transparency. Refuses what cannot be shown
truthfully. Uses Pillow; gives Pillow images; knows no storage.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.encode import Tables
from django_hili.imaging.inspect import Header, inspect, reading
from django_hili.imaging.profiles import is_srgb


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded pixels."""

    pixels: Image.Image
    """Mode RGB, or L where the file held no colour; sRGB, upright, eight bits."""
    alpha: Image.Image | None
    """Mode L of the same size, or None where the file had no transparency."""
    warnings: tuple[Code, ...] = ()
    tables: Tables | None = None
    """How coarsely the file rounded, where it is a JPEG."""


def decode(content: bytes, *, max_megapixels: int) -> Picture:
    """Decode the first picture of `content`. Raises `InvalidPhotoError`."""
    header = inspect(content, max_megapixels=max_megapixels)
    notes: list[Code] = []
    with reading(content, max_megapixels=max_megapixels) as opened:
        opened.load()
        tables = getattr(opened, "quantization", None)
        image: Image.Image = opened
        if header.pages > 1:
            notes.append(Code.WARN_FIRST_PAGE)
        if header.orientation != 1:
            image = ImageOps.exif_transpose(image)
        image = _eight_bits(image, header, notes)
        colours, alpha = _split_alpha(image)
        colours = _to_srgb(colours, header, notes)
    for plane in filter(None, (colours, alpha)):
        # Pillow carries comments and profiles along in `info` and would write them out again.
        plane.info = {}
    return Picture(pixels=colours, alpha=alpha, warnings=tuple(notes), tables=tables or None)


def _eight_bits(image: Image.Image, header: Header, notes: list[Code]) -> Image.Image:
    if header.bits == 16:
        notes.append(Code.WARN_SIXTEEN_BIT)
    if image.mode.startswith("I;16"):
        # Dividing keeps every tone; converting the mode directly would clip all but the darkest.
        return image.convert("I").point([level // 256 for level in range(65536)], "L")
    if image.mode in {"I", "F"}:
        raise InvalidPhotoError(Code.PHOTO_FORMAT_UNSUPPORTED)
    return image


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode in {"P", "PA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode in {"1", "L", "RGB"} and image.has_transparency_data:
        image = image.convert("LA" if image.mode in {"1", "L"} else "RGBA")
    elif image.mode in {"1", "RGBX", "RGBa", "La"}:
        image = image.convert({"1": "L", "RGBX": "RGB", "RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode in {"RGBA", "LA"}:
        alpha = image.getchannel("A")
        return image.convert("RGB" if image.mode == "RGBA" else "L"), alpha
    return image, None


def _to_srgb(image: Image.Image, header: Header, notes: list[Code]) -> Image.Image:
    is_plain = image.mode == "RGB" and is_srgb(header.icc_profile or b"")
    if header.icc_profile and not is_plain:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(header.icc_profile))
            managed = ImageCms.profileToProfile(
                image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            if image.mode == "CMYK":
                raise InvalidPhotoError(Code.PHOTO_CMYK_WITHOUT_PROFILE) from None
            notes.append(Code.WARN_PROFILE_IGNORED)
        else:
            if managed is not None:
                return managed.convert("L") if image.mode == "L" else managed
    if image.mode in {"RGB", "L"}:
        return image
    if image.mode in {"YCbCr", "LAB", "HSV"}:
        return image.convert("RGB")
    raise InvalidPhotoError(Code.PHOTO_FORMAT_UNSUPPORTED)
