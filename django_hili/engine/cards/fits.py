"""Owns how a photo of any size passes through a model of its own size: tiles, stretching, windows;
knows no operation.

Memory does not grow with the photo beyond its own bytes: every piece has one size, and what is put
together is 8-bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from django_hili.engine.cards.model import Turn
from django_hili.engine.cards.table import CardError
from django_hili.engine.pixels import Mask, Pixels, Plane, cut, resize

Tell = Callable[[float], None]
Finish = Callable[[Plane, Pixels], Pixels]
"""Makes 8-bit pixels of a model's answer and the window it saw."""


def tiled(turn: Turn, pixels: Pixels, finish: Finish, *, scale: int, tell: Tell) -> Pixels:
    """Run overlapping tiles of one size and fade each into the next, so that no seam shows.

    `finish` may make the pixels smaller again, so `scale` is what remains. Past the photo's edges
    the tiles see it mirrored. Each tile answers for all but its outer overlap; within half an
    overlap of a border both neighbours count.
    """
    height, width = pixels.shape[:2]
    tall, wide = turn.model.tile()
    reach = turn.model.card.tile.overlap
    tops, lefts = range(0, height, tall - 2 * reach), range(0, width, wide - 2 * reach)
    out = strip = np.zeros((0, 0), np.uint8)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            window = cut(pixels, top - reach, top - reach + tall, left - reach, left - reach + wide)
            part = finish(turn(window), window)
            if part.shape[:2] != (tall * scale, wide * scale):
                raise CardError(
                    f"A tile of {tall} x {wide} came back as {part.shape[0]} x {part.shape[1]}."
                )
            if column == 0:
                strip = np.zeros((tall * scale, width * scale, *part.shape[2:]), np.uint8)
            _fade(strip, part, left * scale, reach * scale, 1)
            tell((row * len(lefts) + column + 1) / (len(tops) * len(lefts)))
        if row == 0:
            out = np.zeros((height * scale, *strip.shape[1:]), np.uint8)
        _fade(out, strip, top * scale, reach * scale, 0)
    return out


def _fade(out: Pixels, part: Pixels, at: int, reach: int, axis: int) -> None:
    """Lay `part` over `out` along an axis: its core begins at `at`, and it fades in around there.

    What lies behind the core's end is written too, for the next part to fade from.
    """
    out, part = np.moveaxis(out, axis, 0), np.moveaxis(part, axis, 0)
    half = reach // 2
    start = max(at - half, 0)
    stop = min(at + part.shape[0] - 2 * reach + half, out.shape[0])
    fresh = part[start - at + reach : stop - at + reach]
    if at == 0:
        out[start:stop] = fresh
        return
    middle = min(at + half, stop)
    weight = ((np.arange(start, middle) + 0.5 - at + half) / (2 * half)).astype(np.float32)
    weight = weight.reshape(-1, *[1] * (out.ndim - 1))
    zone = out[start:middle].astype(np.float32)
    zone += weight * (fresh[: middle - start] - zone)
    out[start:middle] = np.rint(zone)
    out[middle:stop] = fresh[middle - start :]


def stretched(turn: Turn, pixels: Pixels) -> Plane:
    """Show the model the whole photo at its own size; the answer stays at that size."""
    rows, columns = turn.model.stretched(*pixels.shape[:2])
    answer = turn(resize(pixels, rows, columns, Image.Resampling.LANCZOS))
    if answer.shape[:2] != (rows, columns):
        raise CardError(
            f"A picture of {rows} x {columns} came back as {answer.shape[0]} x {answer.shape[1]}."
        )
    return answer


def widened(share: Plane, height: int, width: int) -> NDArray[np.uint8]:
    """Enlarge one plane of 0..1 to the photo's size: 0..255."""
    levels = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    wide: NDArray[np.uint8] = resize(levels, height, width, Image.Resampling.BICUBIC)
    return wide


def windowed(turn: Turn, pixels: Pixels, mask: Mask, finish: Finish, tell: Tell) -> Pixels:
    """Fill the mask in windows of the model's size, each around what is left of it; no other pixel
    changes.

    A window fills only its middle, where it sees what lies around, and shows the next one what it
    filled.
    """
    out, left = pixels.copy(), mask.copy()
    tall, wide = turn.model.tile()
    total = int(mask.sum())
    for top in range(0, mask.shape[0], tall // 2):
        band = left[top : top + tall // 2]
        while band.any():
            first = int(np.flatnonzero(band.any(0))[0])
            rows = slice(top, min(top + tall // 2, mask.shape[0]))
            columns = slice(first, min(first + wide // 2, mask.shape[1]))
            y, x = _centred(rows, tall, mask.shape[0]), _centred(columns, wide, mask.shape[1])
            window = cut(out, y, y + tall, x, x + wide)
            hole = cut(left, y, y + tall, x, x + wide)
            new = finish(turn(window, hole), window)
            if new.shape != window.shape:
                raise CardError(
                    f"A window of {tall} x {wide} came back as {new.shape[0]} x {new.shape[1]}."
                )
            here = left[rows, columns]
            core = new[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
            out[rows, columns][here] = core[here]
            here[:] = False
            tell(1 - int(left.sum()) / total)
    return out


def _centred(part: slice, side: int, size: int) -> int:
    """Where a window of `side` begins that has `part` in its middle and stays within 0..size if it
    can.
    """
    begin = (part.start + part.stop - side) // 2
    return max(0, min(begin, size - side)) if size >= side else (size - side) // 2
