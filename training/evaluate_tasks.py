"""Owns what is measured for each goal: how a photo is damaged, by what rivals, and what counts;
knows the engine.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from skimage import exposure, restoration

from django_hili.engine import scratch
from django_hili.engine.pipeline import Step, enhance
from django_hili.engine.refusals import EngineRefusal
from training import portraits
from training.degrade import aged, hazed, jpeg, luma, resize, shrink, to_bytes
from training.evaluate_photos import colour, photo
from training.marks import damaged
from training.pictures import Bytes
from training.scenes import scene

CEILING = 60.0
"""Decibels beyond which two pictures are called the same."""


def psnr(one: np.ndarray, other: np.ndarray, edge: int = 0) -> float:
    inner = np.s_[edge : one.shape[0] - edge, edge : one.shape[1] - edge]
    error = (one[inner].astype(np.float64) - other[inner].astype(np.float64)) ** 2
    return float(min(CEILING, 10 * np.log10(255**2 / max(error.mean(), 1e-9))))


def lanczos(small: Bytes, height: int, width: int) -> Bytes:
    return resize(small, width, height, "lanczos")


def back_projected(small: Bytes, height: int, width: int) -> np.ndarray:
    """Lanczos, then five times: shrink, compare, add what is missing (Irani and Peleg 1991). On
    luma.
    """
    target = luma(small)
    big = resize(target, width, height, "lanczos")
    for _ in range(5):
        missing = target - resize(np.ascontiguousarray(big), small.shape[1], small.shape[0])
        big = big + resize(np.ascontiguousarray(missing), width, height, "lanczos")
    return np.clip(np.rint(big), 0, 255)


def enlarged(
    name: str, scale: int, *, quality: int | None = None, image_type: str = "people"
) -> list[float]:
    """PSNR of luma of bicubic, Lanczos, back projection and the engine on a photo shrunk by
    `scale`.
    """
    original = photo(name)
    height, width = original.shape[:2]
    small = shrink(original, scale)
    if quality is not None:
        small = jpeg(np.ascontiguousarray(small), quality)
    engine = enhance(small, operations=["sr"], scale=scale, image_type=image_type).pixels
    answers = (
        resize(small, width, height),
        lanczos(small, height, width),
        back_projected(small, height, width),
        engine,
    )
    return [psnr(np.rint(luma(a)), luma(original), scale) for a in answers]


def cleaned(name: str, deviation: float, quality: int) -> list[float]:
    """PSNR of luma before, of two classical filters told the noise, and of the engine."""
    original = colour(name)
    noise = np.random.default_rng(1).normal(0, deviation, original.shape)
    marred = jpeg(to_bytes(original + noise), quality)
    light = marred.astype(np.float32) / 255
    means = restoration.denoise_nl_means(
        light,
        h=0.6 * deviation / 255,
        sigma=0.6 * deviation / 255,
        patch_size=5,
        patch_distance=5,
        channel_axis=2,
    )
    total = restoration.denoise_tv_chambolle(light, weight=0.9 * deviation / 255, channel_axis=2)
    answers = (marred, means * 255, total * 255, enhance(marred, operations=["repair"]).pixels)
    return [psnr(luma(a), luma(original)) for a in answers]


def compressed(name: str, quality: int) -> list[float]:
    """PSNR of luma of a clean photo's JPEG, and of what `repair` makes of it."""
    original = photo(name)
    small = jpeg(original, quality)
    answer = enhance(small, operations=["repair"]).pixels
    return [psnr(luma(a), luma(original)) for a in (small, answer)]


@cache
def kept(name: str, operation: str) -> list[float]:
    original = colour(name)
    return [psnr(enhance(original, operations=[operation]).pixels, original)]


def refreshed(name: str) -> list[float]:
    original = colour(name)
    faded = aged(np.random.default_rng(4), original)
    stretched = exposure.equalize_adapthist(faded, clip_limit=0.01) * 255
    return [
        psnr(a, original) for a in (faded, stretched, enhance(faded, operations=["repair"]).pixels)
    ]


def lifted(name: str, thickness: float) -> list[float]:
    original = colour(name)
    foggy = hazed(np.random.default_rng(3), original, thickness)
    stretched = exposure.equalize_adapthist(foggy, clip_limit=0.01) * 255
    return [
        psnr(a, original)
        for a in (foggy, stretched, enhance(foggy, operations=["defogging"]).pixels)
    ]


def _inside(mask: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    error = (one[mask].astype(np.float64) - other[mask]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-9)))


def filled(name: str, seed: int) -> list[float]:
    """PSNR inside the marks: damaged, biharmonic from scikit-image, the engine; the true mask is
    given.
    """
    original = colour(name, 320)
    marked, truth = damaged(np.random.default_rng(100 + seed), original)
    hole = scratch.grown(truth)
    smooth = restoration.inpaint_biharmonic(marked, hole, channel_axis=2) * 255
    engine = enhance(marked, operations=["scratch"], mask=hole).pixels
    return [_inside(truth, a, original) for a in (marked, smooth, engine)]


def _marked(name: str, seed: int) -> tuple[Bytes, Bytes, np.ndarray]:
    original = colour(name)
    return (original, *damaged(np.random.default_rng(100 + seed), original))


def found(name: str, seed: int) -> list[float]:
    """F1 of the marks found, with two pixels of tolerance."""
    _, marked, truth = _marked(name, seed)
    mask = scratch.find(marked)
    precision = (mask & _wider(truth)).sum() / max(mask.sum(), 1)
    recall = (truth & _wider(mask)).sum() / max(truth.sum(), 1)
    return [float(2 * precision * recall / max(precision + recall, 1e-9))]


@cache
def touched(name: str) -> list[float]:
    """Per cent of a clean photo's area that would be filled."""
    return [100 * float(scratch.grown(scratch.find(colour(name))).mean())]


def touched_otherwise(name: str) -> list[float]:
    """Per cent of a clean photo's area that would be filled, the worse of two: the whole photo
    mirrored, and at three quarters of its size.
    """
    pixels = photo(name)
    height, width = (3 * side // 4 for side in pixels.shape[:2])
    masks = []
    for clean in (np.ascontiguousarray(pixels[:, ::-1]), resize(pixels, width, height, "lanczos")):
        step, mask = _scratched(clean)
        masks.append(np.zeros_like(mask) if step.method == "none" else mask)
    return [100 * max(float(mask.mean()) for mask in masks)]


def _scratched(pixels: Bytes) -> tuple[Step, np.ndarray]:
    done = enhance(pixels, operations=["scratch"])
    assert done.mask is not None
    return done.steps[0], done.mask


OUTSIDE = ("cell", "retina", "galaxies", "motorcycle", "rocket", "coffee")
"""Photos whose parts outside the middle, or all of them, had no say in any threshold."""


def touched_apart(name: str) -> list[float]:
    """The same, on the photo's lower right corner, beyond what the thresholds were chosen on."""
    pixels = photo(name)
    pixels = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
    corner = pixels if name == "cell" else pixels[:, -((pixels.shape[1] - 512) // 2 or 1) :]
    return [100 * float(scratch.grown(scratch.find(np.ascontiguousarray(corner))).mean())]


def left_alone(name: str) -> list[float]:
    """PSNR after `repair` of a generated picture of one kind of colour, the worst of three."""
    drawn = (scene(name, seed) for seed in range(3))
    return [min(psnr(enhance(p, operations=["repair"]).pixels, p) for p in drawn)]


def restored(name: str, seed: int) -> list[float]:
    """PSNR of the whole photo before and after, marks found by the engine."""
    original, marked, _ = _marked(name, seed)
    return [psnr(marked, original), psnr(enhance(marked, operations=["scratch"]).pixels, original)]


def _wider(mask: np.ndarray) -> np.ndarray:
    return scratch.grown(scratch.grown(mask))


def cut_out(kind: str, seed: int) -> list[float]:
    """Overlap (IoU) of the cut-out with the truth: naive distance from the rim's colour, the
    engine.
    """
    cover, naive, engine = _opacities(kind, seed)
    person = cover > 0.5
    return [
        float((m & person).sum() / (m | person).sum()) for m in (naive > 0.5, engine * 255 > 127)
    ]


def along_the_edge(kind: str, seed: int) -> list[float]:
    """Mean error of the opacity (0..1) where it is neither 0 nor 1 and three pixels around."""
    cover, *answers = _opacities(kind, seed)
    edge = (cover > 0.02) & (cover < 0.98)
    for _ in range(3):
        edge = scratch.grown(edge)
    return [float(np.abs(a - cover)[edge].mean()) for a in answers]


@cache
def _opacities(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The truth, the rim's colour against the rest, and the engine; 0..1."""
    rng = np.random.default_rng(2000 + seed + 100 * len(kind))
    front, cover = (
        portraits.person(rng) if seed % 4 else portraits.astronaut_cut(photo("astronaut"))
    )
    picture = portraits.photographed(rng, front, cover, portraits.backdrop(rng, kind, cover))
    rim = np.concatenate([picture[:12].reshape(-1, 3), picture[:200, :12].reshape(-1, 3)])
    naive = np.abs(picture.astype(np.float32) - np.median(rim, 0)).max(2) > 28
    try:
        alpha = enhance(picture, operations=["bg"]).alpha
    except EngineRefusal:
        alpha = None
    engine = np.zeros(cover.shape) if alpha is None else alpha / 255
    return cover, naive.astype(np.float32), engine


def refused(seed: int) -> list[float]:
    """1 when a busy backdrop is refused."""
    rng = np.random.default_rng(3000 + seed)
    front, cover = portraits.person(rng)
    busy = colour(("coffee", "cat", "motorcycle", "rocket")[seed % 4])
    picture = portraits.photographed(
        rng, front, cover, portraits.backdrop(rng, "busy", cover, busy)
    )
    try:
        enhance(picture, operations=["bg"])
    except EngineRefusal:
        return [1.0]
    return [0.0]
