"""Owns removing noise, grain and JPEG blocks; knows the repair net and the measures, no tone and no
enlargement.

A photo without damage is left alone to the last bit. How much of the net's correction is applied
follows what was measured, so there is no cliff between a clean photo and a slightly damaged one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from django_hili.engine import measure, nets
from django_hili.engine.manners import Manner
from django_hili.engine.pixels import LEVELS, Pixels, Plane, cut, resize
from django_hili.engine.tiles import Tile, even_tiles, run

SPARE = 4
"""Pixels around a tile that enlarging the half-size colour needs."""

DRAWN_JPEG = 0.3
"""Certainty from which a drawing was a JPEG; letters alone measure up to 0.04."""

TO_YCC = np.array(
    [[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]], np.float32
)
"""JFIF colour matrix, RGB in rows."""
TO_RGB = np.array([[0.0, -0.344136, 1.772], [1.402, -0.714136, 0.0]], np.float32)
"""What Cb and Cr add to R, G and B."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What was measured, and from it how much repair the photo needs."""

    noise: measure.Noise
    blockiness: float
    jpeg: measure.Jpeg

    def strength(self, manner: Manner) -> float:
        """0 leave alone .. the most this type allows: white noise, or blocks, or noise under faint
        blocks; in drawings and pages, a JPEG.
        """
        noise = measure.ramp(self.noise.deviation, 1.4, 3.6) * measure.ramp(
            self.noise.whiteness, 0.62, 0.75
        )
        visible = measure.ramp(self.jpeg.step, 10, 18)  # finer rounding leaves no visible block
        # Half of the correction takes most of the blocks; the other half is for noise under them.
        share = 0.5 + 0.5 * measure.ramp(self.noise.unrest, 0.7, 1.2)
        blocks = measure.ramp(self.blockiness, 1.11, 1.36) * visible * share
        both = measure.ramp(self.noise.unrest, 4.1, 4.8) * measure.ramp(self.blockiness, 1.04, 1.07)
        both *= visible
        ripples = 0.0
        if manner.is_drawn and self.jpeg.certainty > DRAWN_JPEG:
            ripples = measure.ramp(self.jpeg.step, 13, 20)
        return manner.repair_at_most * max(noise, blocks, both, ripples)


def damage(pixels: Pixels) -> Damage:
    return Damage(measure.noise(pixels), measure.blockiness(pixels), measure.jpeg(pixels))


def repair(
    pixels: Pixels, strength: float, progress: Callable[[float], None] | None = None
) -> Pixels:
    """Take `strength` (0..1) of the net's correction; same shape out."""
    if pixels.ndim == 3 and is_grey(pixels):
        return np.repeat(repair(pixels[..., 0], strength, progress)[..., None], 3, 2)
    net = nets.load("repair")
    height, width = pixels.shape[:2]
    out = np.empty_like(pixels)
    reach = 2 * net.margin + SPARE

    def work(tile: Tile) -> None:
        window = cut(
            pixels, tile.top - reach, tile.bottom + reach, tile.left - reach, tile.right + reach
        )
        clean = _corrected(window, net)
        inner = window[reach:-reach, reach:-reach]
        mixed = inner + strength * (clean - inner)
        bottom, right = min(tile.bottom, height), min(tile.right, width)
        part = mixed[: bottom - tile.top, : right - tile.left]
        out[tile.top : bottom, tile.left : right] = np.rint(part).clip(0, 255)

    run(work, even_tiles(height, width), progress)
    return out


def _corrected(window: Pixels, net: nets.Net) -> Plane:
    """Run the net on one window; the answer, 0..255, lacks the window's margin."""
    edge, colour = SPARE, window.ndim == 3
    scaled = window.astype(np.float32) / LEVELS
    ycc = scaled @ TO_YCC if colour else scaled[..., None]
    height, width = ycc.shape[:2]
    light = nets.unfold(np.ascontiguousarray(ycc[..., :1]), 2)
    if colour:
        halves = ycc[..., 1:].reshape(height // 2, 2, width // 2, 2, 2).mean((1, 3)) + np.float32(
            0.5
        )
    else:
        halves = np.full((height // 2, width // 2, 2), 0.5, np.float32)
    planes = np.concatenate([light, halves], 2)
    margin = net.margin
    planes = planes[margin:-margin, margin:-margin] + net(planes)
    clean = nets.fold_back(planes[..., :4], 2)[edge:-edge, edge:-edge, 0]
    if not colour:
        return clean * 255
    rows, columns = 2 * planes.shape[0], 2 * planes.shape[1]
    chroma = np.stack(
        [
            resize(np.ascontiguousarray(planes[..., k]), rows, columns, Image.Resampling.BICUBIC)
            for k in (4, 5)
        ],
        2,
    )[edge:-edge, edge:-edge]
    rgb: Plane = (clean[..., None] + (chroma - np.float32(0.5)) @ TO_RGB) * 255
    return rgb


def is_grey(pixels: Pixels) -> bool:
    """Say whether an RGB picture has no colour at all; a grey photo must not come back tinted."""
    return bool(
        (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all()
    )
