"""Owns the photos the engine is judged by; knows scikit-image's data folder, no net has seen any of
them.

The nets are trained on generated pictures alone, so every photograph is unseen. These lie inside
scikit-image's wheel: nothing is downloaded.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from training.pictures import Bytes

FILES = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "cameraman": "camera.png",
    "motorcycle": "motorcycle_left.png",
    "coins": "coins.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "galaxies": "hubble_deep_field.jpg",
    "moon": "moon.png",
    "retina": "retina.jpg",
    "tissue": "ihc.png",
    "bricks": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "clock": "clock_motion.png",
}
EXTRA = {"cell": "cell.png"}
TEXTS = {"page": "page.png", "handwriting": "text.png"}
DESIGN_SIX = ("astronaut", "cat", "cameraman", "motorcycle", "coins", "page")
"""The six on which the goals were set."""
APART = ("tissue", "bricks", "grass", "gravel", "clock", "cell")
"""Photos on which no threshold of the scratch finder was chosen."""
COLOUR = ("astronaut", "cat", "motorcycle", "coffee", "rocket")
"""Colour photos of things at a distance: those that can be faded or hazy."""


@cache
def photo(name: str) -> Bytes:
    """Read one, cropped to sides that every scale divides; grey stays grey."""
    path = Path(skimage.__file__).parent / "data" / (FILES | TEXTS | EXTRA)[name]
    with Image.open(path) as file:
        image = file.convert("L" if file.mode in ("L", "1", "I", "F", "P") else "RGB")
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[: height - height % 8, : width - width % 8])


def colour(name: str, limit: int = 512) -> Bytes:
    """The same as RGB, cut to its middle `limit` x `limit`."""
    pixels = photo(name)
    pixels = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
    top, left = (max(0, (side - limit) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + limit, left : left + limit])
