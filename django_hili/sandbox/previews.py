"""Own the small pictures of a result: watermarked preview and thumbnail; must not know rows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

PREVIEW_SIDE: Final = 800
ICON_SIDE: Final = 160
WATERMARK: Final = "HILI SANDBOX"

_SHADOW: Final = (0, 0, 0, 90)
_LETTERS: Final = (255, 255, 255, 150)
_TILT_DEGREES: Final = 30


def preview(result: Path) -> bytes:
    """Return a JPEG of the result, at most 800 pixels wide or high, under a tiled watermark."""
    picture = _small(result, PREVIEW_SIDE).convert("RGBA")
    marked = Image.alpha_composite(picture, _watermark(picture.size))
    return _jpeg(marked)


def icon(result: Path) -> bytes:
    """Return a JPEG thumbnail of the result, at most 160 pixels wide or high."""
    return _jpeg(_small(result, ICON_SIDE))


def _small(result: Path, side: int) -> Image.Image:
    with Image.open(result) as picture:
        picture.draft("RGB", (side, side))
        upright = ImageOps.exif_transpose(picture)
        if upright.mode not in ("RGB", "RGBA"):
            has_alpha = "transparency" in upright.info or "A" in upright.getbands()
            upright = upright.convert("RGBA" if has_alpha else "RGB")
        upright.thumbnail((side, side), Image.Resampling.LANCZOS)
        return upright


def _watermark(size: tuple[int, int]) -> Image.Image:
    """Draw the words in slanted rows over a layer larger than the picture, and cut it out."""
    width, height = size
    diagonal = int((width**2 + height**2) ** 0.5) + 2
    font = ImageFont.load_default(size=max(12.0, diagonal / 24))
    layer = Image.new("RGBA", (diagonal, diagonal))
    draw = ImageDraw.Draw(layer)
    left, top, right, bottom = draw.textbbox((0, 0), WATERMARK, font=font)
    step_x, step_y = int((right - left) * 1.4), int((bottom - top) * 3.2)
    for row, y in enumerate(range(0, diagonal, step_y)):
        for x in range(-step_x // 2 * (row % 2), diagonal, step_x):
            draw.text((x + 1, y + 1), WATERMARK, font=font, fill=_SHADOW)
            draw.text((x, y), WATERMARK, font=font, fill=_LETTERS)
    turned = layer.rotate(_TILT_DEGREES, resample=Image.Resampling.BILINEAR, expand=True)
    left_edge, top_edge = (turned.width - width) // 2, (turned.height - height) // 2
    return turned.crop((left_edge, top_edge, left_edge + width, top_edge + height))


def _jpeg(picture: Image.Image) -> bytes:
    """Encode as JPEG; what is transparent shows as a light chequered ground."""
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        draw = ImageDraw.Draw(ground)
        for y in range(0, picture.height, 16):
            for x in range((y // 16 % 2) * 16, picture.width, 32):
                draw.rectangle((x, y, x + 15, y + 15), fill=(225, 225, 225, 255))
        picture = Image.alpha_composite(ground, picture)
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()


def stranger() -> bytes:
    """Return a valid JPEG that has nothing to do with any upload."""
    picture = Image.new("RGB", (64, 48), (120, 40, 160))
    ImageDraw.Draw(picture).ellipse((8, 8, 56, 40), fill=(250, 210, 60))
    return _jpeg(picture)
