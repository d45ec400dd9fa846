"""Makes a worn print of the sample photo; knows the recipe of the damage, nothing of the site.

Run `python example_project/sample/age.py` to make `collins-aged.jpg` anew from `collins.jpg`. The
seed is fixed, so the same libraries give the same file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
ORIGINAL = HERE / "collins.jpg"
AGED = HERE / "collins-aged.jpg"

SEED = 1998
SHORTER_SIDE = 384
SATURATION = 0.66
BLACK = np.array([0.21, 0.18, 0.15])
WHITE = np.array([0.87, 0.82, 0.66])
"""What black and white have become in red, green and blue, 0 to 1. Dyes fade unevenly: the print
has turned pale and yellow."""
GRAIN = 0.024
JPEG_QUALITY = 45
_LUMA = np.array([0.299, 0.587, 0.114])


def age(photo: Image.Image) -> Image.Image:
    """Return the photo smaller, faded, tinted and grainy; the blocks come with the JPEG file."""
    shrink = SHORTER_SIDE / min(photo.size)
    size = (round(photo.width * shrink), round(photo.height * shrink))
    pixels = np.asarray(photo.convert("RGB").resize(size, Image.Resampling.BICUBIC)) / 255.0
    grey = (pixels @ _LUMA)[..., None]
    pixels = grey + SATURATION * (pixels - grey)
    pixels = BLACK + (WHITE - BLACK) * pixels
    grain = np.random.default_rng(SEED).normal(0.0, GRAIN, pixels.shape[:2])
    pixels = pixels + grain[..., None]
    return Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8))


def main() -> None:
    """Write the aged photo beside the original."""
    with Image.open(ORIGINAL) as photo:
        age(photo).save(AGED, "JPEG", quality=JPEG_QUALITY)


if __name__ == "__main__":
    main()
