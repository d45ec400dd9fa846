"""Owns the best enlargements that are linear, as convolutions of the small picture; knows no net.

A net that learned from generated pictures goes too far where a photo is unlike them: fine regular
patterns, a star, a soft edge. A linear filter has no such opinions. So a share of one stands beside
the net's correction; together they do better than either alone.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from django_hili.engine.nets import Layer, convolve, fold_back
from django_hili.engine.pixels import Plane, resize

RADIUS = 4
"""Small pixels around each one that count; in the share that is used, the rest is half a level."""
ROUNDS = 5
"""Of back projection, which has settled then (Irani and Peleg 1991)."""
_MIDDLE = 24
"""Far enough from every edge that none is felt."""


def lanczos(light: Plane, scale: int) -> Plane:
    """What Lanczos enlargement would add to bicubic: luma H x W to (H - 2 RADIUS) scale x ..."""
    return _filtered(light, scale, 0)


def back_projection(light: Plane, scale: int) -> Plane:
    """The same of back projection: enlarged by Lanczos, and corrected until shrinking it gives the
    small picture again.
    """
    return _filtered(light, scale, ROUNDS)


def _filtered(light: Plane, scale: int, rounds: int) -> Plane:
    planes = convolve(light[:, None, :], _layer(scale, rounds), rectify=False)
    return fold_back(planes.transpose(0, 2, 1), scale)[..., 0]


@cache
def _layer(scale: int, rounds: int) -> Layer:
    """Read the filter off what it makes of a single bright pixel."""
    side, reach = 2 * _MIDDLE + 1, 2 * RADIUS + 1
    dot = np.zeros((side, side), np.float32)
    dot[_MIDDLE, _MIDDLE] = 1
    large = _resized(dot, side * scale, Image.Resampling.LANCZOS)
    for _ in range(rounds):
        missing = dot - _resized(large, side, Image.Resampling.BICUBIC)
        large = large + _resized(missing, side * scale, Image.Resampling.LANCZOS)
    large = large - _resized(dot, side * scale, Image.Resampling.BICUBIC)
    first, last = (_MIDDLE - RADIUS) * scale, (_MIDDLE + RADIUS + 1) * scale
    answers = large[first:last, first:last].reshape(reach, scale, reach, scale)
    # The pixel `k` to the right sees the dot `k` to its left.
    taps = answers.transpose(0, 2, 1, 3)[::-1, ::-1].reshape(reach**2, scale**2)
    taps = taps - taps.mean(0)  # what is even everywhere stays even
    return Layer(reach, np.ascontiguousarray(taps, np.float32), np.zeros(scale**2, np.float32))


def _resized(plane: Plane, side: int, kernel: Image.Resampling) -> Plane:
    return resize(np.ascontiguousarray(plane, np.float32), side, side, kernel)
