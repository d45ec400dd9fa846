"""Owns restoring faded and tinted colour prints; knows tones, no noise and no haze.

A print that fades loses its black and its white in every dye, and some dyes faster than others.
Only a photo that shows all of that is touched: a photo of a pale wall is not a faded photo, and a
grey photo gives no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from django_hili.engine.measure import ramp
from django_hili.engine.pixels import LEVELS, LUMA, Pixels, Plane, reduced

STRIP = 256
"""Rows worked on at a time."""
LONGEST = 800
DARKEST, BRIGHTEST = 0.02, 0.95
"""Where black and white are put back to."""
WHITENING = 0.6
"""How much of the way the white goes: not every photo had a pure white before it faded."""
BALANCED = 0.03
"""How much greener or bluer than red the ends may be: prints turn red, yellow or brown."""
FEWEST = 64
"""Pixels below which no picture shows what it has lost."""
TAIL = 0.4
"""Per cent of the pixels taken as the darkest and the brightest."""


@dataclass(frozen=True, slots=True)
class Fading:
    """What a print has lost, each array per channel R, G, B."""

    strength: float
    """0 not faded .. 1 clearly faded."""
    black: Plane
    white: Plane
    """What the darkest and the brightest parts have become, 0..1."""
    gamma: Plane
    """Exponent that brings the middle of each channel together."""
    chroma: float
    """Factor that gives colours back."""


def fading(pixels: Pixels) -> Fading | None:
    """Measure on a reduced copy; None for grey and for photos that are not faded."""
    if pixels.ndim == 2:
        return None
    small = reduced(pixels, LONGEST).reshape(-1, 3).astype(np.float32) / LEVELS
    black, white = np.percentile(small, [TAIL, 100 - TAIL], axis=0).astype(np.float32)
    strength = ramp(float(black.min()), 0.07, 0.13) * ramp(1 - float(white.max()), 0.05, 0.09)
    if strength > 0:
        strength *= _evidence(small, black, white)
    if strength == 0.0 or float(np.abs(small - small.mean(1, keepdims=True)).mean()) < 0.008:
        return None
    stretched = _stretch(small, black, white)
    middle = np.median(stretched, axis=0).clip(0.05, 0.95)
    gamma = (np.log(middle.mean()) / np.log(middle)).clip(0.8, 1.25).astype(np.float32)
    gamma = 1 + (gamma - 1) * 0.3
    balanced = stretched**gamma
    strayed = float(np.abs(balanced - (balanced @ LUMA)[:, None]).mean())
    chroma = min(max(0.09 / max(strayed, 0.01), 1.0), 1.35)
    return Fading(strength, black, white, gamma, chroma)


def _evidence(small: Plane, black: Plane, white: Plane) -> float:
    """0 the picture's own colours .. 1 a print that has lost its own.

    Skin, sand, a sunset and a forest in mist have neither black nor white either. But they are of
    one kind of colour: their tones lie close to one line, and their shadows are as strongly
    coloured as the rest. A print veils every colour alike: many colours are left, its shadows are
    pale, and it turns red or yellow, never green or blue.
    """
    if (
        len(small) < FEWEST
        or max(float((end[1:] - end[0]).max()) for end in (black, white)) > BALANCED
    ):
        return 0.0
    light = small @ LUMA
    low, high = np.percentile(light, [1, 99])
    ends = (small[light <= low].mean(0), small[light >= high].mean(0))
    dark, pale = (float(np.ptp(end) / max(end.max(), 1e-3)) for end in ends)
    contrast = max(float(np.ptp(light)), 1e-3)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(small.T)).clip(0)) / contrast
    return (
        ramp(contrast, 0.40, 0.52)
        * ramp(-dark, -0.56, -0.47)
        * ramp(-pale, -0.50, -0.42)
        * ramp(float(spread[1]), 0.042, 0.055)
        * ramp(float(spread[0]), 0.0075, 0.0100)
    )


def restore(pixels: Pixels, found: Fading) -> Pixels:
    """Give black, white, balance and colour back, each in the measure found."""
    levels = np.arange(256, dtype=np.float32)[:, None] / LEVELS
    full = _stretch(levels, found.black, found.white) ** found.gamma
    table = levels + found.strength * (full - levels)
    gain = 1 + found.strength * (found.chroma - 1)
    out = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], STRIP):
        strip = pixels[top : top + STRIP]
        toned = np.stack([table[:, k][strip[..., k]] for k in range(3)], 2)
        light = (toned @ LUMA)[..., None]
        out[top : top + STRIP] = np.rint((light + (toned - light) * gain).clip(0, 1) * 255)
    return out


def _stretch(tones: Plane, black: Plane, white: Plane) -> Plane:
    """Move black and white back to where a sound print has them, by a factor of 4 at most."""
    share = (tones - black) / np.maximum(white - black, 0.25)
    brightest = float(white.max())
    brightest += WHITENING * (BRIGHTEST - brightest)
    moved: Plane = (DARKEST + share * (brightest - DARKEST)).clip(0, 1)
    return moved
