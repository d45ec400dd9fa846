"""Owns CIE Lab of sRGB pixels (D65; IEC 61966-2-1 and CIE 15); knows arrays, no model."""

from __future__ import annotations

import numpy as np

from django_hili.engine.pixels import Pixels, Plane

_LEVELS = np.arange(256) / 255
LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
"""Linear light 0..1 of each 8-bit level."""
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ.sum(1)
"""XYZ of R = G = B = 1, so that greys have a = b = 0 to the last digit."""
TO_WHITE_XYZ = (TO_XYZ / WHITE[:, None]).T.astype(np.float32)
FROM_WHITE_XYZ = np.linalg.inv(TO_XYZ / WHITE[:, None]).T.astype(np.float32)
DARK = 6 / 29


def lightness(pixels: Pixels) -> Plane:
    """L*, 0..100, of RGB or grey."""
    linear = LINEAR[pixels]
    light = linear if pixels.ndim == 2 else linear @ TO_WHITE_XYZ[:, 1]
    plane: Plane = 116 * _root(light) - 16
    return plane


def chroma(pixels: Pixels) -> Plane:
    """a* and b* of RGB: H x W x 2, about -86..98 and -108..94."""
    x, y, z = (_root(LINEAR[pixels] @ TO_WHITE_XYZ[:, k]) for k in range(3))
    return np.stack([500 * (x - y), 200 * (y - z)], 2)


def rgb(light: Plane, ab: Plane) -> Pixels:
    """The pixels of L* (H x W) and a*, b* (H x W x 2); what no screen can show is clipped."""
    y = (light + 16) / 116
    roots = np.stack([y + ab[..., 0] / 500, y, y - ab[..., 1] / 200], 2)
    xyz = np.where(roots > DARK, roots**3, 3 * DARK**2 * (roots - 4 / 29)).astype(np.float32)
    linear: Plane = (xyz @ FROM_WHITE_XYZ).clip(0, 1)
    curve = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    pixels: Pixels = np.rint(curve * 255).astype(np.uint8)
    return pixels


def _root(light: Plane) -> Plane:
    plane: Plane = np.where(light > DARK**3, np.cbrt(light), light / (3 * DARK**2) + 4 / 29).astype(
        np.float32
    )
    return plane
