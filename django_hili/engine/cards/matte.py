"""Owns freeing a person's colours from the backdrop's light, given the opacity; knows no model."""

from __future__ import annotations

import numpy as np

from django_hili.engine.filters import enlarged_rows, gaussian
from django_hili.engine.pixels import Pixels, Plane, reduced

LONGEST = 512
NEAR, FAR = 4.0, 24.0
"""How far colours are carried, in pixels of the reduced copy; the farther where nothing is near."""
SURE = 0.85
STRIP = 256


def freed(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Return the person's own colours, for laying on another background by `alpha`.

    Near the outline a pixel is part person, part backdrop. Both are estimated by what is sure
    nearby, and the difference between what they would add up to and what the photo shows is put on
    the person (Forte 2021).
    """
    small = reduced(pixels, LONGEST).astype(np.float32)
    share = reduced(alpha, LONGEST).astype(np.float32) * np.float32(1 / 255)
    front, back = _carried(small, share), _carried(small, 1 - share)
    out = np.empty_like(pixels)
    height, width = alpha.shape
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        here = pixels[top:bottom].astype(np.float32)
        cover = alpha[top:bottom].astype(np.float32)[..., None] / 255
        person, behind = (
            np.stack(
                [enlarged_rows(plane[..., k], top, bottom, height, width) for k in range(3)], 2
            )
            for plane in (front, back)
        )
        own = person + cover * (here - cover * person - (1 - cover) * behind)
        out[top:bottom] = np.rint(np.where(cover > 0.99, here, own).clip(0, 255))
    return out


def _carried(colours: Plane, share: Plane) -> Plane:
    """The colours where `share` is sure, continued beyond; half-covered pixels would tint them."""
    sure = ((share - SURE) / (1 - SURE)).clip(0, 1).astype(np.float32)
    out = np.full_like(colours, colours.mean())
    for deviation in (FAR, NEAR):
        weight = gaussian(sure, deviation)[..., None].clip(0, 1)
        mean = gaussian(colours * sure[..., None], deviation) / np.maximum(weight, 1e-3)
        trust = (weight / 0.05).clip(0, 1)
        out = trust * mean + (1 - trust) * out
    return out
