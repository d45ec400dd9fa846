"""Owns finding and filling scratches, dust and creases; knows the finder's net, no other operation.

The mask can be asked for first (`find`), shown to a person, corrected by hand and given back: what
is filled is always exactly the mask.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from django_hili.engine import nets
from django_hili.engine.filters import minimum
from django_hili.engine.manners import MANNERS, Manner
from django_hili.engine.pixels import LEVELS, Mask, Pixels, Plane, cut, luma, resize
from django_hili.engine.regions import Integers, Regions, regions
from django_hili.engine.tiles import Tile, even_tiles, run, tiles

SHARPNESS = 12
"""Log-odds are kept as bytes: 12 to a unit, nothing below even odds."""
SPECK = 40
"""Pixels up to which a mark is dust."""
SURE_SPECK = 8 * SHARPNESS
"""What the surest pixel of a grain of dust must reach; of a line, the image type says."""
SMALLEST, SLENDER = 6, 22.0
"""Pixels of the smallest mark; diagonal squared over area of the stoutest line."""
TOO_MUCH = 0.1
"""Share of the photo from which on what was found is no damage but the joints of a wall. Of 46
damaged pictures at most .065 was found, of a small one .083; of a clean brick wall at .4 to .75 of
its size .102 to .22.
"""
STEEPEST, STEEPNESS = 0.13, 20.0
"""How differently lit the two sides of a scratch may be, in shares of its own height above them,
and how many log-odds a whole one costs."""
ACROSS, FAR = ((0, 1), (1, 0), (1, 1), (1, -1)), (3, 5, 7)
"""Directions in which a line's sides are looked at, and how many pixels away they are."""
FEWEST, MOST = 4, 500_000
"""Pixels of a line in one direction that say anything, and of all lines together that are asked."""
AROUND = 48
"""Pixels around a tile that its filling may look at."""
COARSE = 768
"""Longer side of the copy from which holes larger than a tile's surroundings are filled."""
DEEP = 20
"""Pixels inside a hole from which on the coarse copy is as good as any, and tiles agree."""
TENSION = 0.3
SETTLING = 120
"""Most rounds spent on smoothing one filling; holes are a few pixels wide."""


def find(
    pixels: Pixels,
    progress: Callable[[float], None] | None = None,
    *,
    image_type: str = "people",
) -> Mask:
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
    return _plausible(odds, pixels, MANNERS[image_type])


def _plausible(odds: Pixels, pixels: Pixels, manner: Manner) -> Mask:
    """Keep regions that are small and sure like dust, or like scratches: slender, surer, and in
    photos with the same ground on both sides. Drawings and pages have no rims that shine, and
    their scratches run along strokes.
    """
    found = regions(odds > 0)
    sizes, peaks = found.sums(), found.peaks(odds)
    slender = found.diagonals() ** 2 / np.maximum(sizes, 1)
    speck = (sizes >= SMALLEST) & (sizes < SPECK) & (peaks >= SURE_SPECK)
    sure = peaks / SHARPNESS + np.log2(np.maximum(slender / SLENDER, 1))
    line = (sizes >= SMALLEST) & (slender >= SLENDER) & (sure >= manner.surest_line)
    if not manner.is_drawn:
        steps = _steps(pixels, found, line)
        line &= (steps <= STEEPEST) & (sure - STEEPNESS * steps >= manner.surest_line)
    return found.mask(speck | line, (odds.shape[0], odds.shape[1]))


def _steps(pixels: Pixels, found: Regions, wanted: Mask) -> NDArray[np.float64]:
    """How differently the two sides of each wanted region are lit, in shares of its own height.

    A scratch lies on something that goes on beyond it; a rim or a wire has a front and a back.
    Both are medians along the line, for each direction by itself, so that neither a crossing nor a
    bend counts for much.
    """
    y, x, region = found.places(wanted, MOST)
    ridge, step, way = _sides(pixels, y, x)
    groups = region * len(ACROSS) + way
    count = np.bincount(groups, minlength=found.count * len(ACROSS))
    weight = np.where(count >= FEWEST, count, 0)
    height, difference = (
        (weight * np.abs(_medians(values, groups, count))).reshape(-1, len(ACROSS)).sum(1)
        for values in (np.maximum(ridge, 1), step)
    )
    steps: NDArray[np.float64] = difference / np.maximum(height, 1)
    return steps


def _sides(
    pixels: Pixels, y: Integers, x: Integers
) -> tuple[NDArray[np.float32], NDArray[np.float32], Integers]:
    """At each place: how far it stands out from both of its sides where it does so most, by how
    much these differ there, and in which direction that is.
    """
    height, width = pixels.shape[:2]

    def light(rows: Integers, columns: Integers) -> Plane:
        return luma(pixels[rows.clip(0, height - 1), columns.clip(0, width - 1)][None]).ravel()

    here = light(y, x)
    ridge, step = np.zeros_like(here), np.zeros_like(here)
    way = np.zeros(len(here), np.intp)
    for number, (down, right) in enumerate(ACROSS):
        for far in FAR:
            one = here - light(y + far * down, x + far * right)
            other = here - light(y - far * down, x - far * right)
            up = np.where(one * other > 0, np.minimum(np.abs(one), np.abs(other)), 0)
            more = up > ridge
            ridge[more], step[more], way[more] = up[more], (one - other)[more], number
    return ridge, step, way


def _medians(values: Plane, groups: Integers, count: Integers) -> Plane:
    """The median of the values of each group; 0 where it has none."""
    ranked = np.append(values[np.lexsort((values, groups))], np.float32(0))
    middle = np.cumsum(count) - count + count // 2
    medians: Plane = np.where(count > 0, ranked[np.minimum(middle, len(values))], 0)
    return medians


def is_believable(mask: Mask) -> bool:
    """Say whether the net may have found damage, rather than the pattern of what is shown."""
    return float(mask.mean()) <= TOO_MUCH


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
    """Set the hole's pixels that lie deep in it or on the window's edge to the coarse filling and
    take them for known; return the rest.
    """
    given = minimum(hole.astype(np.float32), DEEP) > 0
    given[[0, -1]] = True
    given[:, [0, -1]] = True
    y, x = np.nonzero(hole & given)
    window[y, x] = _between(coarse, (y + corner[0] + 0.5) * factor, (x + corner[1] + 0.5) * factor)
    hole[y, x] = False
    return hole


def _between(coarse: Plane, y: Plane, x: Plane) -> Plane:
    """The picture at points between its pixels, straight from one to the next."""
    (top, below, down), (left, right, across) = (
        _neighbours(at, size) for at, size in zip((y, x), coarse.shape, strict=False)
    )
    upper = coarse[top, left] * (1 - across) + coarse[top, right] * across
    lower = coarse[below, left] * (1 - across) + coarse[below, right] * across
    points: Plane = (upper * (1 - down) + lower * down).astype(np.float32)
    return points


def _neighbours(at: Plane, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    """Of places between pixels along one side: the pixel before, the one after, and the share of
    the latter.
    """
    place = (at - 0.5).clip(0, size - 1)
    before = place.astype(np.intp)
    return before, np.minimum(before + 1, size - 1), (place - before).astype(np.float32)[:, None]


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
