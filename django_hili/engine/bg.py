"""Owns cutting a person out of a plain backdrop; knows colours and outlines, no face and no net.

A plain backdrop can be described: a smooth surface of colour that the picture's upper edges show.
Whatever differs from it and is not joined to those edges is the person. A backdrop that no such
surface fits is refused, since the cut would be a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from django_hili.engine.filters import enlarged_rows, gaussian, guided, maximum, minimum
from django_hili.engine.pixels import LEVELS, LUMA, Mask, Pixels, Plane, reduced
from django_hili.engine.refusals import EngineRefusal
from django_hili.engine.regions import regions

LONGEST = 420
BORDER, SIDES = 0.05, 0.55
"""Width of the rim taken for backdrop, in shorter sides, and how far down the sides it goes."""
PLAIN, SMOOTH = 0.93, 7.0
"""Share of the rim that must fit the surface, and how many levels it may deviate."""
ALIKE = 4.0
"""Deviations from the backdrop up to which a pixel may be backdrop seen through hair."""
DEEP = 16
"""The longer side divided by this is how far from the outline that is still believed."""
CORE = 4
"""Pixels of the reduced copy that a pixel must lie inside the outline for a colour unlike the
backdrop's to make it opaque: nearer, the backdrop shines through edges and hair.
"""
STRIP = 256


@dataclass(frozen=True, slots=True)
class Cut:
    """The outline on a reduced copy, with the colours on both sides of it carried across."""

    inside: Plane
    """0..1, the person."""
    front: Plane
    back: Plane
    """H x W x 3, 0..255: the person's colours and the backdrop's, each defined everywhere."""
    unsure: Plane
    """1 in the band along the outline where opacity has to be computed, else 0."""
    deviation: float
    """Of the backdrop from its surface, in levels."""


def cut(pixels: Pixels) -> Cut:
    """Find the person on a reduced copy. Raises EngineRefusal("busy_background")."""
    small = reduced(pixels, LONGEST)
    if min(small.shape[:2]) < 32:
        raise EngineRefusal("too_small", "The photo is too small for a cut-out.")
    picture = gaussian(small.astype(np.float32), 0.7)
    surface, deviation, fitting = _surface(picture)
    if fitting < PLAIN or deviation > SMOOTH:
        raise EngineRefusal(
            "busy_background", "The background is not plain enough for a clean cut-out."
        )
    inside = _inside(picture, surface, deviation)
    # Now that more backdrop is known than the rim, follow its light more closely and look again.
    beyond = (maximum(inside, 5) < 0.5).astype(np.float32)
    surface = (surface + _spread(picture - surface, beyond)).clip(0, 255)
    inside = _inside(picture, surface, deviation)
    share = float(inside.mean())
    if not 0.03 < share < 0.9:
        raise EngineRefusal("no_person_found", "No person stands out from the background.")
    return _sides(small.astype(np.float32), surface, inside, deviation)


def _rim(height: int, width: int) -> Mask:
    """The top edge and the upper part of the sides: bodies leave the picture below."""
    rim = np.zeros((height, width), bool)
    wide = max(3, round(BORDER * min(height, width)))
    rim[:wide] = True
    rim[: round(height * SIDES), :wide] = True
    rim[: round(height * SIDES), -wide:] = True
    return rim


def _surface(picture: Plane) -> tuple[Plane, float, float]:
    """Fit a surface of second degree to the rim, giving strays ever less weight.

    Return the surface, the deviation of what fits, and the share that does.
    """
    height, width = picture.shape[:2]
    y, x = np.nonzero(_rim(height, width))
    terms, wanted = _terms(y / height, x / width), picture[y, x]
    weight = np.ones(len(y), np.float32)
    deviation = 1.0
    for _ in range(8):
        weighted = terms * weight[:, None]
        steady = 1e-4 * len(y) * np.diag([0.0, 1, 1, 1, 1, 1]).astype(np.float32)
        factors = np.linalg.solve(weighted.T @ terms + steady, weighted.T @ wanted)
        stray = np.abs(wanted - terms @ factors).max(1)
        deviation = max(1.48 * float(np.median(stray)), 1.2)
        weight = (1 / (1 + (stray / (2.5 * deviation)) ** 4)).astype(np.float32)
    rows, columns = np.mgrid[:height, :width]
    whole = _terms((rows / height).ravel(), (columns / width).ravel()) @ factors
    return whole.reshape(height, width, 3).clip(0, 255), deviation, float(weight.mean())


def _terms(y: np.ndarray, x: np.ndarray) -> Plane:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1).astype(np.float32)


def _inside(picture: Plane, surface: Plane, deviation: float) -> Plane:
    """Weigh distance from the backdrop and how common a colour is on either side, along the
    picture's edges.
    """
    height, width = picture.shape[:2]
    distance = np.sqrt(((picture - surface) ** 2).mean(2)) / max(deviation, 2.0)
    outside = _joined(distance < 2.5, _rim(height, width))
    sure = minimum(outside.astype(np.float32), 2) > 0.5
    odds = ((distance - 4) * 0.8).clip(-4, 4)
    light = picture @ LUMA / LEVELS
    bins = (picture.astype(np.int32) >> 4).clip(0, 15)
    codes = (bins[..., 0] * 16 + bins[..., 1]) * 16 + bins[..., 2]
    prior = _body(height, width)
    for _ in range(3):
        person = (odds > 0) & ~sure
        if person.sum() < 50 or (~person).sum() < 50:
            break
        colour = np.log(_common(codes, person) / _common(codes, ~person)).clip(-4, 4)
        odds = ((distance - 4) * 0.7).clip(-3.5, 3.5) + 0.5 * colour + prior
        odds[sure] = -6
        slope, offset = guided(light, odds.astype(np.float32), 3, 2e-4)
        odds = slope * light + offset
        odds[sure] = -6
    return _whole(odds > 0, distance)


def _body(height: int, width: int) -> Plane:
    """What little is assumed: people stand in the middle and leave the picture at the bottom; -0.8
    .. 0.8.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    off = np.abs(x / width - 0.5)
    head = np.hypot(off / 0.22, (y / height - 0.42) / 0.3)
    chest = np.where(y / height > 0.7, off / 0.42, 9.0)
    prior: Plane = (1.0 - np.minimum(head, chest)).clip(-1, 1).astype(np.float32) * np.float32(0.8)
    return prior


def _common(codes: np.ndarray, where: Mask) -> Plane:
    """How common each pixel's colour is among the marked ones, smoothed over similar colours."""
    cube = np.bincount(codes[where], minlength=4096).reshape(16, 16, 16).astype(np.float32)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if a == axis else (0, 0) for a in range(3)], "edge")
        low, mid, high = (np.take(padded, np.arange(16) + k, axis) for k in range(3))
        cube = 0.25 * low + 0.5 * mid + 0.25 * high
    shares: Plane = (cube / cube.sum() + 1e-5).ravel()[codes]
    return shares


def _joined(allowed: Mask, seeds: Mask) -> Mask:
    """The regions of `allowed` that contain a seed."""
    found = regions(allowed)
    keep = found.peaks((seeds & allowed).astype(np.uint8)) > 0
    return found.mask(keep, (allowed.shape[0], allowed.shape[1]))


def _whole(person: Mask, distance: Plane) -> Plane:
    """Keep the largest region, and fill holes in it that lie deep or differ from the backdrop."""
    shape = (person.shape[0], person.shape[1])
    found = regions(person)
    if found.count == 0:
        return np.zeros(shape, np.float32)
    sizes = found.sums()
    person = found.mask(sizes == sizes.max(), shape)
    rest = regions(~person)
    edge = np.zeros(shape, np.uint8)
    edge[0], edge[:, 0], edge[:, -1] = 1, 1, 1
    closed = rest.mask(rest.peaks(edge) == 0, shape)
    filled = (person | closed).astype(np.float32)
    deep = minimum(filled, max(shape) // DEEP) > 0.5
    return (person | (closed & (deep | (distance > ALIKE)))).astype(np.float32)


def _sides(small: Plane, surface: Plane, inside: Plane, deviation: float) -> Cut:
    """Carry the colours of sure person and sure backdrop across the band between them."""
    longest = max(inside.shape)
    reach = max(3, longest // 60)
    core, wide = minimum(inside, max(2, reach // 2)), maximum(inside, reach + 2)
    # Between strands of hair the backdrop shows through; deep inside, what looks like backdrop is
    # an eye or a shirt.
    alike = minimum(np.sqrt(((small - surface) ** 2).mean(2)), 1) < ALIKE * max(deviation, 2.0)
    core = core * ~(alike & (minimum(inside, longest // DEEP) < 0.5))
    back_known = (wide < 0.5).astype(np.float32)
    front = _spread(small, core)
    near = _spread(small - surface, back_known)
    return Cut(
        inside, front, surface + near, ((wide > 0.5) & (core < 0.5)).astype(np.float32), deviation
    )


def _spread(colours: Plane, known: Plane) -> Plane:
    """Continue the colours of the known pixels over all others: means over ever wider windows."""
    out, have = colours * known[..., None], known.copy()
    for deviation in (2.0, 6.0, 18.0, 60.0):
        weight = gaussian(known, deviation)
        mean = gaussian(colours * known[..., None], deviation) / np.maximum(weight, 1e-4)[..., None]
        fill = (have == 0) & (weight > 0.02)
        out[fill], have[fill] = mean[fill], 1
    return out


def opacity(pixels: Pixels, found: Cut) -> tuple[Pixels, Pixels]:
    """Compute the opacity at full size, and the person's own colours, freed from the backdrop's
    light.

    In the band each pixel lies on the line between the person's colour and the backdrop's; where
    those are too alike to tell, the outline decides.
    """
    height, width = pixels.shape[:2]
    alpha, colours = np.empty((height, width), np.uint8), np.empty_like(pixels)
    noise = max(found.deviation, 1.5)
    core = minimum(found.inside, CORE)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        here = pixels[top:bottom].astype(np.float32)

        def rows(plane: Plane, top: int = top, bottom: int = bottom) -> Plane:
            return enlarged_rows(plane, top, bottom, height, width)

        inside, deep, unsure = rows(found.inside), rows(core), rows(found.unsure)
        front = np.stack([rows(found.front[..., k]) for k in range(3)], 2)
        back = np.stack([rows(found.back[..., k]) for k in range(3)], 2)
        span = front - back
        size = (span**2).sum(2)
        share = (((here - back) * span).sum(2) / np.maximum(size, 60)).clip(0, 1)
        away = np.sqrt(((here - back) ** 2).mean(2))
        share = np.where(away < 1.6 * noise, 0, share)
        share = np.where((away > 10 * noise) & (deep > 0.5), np.maximum(share, deep), share)
        trust = ((np.sqrt(size / 3) - 8) / 25).clip(0, 1)
        share = trust * share + (1 - trust) * inside
        band = (2 * unsure).clip(0, 1)
        share = band * share + (1 - band) * (inside > 0.5)
        alpha[top:bottom] = np.rint(share * 255)
        own = (here - (1 - share[..., None]) * back) / np.maximum(share, 0.1)[..., None]
        mix = ((share - 0.1) / 0.4).clip(0, 1)[..., None]
        clean = np.where(share[..., None] > 0.98, here, mix * own + (1 - mix) * front)
        colours[top:bottom] = np.rint(clean.clip(0, 255))
    return colours, alpha


GRADIENT_GREY = (242, 176)
"""Levels of the grey gradient, top and bottom."""
NAMED = {"red": (235, 51, 35), "blue": (85, 142, 213), "white": (255, 255, 255)}


def is_background(background: object) -> bool:
    """Say whether `paint` (or leaving the cut-out transparent) understands this background."""
    if isinstance(background, str):
        return background in NAMED or background in ("transparent", "gradient_grey")
    return (
        isinstance(background, tuple)
        and len(background) == 3
        and all(isinstance(v, int) and 0 <= v <= 255 for v in background)
    )


def paint(colours: Pixels, alpha: Pixels, background: tuple[int, int, int] | str) -> Pixels:
    """Put the cut-out before a plain colour, or before the grey gradient."""
    height = colours.shape[0]
    if background == "gradient_grey":
        tone = np.linspace(*GRADIENT_GREY, height, dtype=np.float32)[:, None, None].repeat(3, 2)
    else:
        colour = NAMED[background] if isinstance(background, str) else background
        tone = np.broadcast_to(np.array(colour, np.float32), (height, 1, 3))
    out = np.empty_like(colours)
    for top in range(0, height, STRIP):
        rows = np.s_[top : top + STRIP]
        share = alpha[rows].astype(np.float32)[..., None] / LEVELS
        out[rows] = np.rint(colours[rows] * share + tone[rows] * (1 - share))
    return out
