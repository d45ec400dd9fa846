"""Owns the window filters (mean, minimum, guided) and the enlarging of coarse maps; knows float
planes, no operation.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from django_hili.engine.pixels import Plane, mirrored, resize


def mean(plane: Plane, reach: int) -> Plane:
    """Mean over windows of 2 reach + 1, mirrored at the edges; H x W or H x W x C."""
    for axis in (0, 1):
        size = plane.shape[axis]
        padded = np.take(plane, mirrored(-reach - 1, size + reach, size), axis).astype(np.float64)
        total = np.cumsum(padded, axis)
        width = 2 * reach + 1
        ends = np.take(total, np.arange(width, width + size), axis)
        plane = ((ends - np.take(total, np.arange(size), axis)) / width).astype(np.float32)
    return plane


def minimum(plane: Plane, reach: int) -> Plane:
    """Minimum over windows of 2 reach + 1: erosion."""
    for axis in (0, 1):
        size = plane.shape[axis]
        found = np.take(plane, mirrored(-reach, size + reach, size), axis)
        have, want = 1, 2 * reach + 1
        while have < want:  # a window of n and the same window shifted make one of up to 2 n
            step = min(have, want - have)
            length = found.shape[axis] - step
            found = np.minimum(
                np.take(found, np.arange(length), axis),
                np.take(found, np.arange(step, step + length), axis),
            )
            have += step
        plane = found
    return plane


def maximum(plane: Plane, reach: int) -> Plane:
    """Maximum over windows of 2 reach + 1: dilation."""
    return -minimum(-plane, reach)


def gaussian(plane: Plane, deviation: float) -> Plane:
    """Three means in a row, as good as a Gaussian of that deviation."""
    reach = max(1, round((np.sqrt(4 * deviation**2 + 1) - 1) / 2))
    for _ in range(3):
        plane = mean(plane, reach)
    return plane


def guided(guide: Plane, plane: Plane, reach: int, softness: float) -> tuple[Plane, Plane]:
    """Return slope and offset, locally, of `plane` as a line in `guide`: edges of the guide become
    edges of the result.

    He, Sun and Tang 2013. The caller computes slope * guide + offset, at any size.
    """
    guide_mean, plane_mean = mean(guide, reach), mean(plane, reach)
    together = mean(guide * plane, reach) - guide_mean * plane_mean
    slope = together / (mean(guide * guide, reach) - guide_mean**2 + softness)
    return mean(slope, reach), mean(plane_mean - slope * guide_mean, reach)


def enlarged_rows(coarse: Plane, top: int, bottom: int, height: int, width: int) -> Plane:
    """Rows top..bottom of `coarse` enlarged to height x width, straight between its points.

    Rows are mixed first and columns by Pillow row by row, so strips fit together exactly.
    """
    rows = coarse.shape[0]
    at = ((np.arange(top, bottom) + 0.5) * rows / height - 0.5).clip(0, rows - 1)
    above = np.floor(at).astype(np.intp)
    below = np.minimum(above + 1, rows - 1)
    share = (at - above).astype(np.float32)[:, None]
    mixed = coarse[above] * (1 - share) + coarse[below] * share
    wide: Plane = resize(
        np.ascontiguousarray(mixed, np.float32), bottom - top, width, Image.Resampling.BILINEAR
    )
    return wide
