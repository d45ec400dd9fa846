"""Owns removing haze; knows the dark channel, no net and no other operation.

In a clear outdoor photo almost every small window has some dark channel; what light is left there
is haze (He, Sun and Tang 2011). Two known faults are guarded against: skies, which have no dark
channel and would turn dark and noisy, and clear photos, which are recognised by how little light
the dark channel holds and left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from django_hili.engine.filters import enlarged_rows, guided, minimum
from django_hili.engine.manners import Manner
from django_hili.engine.measure import ramp
from django_hili.engine.pixels import LEVELS, LUMA, Pixels, Plane, reduced

LONGEST = 600
WINDOW = 7
"""Reach of the dark channel's window on the reduced copy."""
GUIDE_REACH, GUIDE_SOFTNESS = 30, 1e-3
LEAST = 0.15
"""The least transmission assumed: beyond it there is only noise to amplify."""
SKY = 0.12
"""Closer to the haze's colour than this is taken for sky and held back."""
UNLIKE_HAZE = (0.4, 0.6)
"""Spread of the veil's colour, (greatest - least) / greatest, from which on it is less and less
haze: haze is grey, .18 at most where it was measured; the veil of an orange retina is .66.
"""
STRIP = 256


@dataclass(frozen=True, slots=True)
class Haze:
    """What lies over a photo: its colour and the two coarse maps that give the transmission from
    the photo's luma.
    """

    strength: float
    """0 clear .. 1 thick."""
    colour: Plane
    """R, G, B of the haze, 0..1."""
    slope: Plane
    offset: Plane


def haze(pixels: Pixels, manner: Manner) -> Haze:
    """Measure the haze on a reduced copy of an RGB picture."""
    small = reduced(pixels, LONGEST).astype(np.float32) / LEVELS
    dark = minimum(small.min(2), WINDOW)
    veil = 0.3 * float(np.median(dark)) + 0.7 * float(np.percentile(dark, 5))
    colour = _colour(small, dark)
    spread = float(np.ptp(colour) / max(float(colour.max()), 0.1))
    strength = ramp(veil, *manner.haze) * (1 - ramp(spread, *UNLIKE_HAZE))
    clear = 1 - 0.95 * strength * minimum((small / np.maximum(colour, 0.1)).min(2), WINDOW)
    distance = np.abs(small - colour).max(2)
    guard = (SKY / np.maximum(distance, 1e-3)).clip(1, 4)
    clear = (clear * guard).clip(0, 1).astype(np.float32)
    slope, offset = guided((small @ LUMA).astype(np.float32), clear, GUIDE_REACH, GUIDE_SOFTNESS)
    return Haze(strength, colour, slope, offset)


def _colour(small: Plane, dark: Plane) -> Plane:
    """The haze's colour: the brighter half of the pixels whose dark channel is brightest."""
    count = max(dark.size // 1000, min(10, dark.size))
    haziest = small.reshape(-1, 3)[np.argpartition(dark.ravel(), -count)[-count:]]
    brighter = haziest[np.argsort(haziest.sum(1))[count // 2 :]]
    return np.median(brighter, axis=0).astype(np.float32)


def lift(pixels: Pixels, found: Haze, progress: Callable[[float], None] | None = None) -> Pixels:
    """Take the haze away, strip by strip."""
    height, width = pixels.shape[:2]
    out = np.empty_like(pixels)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        strip = pixels[top:bottom].astype(np.float32) / LEVELS
        slope = enlarged_rows(found.slope, top, bottom, height, width)
        offset = enlarged_rows(found.offset, top, bottom, height, width)
        clear = (slope * (strip @ LUMA) + offset).clip(LEAST, 1)[..., None]
        out[top:bottom] = np.rint(((strip - found.colour) / clear + found.colour).clip(0, 1) * 255)
        if progress is not None:
            progress(bottom / height)
    return out
