"""Owns enlarging 2, 4 and 8 times; knows the enlargement nets, no other operation.

A net corrects the luma of Pillow's bicubic enlargement; colour is enlarged by bicubic alone, which
the eye does not notice. Nothing is invented: there are no faces and no skin in what the nets were
trained on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from django_hili.engine import measure, nets
from django_hili.engine.pixels import LEVELS, Pixels, cut, enlarge, luma, resize
from django_hili.engine.tiles import Tile, run, tiles

SPARE = 3
"""Pixels around a tile that the bicubic kernel reaches."""

SLACK, TEXT_SLACK = 0.25, 0.6
"""Share of the neighbours' range that a pixel may go past them; 0.25 costs 0.02 dB on photos. The
ink of a thin stroke is darker than any small pixel that it only partly covered: lettering needs
more."""

PLANS: dict[str, dict[int, tuple[str, ...]]] = {
    "photo": {2: ("sr-x2-photo",), 4: ("sr-x4-photo",), 8: ("sr-x4-photo", "sr-x2-photo")},
    "jpeg": {
        2: ("sr-x2-jpeg",),
        4: ("sr-x2-jpeg", "sr-x2-photo"),
        8: ("sr-x2-jpeg", "sr-x4-photo"),
    },
    "text": {
        2: ("sr-x2-text",),
        4: ("sr-x2-text", "sr-x2-text"),
        8: ("sr-x4-photo", "sr-x2-text"),
    },
}
"""Variant -> scale -> the nets applied one after the other."""
COARSE_STEP = 12.0
"""From this rounding on (JPEG quality 90) the net trained on JPEGs does better, below it worse."""
NOISY = 2.7
"""Deviation in luma from which white noise is better left to that net, too."""


def variant(pixels: Pixels, image_type: str) -> str:
    """Choose by the image type for lettering and drawings, by measured damage otherwise."""
    if image_type in ("text", "cartoon"):
        return "text"
    jpeg, noise = measure.jpeg(pixels), measure.noise(pixels)
    coarse = jpeg.certainty > 0.08 and jpeg.step >= COARSE_STEP
    noisy = noise.whiteness > 0.7 and noise.deviation >= NOISY
    return "jpeg" if coarse or noisy else "photo"


def sr(
    pixels: Pixels, *, scale: int, image_type: str, progress: Callable[[float], None] | None = None
) -> tuple[Pixels, str]:
    """Enlarge by `scale`; return the picture and the method, for example "net:sr-x2-photo"."""
    chosen = variant(pixels, image_type)
    plan, slack = PLANS[chosen][scale], TEXT_SLACK if chosen == "text" else SLACK
    for done, name in enumerate(plan):

        def stage(fraction: float, done: int = done) -> None:
            if progress is not None:
                progress((done + fraction) / len(plan))

        pixels = apply(pixels, nets.load(name), stage, slack)
    return pixels, "net:" + "+".join(plan)


def apply(
    pixels: Pixels,
    net: nets.Net,
    progress: Callable[[float], None] | None = None,
    slack: float = SLACK,
) -> Pixels:
    """Enlarge by one net, tile by tile; `slack` is how far past its neighbours' tones a pixel may
    go.
    """
    height, width = pixels.shape[:2]
    scale, margin = net.scale, net.margin
    out = np.empty((height * scale, width * scale, *pixels.shape[2:]), np.uint8)

    def work(tile: Tile) -> None:
        window = cut(
            pixels, tile.top - margin, tile.bottom + margin, tile.left - margin, tile.right + margin
        )
        light = luma(window) / LEVELS
        correction = np.rint(net(light[..., None])[..., 0] * 255).astype(np.int16)
        inner = margin - SPARE
        base = enlarge(
            np.ascontiguousarray(window[inner:-inner, inner:-inner]), scale, SPARE
        ).astype(np.int16)
        base += correction[..., None] if base.ndim == 3 else correction
        around = window[margin - 1 : 1 - margin, margin - 1 : 1 - margin]
        part = out[tile.top * scale : tile.bottom * scale, tile.left * scale : tile.right * scale]
        np.clip(base, *_limits(around, scale, slack), out=part, casting="unsafe")

    run(work, tiles(height, width), progress)
    return out


def _limits(around: Pixels, scale: int, slack: float) -> tuple[Pixels, Pixels]:
    """Enlarged, the least and the greatest value each pixel may take.

    They are those of its 3 x 3 neighbours and a little more. Sharp steps that no lens made
    (screenshots, drawings) would otherwise get halos.
    """
    rows = np.minimum(np.minimum(around[:-2], around[1:-1]), around[2:])
    least = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]).astype(np.int16)
    rows = np.maximum(np.maximum(around[:-2], around[1:-1]), around[2:])
    greatest = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]).astype(np.int16)
    room = ((greatest - least) * slack).astype(np.int16) + 2
    height, width = least.shape[0] * scale, least.shape[1] * scale
    low, high = (
        resize(np.clip(limit, 0, 255).astype(np.uint8), height, width, Image.Resampling.NEAREST)
        for limit in (least - room, greatest + room)
    )
    return low, high


def enlarge_alpha(alpha: Pixels, scale: int) -> Pixels:
    """Enlarge an opacity plane by bicubic; flat areas stay exactly 0 and 255."""
    height, width = alpha.shape
    big: Pixels = resize(alpha, height * scale, width * scale, Image.Resampling.BICUBIC)
    return big
