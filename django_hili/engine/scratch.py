"""Owns finding and filling scratches, dust and creases; knows the finder's net, no other operation.

The mask can be asked for first (`find`), shown to a person, corrected by hand and given back: what
is filled is always exactly the mask.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from django_hili.engine import nets
from django_hili.engine.pixels import LEVELS, Mask, Pixels, Plane, cut, resize
from django_hili.engine.regions import regions
from django_hili.engine.tiles import Tile, even_tiles, run, tiles

SHARPNESS = 12
"""Log-odds are kept as bytes: 12 to a unit, nothing below even odds."""
SPECK = 40
"""Pixels up to which a mark is dust."""
SURE_SPECK, SURE_LINE = 8 * SHARPNESS, round(12.5 * SHARPNESS)
"""What the surest pixel of a mark must reach. Cables and whiskers reach less."""
SMALLEST, SLENDER = 6, 22.0
"""Pixels of the smallest mark; diagonal squared over area of the stoutest line."""
AROUND = 48
"""Pixels around a tile that its filling may look at."""
COARSE = 768
"""Longer side of the copy from which holes larger than a tile's surroundings are filled."""
TENSION = 0.3
SETTLING = 120
"""Most rounds spent on smoothing one filling; holes are a few pixels wide."""


def find(pixels: Pixels, progress: Callable[[float], None] | None = None) -> Mask:
    """Mark scratches, dust and creases: bool, H x W."""
    net = nets.load("scratch")
    height, width = pixels.shape[:2]
    odds = np.empty((height, width), np.uint8)
    margin = net.margin

    def work(tile: Tile) -> None:
        window = cut(
            pixels, tile.top - margin, tile.bottom + margin, tile.left - margin, tile.right + margin
        )
        if window.ndim == 2:
            window = np.repeat(window[..., None], 3, 2)
        shown: Plane = window.astype(np.float32) / LEVELS
        answer = net(shown)[..., 0]
        surely = (answer * SHARPNESS).clip(0, 255)
        bottom, right = min(tile.bottom, height), min(tile.right, width)
        odds[tile.top : bottom, tile.left : right] = surely[
            : bottom - tile.top, : right - tile.left
        ]

    run(work, even_tiles(height, width), progress)
    return _plausible(odds)


def _plausible(odds: Pixels) -> Mask:
    """Keep regions that are small and sure like dust, or slender and surer like scratches."""
    found = regions(odds > 0)
    sizes, peaks = found.sums(), found.peaks(odds)
    slender = found.diagonals() ** 2 >= SLENDER * sizes
    speck = (sizes >= SMALLEST) & (sizes < SPECK) & (peaks >= SURE_SPECK)
    line = (sizes >= SMALLEST) & slender & (peaks >= SURE_LINE)
    return found.mask(speck | line, (odds.shape[0], odds.shape[1]))


def grown(mask: Mask) -> Mask:
    """Widen a mask by one pixel in all directions: the edge of a scratch is half scratch."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    wide: Mask = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return wide


def fill(pixels: Pixels, mask: Mask, progress: Callable[[float], None] | None = None) -> Pixels:
    """Fill the mask smoothly from its surroundings; pixels outside it are returned unchanged."""
    out = pixels.copy()
    if not mask.any() or mask.all():
        return out
    height, width = mask.shape
    coarse, factor = _coarse(pixels, mask)

    def work(tile: Tile) -> None:
        here = mask[tile.top : tile.bottom, tile.left : tile.right]
        if not here.any():
            return
        top, bottom = max(tile.top - AROUND, 0), min(tile.bottom + AROUND, height)
        left, right = max(tile.left - AROUND, 0), min(tile.right + AROUND, width)
        window = pixels[top:bottom, left:right].astype(np.float32)
        if window.ndim == 2:
            window = window[..., None]
        hole = mask[top:bottom, left:right].copy()
        filled = _settled(window, _anchored(window, hole, coarse, (top, left), factor))
        inner = filled[tile.top - top : tile.bottom - top, tile.left - left : tile.right - left]
        part = out[tile.top : tile.bottom, tile.left : tile.right]
        part[here] = np.rint(inner[here].clip(0, 255)).astype(np.uint8).reshape(part[here].shape)

    run(work, tiles(height, width), progress)
    return out


def _coarse(pixels: Pixels, mask: Mask) -> tuple[Plane, float]:
    """A small copy of the picture with its holes filled, and its size relative to the picture's."""
    height, width = mask.shape
    factor = min(1.0, COARSE / max(height, width))
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    known = resize((~mask).astype(np.uint8) * np.uint8(255), rows, columns, Image.Resampling.BOX)
    kept = np.where(mask if pixels.ndim == 2 else mask[..., None], np.uint8(0), pixels)
    small = resize(kept, rows, columns, Image.Resampling.BOX).astype(np.float32)
    small = small.reshape(rows, columns, -1)
    weight = known.astype(np.float32)[..., None] / LEVELS
    return _push_pull(small / np.maximum(weight, 1 / LEVELS), weight[..., 0] > 0.5), factor


def _anchored(
    window: Plane, hole: Mask, coarse: Plane, corner: tuple[int, int], factor: float
) -> Mask:
    """Set the hole's pixels on the window's edge to the coarse filling and take them for known;
    return the rest.
    """
    edge = np.zeros_like(hole)
    edge[[0, -1]] = True
    edge[:, [0, -1]] = True
    y, x = np.nonzero(hole & edge)
    rows = ((y + corner[0]) * factor).astype(np.intp).clip(0, coarse.shape[0] - 1)
    columns = ((x + corner[1]) * factor).astype(np.intp).clip(0, coarse.shape[1] - 1)
    window[y, x] = coarse[rows, columns]
    hole[y, x] = False
    return hole


def _push_pull(picture: Plane, known: Mask) -> Plane:
    """Fill unknown pixels from ever smaller copies (Gortler et al. 1996)."""
    if known.all() or min(known.shape) <= 2:
        middle = picture[known].mean(0) if known.any() else np.float32(0)
        return np.where(known[..., None], picture, middle).astype(np.float32)
    height, width = known.shape
    odd = ((0, height % 2), (0, width % 2))
    weight = np.pad(known, odd).astype(np.float32)[..., None]
    values = np.pad(picture, (*odd, (0, 0))) * weight
    rows, columns = (height + 1) // 2, (width + 1) // 2
    count = weight.reshape(rows, 2, columns, 2, 1).sum((1, 3))
    total = values.reshape(rows, 2, columns, 2, -1).sum((1, 3))
    smaller = _push_pull(total / np.maximum(count, 1), count[..., 0] > 0)
    planes = [
        resize(
            np.ascontiguousarray(smaller[..., k]), 2 * rows, 2 * columns, Image.Resampling.BILINEAR
        )
        for k in range(smaller.shape[2])
    ]
    larger = np.stack(planes, 2)[:height, :width]
    return np.where(known[..., None], picture, larger)


def _settled(window: Plane, hole: Mask) -> Plane:
    """Fill by push-pull, then bend the filling until it is as smooth as the surroundings allow.

    Smooth is the sum of squared second differences (a thin plate, which carries slopes across a
    scratch) plus TENSION times that of first differences (a membrane, which does not overshoot).
    Conjugate gradients over the hole's pixels; no hole pixel lies on the window's edge.
    """
    picture = _push_pull(window, ~hole)
    width = hole.shape[1]
    flat = picture.reshape(hole.size, -1)
    here = np.flatnonzero(hole)
    if here.size == 0:
        return picture
    near = (-width, width, -1, 1)
    touched = np.unique(np.concatenate([here, *(here + step for step in near)]))
    rows, columns = np.divmod(touched, width)
    inside = (rows > 0) & (rows < hole.shape[0] - 1) & (columns > 0) & (columns < width - 1)
    touched = touched[inside]
    plate = np.zeros_like(flat)

    def slope(field: Plane) -> Plane:
        """Half the gradient of the roughness at the hole's pixels."""
        plate[touched] = sum(field[touched + step] for step in near) - 4 * field[touched]
        bend = sum(plate[here + step] for step in near) - 4 * plate[here]
        return np.asarray(bend - TENSION * plate[here], np.float32)

    rest = -slope(flat)
    direction, trial = rest, np.zeros_like(flat)
    size = (rest**2).sum(0)
    for _ in range(SETTLING):
        trial[here] = direction
        stiff = slope(trial)
        length = size / np.maximum((direction * stiff).sum(0), 1e-12)
        flat[here] += length * direction
        rest = rest - length * stiff
        previous, size = size, (rest**2).sum(0)
        if float(size.max()) < 1e-3 * here.size:
            break
        direction = rest + size / np.maximum(previous, 1e-12) * direction
    return picture
