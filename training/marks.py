"""Owns the scratches, dust, hairs and creases laid over pictures, and the truth about where they
are; knows no net.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.degrade import to_bytes
from training.pictures import Bytes, Floats, blur

FINE = 2
"""Marks are drawn at twice the size and averaged down."""
VISIBLE = 8
"""Levels a pixel must have changed by to count as damaged: what nobody sees need not be found."""


def _cover(height: int, width: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("L", (width * FINE, height * FINE))
    return sheet, ImageDraw.Draw(sheet)


def _averaged(sheet: Image.Image) -> Floats:
    width, height = sheet.size
    return (
        np.asarray(sheet, np.float32)
        .reshape(height // FINE, FINE, width // FINE, FINE)
        .mean((1, 3))
        / 255
    )


def _scratch(rng: np.random.Generator, height: int, width: int) -> Floats:
    """One long thin line, straight or gently bent, mostly upright as film transport makes them;
    sometimes broken.
    """
    sheet, pen = _cover(height, width)
    length = rng.uniform(0.15, 0.9) * height * FINE
    angle = np.pi / 2 + rng.normal(0, 0.25) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    bend = rng.normal(0, 0.4) / length
    turns = angle + np.cumsum(bend * length / 60 + rng.normal(0, 0.015, 60))
    x = rng.uniform(0, width * FINE) + np.cumsum(np.cos(turns)) * length / 60
    y = rng.uniform(0, height * FINE) + np.cumsum(np.sin(turns)) * length / 60
    pen.line(
        list(zip(x.tolist(), y.tolist(), strict=True)),
        fill=255,
        width=int(rng.choice([1, 2, 3, 4, 6])),
        joint="curve",
    )
    cover = _averaged(sheet) * rng.uniform(0.55, 1)
    if rng.random() < 0.5:
        gaps = rng.normal(-0.1, 0.5, (max(height // 16, 2), max(width // 16, 2))).astype(np.float32)
        gaps = np.asarray(Image.fromarray(gaps).resize((width, height), Image.Resampling.BILINEAR))
        cover = cover * np.clip(1 + gaps, 0, 1)
    return cover.astype(np.float32)


def _speck(rng: np.random.Generator, height: int, width: int) -> Floats:
    """One grain of dust or one short hair."""
    sheet, pen = _cover(height, width)
    x, y = rng.uniform(0, width * FINE), rng.uniform(0, height * FINE)
    if rng.random() < 0.7:
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        a, b = rng.uniform(1, 6, 2) * (1 + 0.2 * rng.normal(0, 1, (2, 1)).T[0])
        points = list(
            zip((x + a * np.cos(angle)).tolist(), (y + b * np.sin(angle)).tolist(), strict=True)
        )
        pen.polygon(points, fill=255)
    else:
        steps = rng.normal(0, 7, (8, 2)).cumsum(0) + np.array([x, y])
        pen.line(
            [tuple(p) for p in steps.tolist()],
            fill=255,
            width=int(rng.integers(1, 3)),
            joint="curve",
        )
    return _averaged(sheet) * float(rng.uniform(0.6, 1))


def _crease(rng: np.random.Generator, height: int, width: int, grain: Floats) -> Floats:
    """A fold across the whole print: wide, ragged and pale."""
    sheet, pen = _cover(height, width)
    along, across = (width, height) if rng.random() < 0.5 else (height, width)
    t = np.linspace(0, along * FINE, 30)
    wander = rng.uniform(0.2, 0.8) * across * FINE + np.cumsum(rng.normal(0, 2.5, 30))
    pair = (t, wander) if along == width else (wander, t)
    pen.line(
        list(zip(pair[0].tolist(), pair[1].tolist(), strict=True)),
        fill=255,
        width=int(rng.integers(4, 12)),
        joint="curve",
    )
    return _averaged(sheet) * np.clip(0.9 + 0.35 * grain, 0, 1)


def damaged(
    rng: np.random.Generator, image: Bytes, density: float = 1.0
) -> tuple[Bytes, NDArray[np.bool_]]:
    """Lay marks over an RGB picture; return it and where it visibly changed."""
    height, width = image.shape[:2]
    grain = blur(rng.standard_normal((height, width)).astype(np.float32)[..., None], 0.8)[..., 0]
    covers = [_scratch(rng, height, width) for _ in range(int(rng.integers(5, 11) * density))]
    covers += [_speck(rng, height, width) for _ in range(int(rng.integers(10, 40) * density))]
    covers += [_crease(rng, height, width, grain) for _ in range(int(rng.random() < 0.5 * density))]
    out, total = image.astype(np.float32), np.zeros((height, width), np.float32)
    for cover in covers:
        base = rng.uniform(215, 252) if rng.random() < 0.8 else rng.uniform(5, 45)
        colour = (base + rng.normal(0, 4, 3)).astype(np.float32)
        share = np.clip(cover * (1 + 0.1 * grain), 0, 1)
        out += (colour - out) * share[..., None]
        total = np.maximum(total, share)
    changed = np.abs(out - image).max(2)
    return to_bytes(out), (total > 0.12) & (changed > VISIBLE)
