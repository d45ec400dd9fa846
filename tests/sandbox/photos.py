"""Made-up photos for the sandbox's tests."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw


def scene(width: int = 160, height: int = 120, *, shade: int = 0) -> Image.Image:
    """Draw a landscape with soft gradients and hard edges; shades differ from one another."""
    picture = Image.new("RGB", (width, height))
    pixels = picture.load()
    for y in range(height):
        for x in range(width):
            wave = 20 * math.sin((x + y) / 9)
            pixels[x, y] = (
                int(90 + 110 * y / height + wave) % 256,
                int(150 - 60 * y / height + wave + shade) % 256,
                int(190 - 90 * x / width) % 256,
            )
    draw = ImageDraw.Draw(picture)
    draw.polygon([(0, height), (width * 0.4, height * 0.4), (width * 0.8, height)], (50, 70, 60))
    return picture


def encoded(picture: Image.Image, image_format: str = "JPEG") -> bytes:
    """Return a picture's bytes in a format."""
    out = io.BytesIO()
    picture.save(out, image_format)
    return out.getvalue()


def photo(width: int = 160, height: int = 120, *, shade: int = 0, fmt: str = "JPEG") -> bytes:
    """Return the bytes of a scene."""
    return encoded(scene(width, height, shade=shade), fmt)


def opened(content: bytes) -> Image.Image:
    """Decode bytes to the last pixel."""
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture
