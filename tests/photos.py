"""Photos made for tests: real files of every kind that a person may send."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

CANARIES = {
    "camera": "CANARYCAMERA",
    "comment": "CANARYCOMMENT",
    "xmp": "CANARYXMP",
    "text": "CANARYTEXT",
    "trailer": "CANARYTRAILER",
    "file_name": "CANARYFILENAME",
    "gps": "CANARYGPS",
}


def picture(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """A smooth scene with edges and a little grain."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 90 * np.sin(x / 9) * np.cos(y / 7)
    green = np.where((x // 8 + y // 8) % 2, 190, 60)
    blue = 255 * x / max(width - 1, 1)
    pixels = np.stack([red, green, blue], axis=2) + rng.normal(0, 3, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode)


def jpeg(width: int = 60, height: int = 40, **options) -> bytes:
    return saved(picture(width, height), "JPEG", quality=90, **options)


def png(width: int = 60, height: int = 40, mode: str = "RGB", **options) -> bytes:
    return saved(picture(width, height, mode), "PNG", **options)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seeded_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = CANARIES["camera"]
    exif[ExifTags.Base.Orientation] = orientation
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[1], gps[2], gps[27] = "N", (31.0, 12.0, 0.0), CANARIES["gps"].encode()
    return exif


def seeded_jpeg(orientation: int = 1) -> bytes:
    """A JPEG with something personal in every place a JPEG has, and bytes behind its end."""
    content = jpeg(
        exif=seeded_exif(orientation),
        comment=CANARIES["comment"].encode(),
        xmp=f"<x:xmpmeta>{CANARIES['xmp']}</x:xmpmeta>".encode(),
    )
    return content + CANARIES["trailer"].encode()


def seeded_png() -> bytes:
    info = PngInfo()
    info.add_text("Author", CANARIES["text"])
    info.add_itxt("XML:com.adobe.xmp", CANARIES["xmp"])
    content = png(pnginfo=info, exif=seeded_exif())
    return content + CANARIES["trailer"].encode()


def seeded_webp() -> bytes:
    return saved(picture(), "WEBP", exif=seeded_exif(), xmp=CANARIES["xmp"].encode())


def truncated_jpeg() -> bytes:
    content = jpeg(400, 300)
    return content[: len(content) * 6 // 10]


def bomb(width: int = 20_000, height: int = 10_000) -> bytes:
    """A valid PNG header of 200 megapixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width + 7) // 8 + 1) * height, 9)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def animated_gif() -> bytes:
    frames = [picture(), picture().rotate(30)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)


def cmyk_jpeg() -> bytes:
    return saved(picture(mode="CMYK"), "JPEG")


def sixteen_bit_grey_png() -> bytes:
    grey = np.asarray(picture(mode="L")).astype(np.uint16) * 257
    return saved(Image.fromarray(grey), "PNG")


def sixteen_bit_rgb_png(width: int = 32, height: int = 24) -> bytes:
    """Colour type 2 at depth 16, written by hand since Pillow cannot."""
    pixels = np.asarray(picture(width, height)).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def swapped_profile() -> bytes:
    """A colour profile that is not sRGB: colours change visibly under it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


BAD_PHOTOS = {
    "photo_empty": b"",
    "photo_not_an_image": b"Dear aunt, here is the photo.\n" * 40,
    "photo_damaged": truncated_jpeg(),
    "photo_too_many_pixels": bomb(),
    "photo_animated": animated_gif(),
    "photo_cmyk_without_profile": cmyk_jpeg(),
    "photo_format_unsupported": b"\x00\x00\x00\x18ftypheic" + b"\0" * 200,
}
"""Bad input by the code it must be refused with."""
