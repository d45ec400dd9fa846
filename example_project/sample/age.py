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
SHRINK = 2
SATURATION = 0.62
CAST = np.array([1.0, 0.93, 0.74])
"""What is left of red, green and blue: the blue dye of old prints goes first."""
BLACK, WHITE = 0.20, 0.90
"""Where a faded print has its darkest and its lightest tone, on a scale of 0 to 1."""
GRAIN = 0.022
JPEG_QUALITY = 42
_LUMA = np.array([0.299, 0.587, 0.114])


def age(photo: Image.Image) -> Image.Image:
    """Return the photo smaller, faded, tinted and grainy; the blocks come with the JPEG file."""
    size = (photo.width // SHRINK, photo.height // SHRINK)
    pixels = np.asarray(photo.convert("RGB").resize(size, Image.Resampling.BOX)) / 255.0
    grey = pixels @ _LUMA
    pixels = grey[..., None] + SATURATION * (pixels - grey[..., None])
    pixels = (BLACK + (WHITE - BLACK) * pixels) * CAST
    grain = np.random.default_rng(SEED).normal(0.0, GRAIN, pixels.shape[:2])
    pixels = pixels + grain[..., None]
    return Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8))


def main() -> None:
    """Write the aged photo beside the original."""
    with Image.open(ORIGINAL) as photo:
        age(photo).save(AGED, "JPEG", quality=JPEG_QUALITY)


if __name__ == "__main__":
    main()
