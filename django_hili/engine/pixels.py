"""Owns small arithmetic on pixel arrays: types, luma, cutting with mirrored edges, resizing; knows
Pillow for resizing only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""uint8, H x W x 3 RGB or H x W grey, 0..255, sRGB."""
Plane = NDArray[np.float32]
"""float32, H x W or H x W x C."""
Mask = NDArray[np.bool_]
"""bool, H x W."""

LEVELS = np.float32(255)
"""Of 8 bits; dividing by it gives 0..1."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""BT.601 weights of R, G and B, the ones JPEG uses."""


def luma(pixels: Pixels) -> Plane:
    """Full-range luma 0..255 of RGB or grey."""
    if pixels.ndim == 2:
        return pixels.astype(np.float32)
    return pixels.astype(np.float32) @ LUMA


def mirrored(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Indices start..stop with those outside 0..size folded back, however small `size` is."""
    index = np.arange(start, stop) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def cut(pixels: NDArray[Any], top: int, bottom: int, left: int, right: int) -> NDArray[Any]:
    """Copy a window that may reach over the edges, where the picture is mirrored."""
    height, width = pixels.shape[:2]
    if top >= 0 and left >= 0 and bottom <= height and right <= width:
        return np.ascontiguousarray(pixels[top:bottom, left:right])
    rows, columns = mirrored(top, bottom, height), mirrored(left, right, width)
    return np.ascontiguousarray(pixels[rows[:, None], columns])


def resize(pixels: NDArray[Any], height: int, width: int, kernel: Image.Resampling) -> NDArray[Any]:
    """Resize uint8 (grey, RGB) or one float32 plane with Pillow."""
    image = Image.fromarray(pixels)
    return np.array(image.resize((width, height), kernel))


def spaced(height: int, width: int) -> Pixels:
    """Room for an RGB picture whose pixels lie four bytes apart, as Pillow keeps them."""
    return np.empty((height, width, 4), np.uint8)[..., :3]


def image(pixels: Pixels) -> Image.Image:
    """The picture for Pillow to write: of mode RGBX and without a copy where it is spaced, else of
    mode RGB or L.
    """
    whole = pixels.base
    if isinstance(whole, np.ndarray) and whole.shape == (*pixels.shape[:2], 4):
        return Image.frombuffer("RGBX", whole.shape[1::-1], whole, "raw", "RGBX", 0, 1)
    return Image.fromarray(pixels)


def enlarge(
    window: Pixels, scale: int, spare: int, kernel: Image.Resampling = Image.Resampling.BICUBIC
) -> Pixels:
    """Enlarge a window with `spare` extra pixels on each side, and drop those."""
    height, width = window.shape[:2]
    big = resize(window, height * scale, width * scale, kernel)
    edge = spare * scale
    return big[edge : big.shape[0] - edge, edge : big.shape[1] - edge]


def reduced(pixels: Pixels, longest: int) -> Pixels:
    """A copy whose longer side is at most `longest`, for measuring; small pictures pass through."""
    height, width = pixels.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return pixels
    size = max(1, round(height * factor)), max(1, round(width * factor))
    small: Pixels = resize(pixels, *size, Image.Resampling.BOX)
    return small
