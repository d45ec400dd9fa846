"""Owns the measuring of damage (noise, JPEG blocks); knows luma planes, no repair.

Everything is measured on samples of the full-size picture: shrinking would average the noise away.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from django_hili.engine.pixels import Pixels, Plane, luma

PATCH = 7
GRID_SIDE = 320
FEW, COARSEST = 0.035, 64.0
"""With fewer frequencies left than this share, the step is past measuring."""
FINER = 3.0
"""How much more finely JPEG rounds the middle frequencies than the finest, in the usual tables."""
FLATTEST = 0.3
SAMPLES = 9000
"""Patches looked at: enough for a steady answer, some 40 ms of work."""


class Noise(NamedTuple):
    deviation: float
    """Standard deviation in luma, in levels; texture can raise it."""
    whiteness: float
    """0..1: about .87 for white noise, below .6 for texture and for noise after JPEG."""
    unrest: float
    """Deviation along the middle direction: what is left of noise after JPEG has taken its finest
    part.
    """


def noise(pixels: Pixels) -> Noise:
    """Estimate the noise in luma from the flattest patches of the picture.

    What a photo shows fills few of the 49 dimensions of a 7 x 7 patch; noise fills all of them
    evenly. So the smallest eigenvalues of the patches' covariance are noise alone (Pyatykh, Hesser
    and Zheng 2013), and their ratio to the middle one says whether it is noise or fine texture.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < 4 * PATCH:
        return Noise(0.0, 0.0, 0.0)
    patches = _patches(pixels)
    spread = patches.var(1)
    patches = patches[spread <= np.quantile(spread, FLATTEST)]
    if len(patches) < 2 * PATCH**2:
        return Noise(0.0, 0.0, 0.0)
    patches = patches - patches.mean(0)
    values = np.linalg.eigvalsh(patches.T @ patches / len(patches))
    smallest, middle = max(float(values[:4].mean()), 0.0), float(values[PATCH**2 // 2])
    return Noise(
        smallest**0.5, (smallest / middle) ** 0.5 if middle > 1e-6 else 0.0, max(middle, 0.0) ** 0.5
    )


def _patches(pixels: Pixels) -> np.ndarray:
    """Cut luma patches on a regular grid, those with clipped tones left out."""
    height, width = pixels.shape[:2]
    step = max(1, int(np.sqrt(height * width / SAMPLES)))
    tops = np.arange(0, height - PATCH + 1, step)
    lefts = np.arange(0, width - PATCH + 1, step)
    rows = (tops[:, None] + np.arange(PATCH)).reshape(-1)
    columns = (lefts[:, None] + np.arange(PATCH)).reshape(-1)
    light = luma(np.ascontiguousarray(pixels[rows[:, None], columns]))
    patches = (
        light.reshape(len(tops), PATCH, len(lefts), PATCH)
        .transpose(0, 2, 1, 3)
        .reshape(-1, PATCH * PATCH)
    )
    usable = (patches.min(1) > 2) & (patches.max(1) < 253)
    return (
        patches[usable].astype(np.float64)
        if usable.sum() > 4 * PATCH**2
        else patches.astype(np.float64)
    )


def blockiness(pixels: Pixels) -> float:
    """How much larger steps are across an 8 x 8 grid than beside it; 1 is none, JPEG at quality 60
    about 1.2.

    Any position of the grid is tried, since photos get cropped. Large steps are edges of the
    picture, not of blocks, and are counted only up to a limit.
    """
    light = luma(_centre(pixels, 1024))
    across, down = _profile(light), _profile(np.ascontiguousarray(light.T))
    return float(np.sqrt(across * down))


def _profile(light: Plane) -> float:
    """Second differences at each of the 8 column positions: how far the largest mean stands above
    all others.
    """
    if light.shape[1] < 32 or light.shape[0] < 16:
        return 1.0
    step = np.abs(np.diff(light, axis=1))
    bend = step[:, 1:-1] * 2 - step[:, :-2] - step[:, 2:]
    excess = np.clip(bend, -8, 8).mean(0)
    level = np.minimum(step, 8).mean() + 0.3
    by_position = excess[: len(excess) // 8 * 8].reshape(-1, 8).mean(0)
    ranked = np.sort(by_position)
    return float(1 + (ranked[-1] - ranked[-2]) / level)


def _centre(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return pixels[top : top + side, left : left + side]


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, straight between."""
    return float(min(max((value - low) / (high - low), 0.0), 1.0))


class Jpeg(NamedTuple):
    certainty: float
    """0 never was a JPEG; from about 0.08 on it was."""
    step: float
    """How coarsely its finest frequencies were rounded: 6 at quality 95, 12 at 90, 22 at 80. Where
    none of them are left, as in smooth pictures, told from the middle ones.
    """


def jpeg(pixels: Pixels) -> Jpeg:
    """Tell whether this picture was a JPEG, and how coarse, from its pixels alone.

    JPEG rounds the finest frequencies of each 8 x 8 block to multiples of a step, most of them to
    nothing, at one position of the grid. So count how often they are nothing at each of the 64
    positions, and see how far one stands out; at that one, the smallest values that are not nothing
    are the step. Finer than `blockiness`: it tells where no block can be seen.
    """
    light = luma(_centre(pixels, GRID_SIDE + 8))
    rows, columns = ((side - 7) // 8 * 8 for side in light.shape)
    if rows < 24 or columns < 24:
        return Jpeg(0.0, 0.0)
    finest, middle = _waves(8, 14), _waves(3, 5)
    shares, steps = np.zeros(64), np.zeros(64)
    for position in range(64):
        top, left = divmod(position, 8)
        part = light[top : top + rows, left : left + columns]
        blocks = part.reshape(rows // 8, 8, columns // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 64)
        lively = blocks[np.ptp(blocks, 1) > 6]
        if len(lively) > 8:
            sizes = np.abs(lively @ finest)
            shares[position] = (sizes < 1.5).mean()
            steps[position] = _step(sizes, 3.0) or FINER * _step(np.abs(lively @ middle), 1.5)
    best = int(shares.argmax())
    return Jpeg(float(shares[best] - np.median(shares)), float(steps[best] or COARSEST))


def _step(sizes: Plane, least: float) -> float:
    """The smallest of the sizes that are not nothing; 0 where too few of them are left."""
    left = sizes[sizes > least]
    return float(np.percentile(left, 30)) if left.size > FEW * sizes.size else 0.0


def _waves(lowest: int, highest: int) -> Plane:
    """The cosine waves of an 8 x 8 block with frequencies lowest <= u + v <= highest, as 64 x
    count.
    """
    n, k = np.arange(8), np.arange(8)[:, None]
    wave = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    both = np.einsum("ui,vj->uvij", wave, wave).reshape(64, 64)
    frequency = np.add.outer(np.arange(8), np.arange(8)).ravel()
    chosen = (frequency >= lowest) & (frequency <= highest)
    return np.ascontiguousarray(both[chosen].T, np.float32)
