"""Made-up photos for the sandbox's tests."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw, ImageFilter


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


def sitter(width: int = 300, height: int = 380) -> Image.Image:
    """Draw somebody in front of a plain wall, as for an ID photo."""
    picture = Image.new("RGB", (width, height), (205, 212, 220))
    draw = ImageDraw.Draw(picture)
    chest = (width * 0.18, height * 0.66, width * 0.82, height * 1.2)
    draw.rounded_rectangle(chest, 60, fill=(45, 60, 110))
    neck = (width * 0.43, height * 0.52, width * 0.57, height * 0.72)
    draw.rectangle(neck, fill=(200, 150, 120))
    face = (width * 0.32, height * 0.18, width * 0.68, height * 0.6)
    draw.ellipse(face, fill=(214, 166, 136))
    hair = (width * 0.3, height * 0.13, width * 0.7, height * 0.55)
    draw.pieslice(hair, 180, 360, fill=(50, 35, 28))
    return picture.filter(ImageFilter.GaussianBlur(1))


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
