"""Owns enlarging 2, 4 and 8 times; knows the enlargement nets, no other operation.

A net corrects the luma of Pillow's bicubic enlargement; colour is enlarged by bicubic alone, which
the eye does not notice. Nothing is invented: there are no faces and no skin in what the nets were
trained on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from django_hili.engine import linear, measure, nets
from django_hili.engine.manners import MANNERS
from django_hili.engine.pixels import LEVELS, Pixels, Plane, cut, enlarge, luma, resize, spaced
from django_hili.engine.tiles import Tile, run, tiles

FEW_ROWS = 8
"""Small rows corrected at a time: what they touch stays in the processor's second cache."""
Tones = NDArray[np.int16]
"""int16, levels that may leave 0..255 on the way."""
SPARE = 3
"""Pixels around a tile that the bicubic kernel reaches."""

LANCZOS, LOBES = "lanczos", 4
"""The name of a plain enlargement by two in a plan, and the pixels around a tile it reaches."""

SLACK, TEXT_SLACK = 0.25, 0.6
"""Share of the neighbours' range that a pixel may go past them; 0.25 costs 0.02 dB on photos. The
ink of a thin stroke is darker than any small pixel that it only partly covered: lettering needs
more."""

PLANS: dict[str, dict[int, tuple[str, ...]]] = {
    "photo": {2: ("sr-x2-photo",), 4: ("sr-x4-photo",), 8: ("sr-x4-photo", "sr-x2-photo")},
    "jpeg": {
        2: ("sr-x2-jpeg",),
        4: ("sr-x2-jpeg", LANCZOS),
        8: ("sr-x2-jpeg", "sr-x4-photo"),
    },
    "text": {
        2: ("sr-x2-text",),
        4: ("sr-x2-text", "sr-x2-text"),
        8: ("sr-x4-photo", "sr-x2-text"),
    },
}
"""Variant -> scale -> the nets applied one after the other. After a net for JPEGs a photo net finds
little that is true: four times larger a plain enlargement is 0.1 dB better and costs next to
nothing, eight times larger it is 0.00 to 0.03 dB worse.
"""
SHARES: dict[str, tuple[float, Callable[[Plane, int], Plane]]] = {
    "sr-x2-photo": (0.1, linear.back_projection),
    "sr-x4-photo": (0.1, linear.back_projection),
    "sr-x2-text": (0.15, linear.back_projection),
    "sr-x2-jpeg": (0.2, linear.lanczos),
}
"""How much of a net's correction gives way to a linear one. Back projection would take the blocks
of a JPEG for detail."""
COARSE_STEP = 12.0
"""From this rounding on (JPEG quality 90) the net trained on JPEGs does better, below it worse."""
NOISY = 2.7
"""Deviation in luma from which white noise is better left to that net, too."""


def variant(pixels: Pixels, image_type: str) -> str:
    """Choose by the image type for lettering and drawings, by measured damage otherwise."""
    if MANNERS[image_type].is_drawn:
        return "text"
    jpeg, noise = measure.jpeg(pixels), measure.noise(pixels)
    coarse = jpeg.certainty > 0.08 and jpeg.step >= COARSE_STEP
    noisy = noise.whiteness > 0.7 and noise.deviation >= NOISY
    return "jpeg" if coarse or noisy else "photo"


def sr(
    pixels: Pixels,
    *,
    scale: int,
    image_type: str,
    progress: Callable[[float], None] | None = None,
    is_spaced: bool = False,
) -> tuple[Pixels, str]:
    """Enlarge by `scale`; return the picture and the method, for example "net:sr-x2-photo"."""
    chosen = variant(pixels, image_type)
    plan, slack = PLANS[chosen][scale], TEXT_SLACK if chosen == "text" else SLACK
    for done, name in enumerate(plan):

        def stage(fraction: float, done: int = done) -> None:
            if progress is not None:
                progress((done + fraction) / len(plan))

        roomy = is_spaced and done == len(plan) - 1
        if name == LANCZOS:
            pixels = plain(pixels, stage, is_spaced=roomy)
        else:
            pixels = apply(pixels, name, stage, slack=slack, is_spaced=roomy)
    return pixels, _method(plan)


def _method(plan: tuple[str, ...]) -> str:
    """For example "net:sr-x4-photo+sr-x2-photo" or "net:sr-x2-jpeg+classical:lanczos"."""
    return "net:" + "+".join(f"classical:{name}" if name == LANCZOS else name for name in plan)


def plain(
    pixels: Pixels,
    progress: Callable[[float], None] | None = None,
    *,
    is_spaced: bool = False,
) -> Pixels:
    """Enlarge by two without a net, tile by tile."""
    height, width = pixels.shape[:2]
    out = _room(pixels, 2, is_spaced=is_spaced)

    def work(tile: Tile) -> None:
        top, left = tile.top - LOBES, tile.left - LOBES
        window = cut(pixels, top, tile.bottom + LOBES, left, tile.right + LOBES)
        part = out[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right]
        part[...] = enlarge(window, 2, LOBES, Image.Resampling.LANCZOS)

    run(work, tiles(height, width), progress)
    return out


def _room(pixels: Pixels, scale: int, *, is_spaced: bool) -> Pixels:
    """Room for the enlarged picture."""
    height, width = pixels.shape[:2]
    size = height * scale, width * scale
    if is_spaced and pixels.ndim == 3:
        return spaced(*size)
    return np.empty((*size, *pixels.shape[2:]), np.uint8)


def apply(
    pixels: Pixels,
    name: str,
    progress: Callable[[float], None] | None = None,
    *,
    slack: float = SLACK,
    is_spaced: bool = False,
) -> Pixels:
    """Enlarge by the net called `name`, tile by tile; `slack` is how far past its neighbours' tones
    a pixel may go. An RGB answer is spaced where that is asked for (see `pixels.spaced`).
    """
    net = nets.load(name)
    height, width = pixels.shape[:2]
    scale, margin = net.scale, net.margin
    share, steady = SHARES[name]
    out = _room(pixels, scale, is_spaced=is_spaced)

    def work(tile: Tile) -> None:
        window = cut(
            pixels, tile.top - margin, tile.bottom + margin, tile.left - margin, tile.right + margin
        )
        light = luma(window) / LEVELS
        correction = _correction(light, net, share, steady)
        inner = margin - SPARE
        base = enlarge(np.ascontiguousarray(window[inner:-inner, inner:-inner]), scale, SPARE)
        around = window[margin - 1 : 1 - margin, margin - 1 : 1 - margin]
        part = out[tile.top * scale : tile.bottom * scale, tile.left * scale : tile.right * scale]
        _correct(base, correction, around, slack, part)

    run(work, tiles(height, width), progress)
    return out


def _correction(
    light: Plane, net: nets.Net, share: float, steady: Callable[[Plane, int], Plane]
) -> Tones:
    """What is to be added to the luma of the bicubic enlargement, in levels."""
    spare = net.margin - linear.RADIUS
    learned = net(light[..., None])[..., 0]
    learned *= np.float32(255 * (1 - share))
    fixed = steady(np.ascontiguousarray(light[spare:-spare, spare:-spare]), net.scale)
    fixed *= np.float32(255 * share)
    learned += fixed
    return np.rint(learned, out=learned).astype(np.int16)


def _correct(base: Pixels, correction: Tones, around: Pixels, slack: float, out: Pixels) -> None:
    """Add the correction to the plain enlargement, within the limits of each small pixel.

    Channels are laid side by side in a row, so that every pass runs over long rows: over three
    channels at a time numpy is several times slower.
    """
    least, greatest = _limits(around, slack)
    scale = len(correction) // len(least)
    for top in range(0, len(least), FEW_ROWS):
        small, large = np.s_[top : top + FEW_ROWS], np.s_[top * scale : (top + FEW_ROWS) * scale]
        bounds = least[small], greatest[small]
        done = _bounded(base[large], correction[large], bounds, scale)
        if done.ndim == 2:
            out[large] = done
        else:
            for channel in range(done.shape[2]):
                out[large, :, channel] = done[..., channel]


def _bounded(base: Pixels, correction: Tones, bounds: tuple[Tones, Tones], scale: int) -> Pixels:
    rows, columns = correction.shape
    tones = base.astype(np.int16).reshape(rows, -1)
    tones += _beside(correction, tones.shape[1] // columns)
    by_small_row = tones.reshape(rows // scale, scale, -1)
    for limit, bound in zip((np.maximum, np.minimum), bounds, strict=True):
        wide = np.repeat(bound, scale, 1).reshape(rows // scale, 1, -1)
        limit(by_small_row, wide, out=by_small_row)
    return tones.astype(np.uint8).reshape(base.shape)


def _beside(correction: Tones, channels: int) -> Tones:
    """Say each value once for every channel; np.repeat takes three times as long."""
    if channels == 1:
        return correction
    rows, columns = correction.shape
    wide = np.empty((rows, columns, channels), np.int16)
    for channel in range(channels):
        wide[..., channel] = correction
    return wide.reshape(rows, -1)


def _limits(around: Pixels, slack: float) -> tuple[Tones, Tones]:
    """The least and the greatest value that the large pixels of each small one may take.

    They are those of its 3 x 3 neighbours and a little more. Sharp steps that no lens made
    (screenshots, drawings) would otherwise get halos.
    """
    rows = np.minimum(np.minimum(around[:-2], around[1:-1]), around[2:])
    least = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]).astype(np.int16)
    rows = np.maximum(np.maximum(around[:-2], around[1:-1]), around[2:])
    greatest = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]).astype(np.int16)
    room = ((greatest - least) * slack).astype(np.int16) + 2
    return np.maximum(least - room, 0), np.minimum(greatest + room, 255)


def enlarge_alpha(alpha: Pixels, scale: int) -> Pixels:
    """Enlarge an opacity plane by bicubic; flat areas stay exactly 0 and 255."""
    height, width = alpha.shape
    big: Pixels = resize(alpha, height * scale, width * scale, Image.Resampling.BICUBIC)
    return big
