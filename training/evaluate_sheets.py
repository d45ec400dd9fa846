"""Owns the contact sheets of the report: input, plain method, engine, truth, side by side; knows
the engine.

Only photos in the public domain are shown (the astronaut by NASA; the cat, the coffee, the rocket,
the cameraman under CC0), and people drawn by the generator.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from django_hili.engine import scratch
from django_hili.engine.pipeline import enhance
from django_hili.vocabulary import Background
from training import portraits
from training.degrade import aged, hazed, jpeg, resize, shrink, to_bytes
from training.evaluate_photos import colour, photo
from training.marks import damaged
from training.pictures import Bytes, text

Row = list[Bytes]
FACE, EYES, CUP = np.s_[20:212, 130:386], np.s_[60:252, 96:352], np.s_[60:252, 150:406]


def _enlarged(
    original: Bytes, scale: int, quality: int | None = None, image_type: str = "people"
) -> Row:
    height, width = original.shape[:2]
    small = np.ascontiguousarray(shrink(original, scale))
    small = small if quality is None else jpeg(small, quality)
    engine = enhance(small, operations=["sr"], scale=scale, image_type=image_type).pixels
    blocks = np.repeat(np.repeat(small, scale, 0), scale, 1)
    return [blocks, resize(small, width, height), engine, original]


def _window(row: Row, window: tuple[slice, slice]) -> Row:
    return [picture[window] for picture in row]


def enlargements() -> list[Row]:
    rows = [_window(_enlarged(photo("astronaut"), scale), FACE) for scale in (2, 4, 8)]
    rows.append(_window(_enlarged(photo("cat"), 2), EYES))
    rows.append(_window(_enlarged(photo("coffee"), 2, quality=80), CUP))
    page = to_bytes(text(np.random.default_rng(77), 512))
    rows.append(_window(_enlarged(page, 2, image_type="text"), np.s_[0:192, 0:256]))
    return rows


def repairs() -> list[Row]:
    rows = []
    for name, window in (("astronaut", FACE), ("cat", EYES)):
        original = photo(name)
        noise = np.random.default_rng(1).normal(0, 12, original.shape)
        marred = jpeg(to_bytes(original + noise), 75)
        rows.append(
            _window([marred, enhance(marred, operations=["repair"]).pixels, original], window)
        )
    for name in ("astronaut", "coffee"):
        original = photo(name)
        faded = aged(np.random.default_rng(4), original, 5.0)
        small = [
            resize(p, 256, 192)
            for p in (faded, enhance(faded, operations=["repair"]).pixels, original)
        ]
        rows.append(small)
    return rows


def scratches() -> list[Row]:
    rows = []
    for seed, (name, window) in enumerate(
        (("astronaut", FACE), ("cat", EYES), ("cameraman", np.s_[100:292, 100:356]))
    ):
        original = colour(name)
        marked, _ = damaged(np.random.default_rng(100 + seed), original)
        mask = scratch.find(marked)
        shown = marked.copy()
        shown[mask] = (255, 0, 0)
        rows.append(
            _window(
                [marked, shown, enhance(marked, operations=["scratch"]).pixels, original], window
            )
        )
    return rows


def hazes() -> list[Row]:
    rows = []
    for name in ("astronaut", "cat", "coffee", "rocket"):
        original = colour(name)
        foggy = hazed(np.random.default_rng(3), original, 1.1)
        clear = enhance(foggy, operations=["defogging"]).pixels
        rows.append([resize(p, 256, 192) for p in (foggy, clear, original)])
    return rows


def cuts() -> list[Row]:
    rows = []
    for seed, background in ((1, "blue"), (4, "white"), (5, "gradient_grey"), (7, "red")):
        rng = np.random.default_rng(2000 + seed)
        front, cover = (
            portraits.person(rng) if seed % 4 else portraits.astronaut_cut(photo("astronaut"))
        )
        picture = portraits.photographed(
            rng, front, cover, portraits.backdrop(rng, "gradient", cover)
        )
        alpha = enhance(picture, operations=["bg"]).alpha
        new = enhance(picture, operations=["bg"], background=background).pixels
        mask = np.zeros_like(new) if alpha is None else np.repeat(alpha[..., None], 3, 2)
        rows.append([resize(p, 240, 300) for p in (picture, mask, new)])
    return rows


def failures() -> list[Row]:
    """What goes wrong, and what it should be."""
    clean = np.ascontiguousarray(photo("coffee")[200:392, 64:320])
    shown = clean.copy()
    shown[scratch.grown(scratch.find(clean))] = (255, 0, 0)
    rows: list[Row] = [[shown, enhance(clean, operations=["scratch"]).pixels, clean]]
    fur = photo("cat")
    noise = np.random.default_rng(1).normal(0, 25, fur.shape)
    noisy = to_bytes(fur + noise)
    rows.append(_window([noisy, enhance(noisy, operations=["repair"]).pixels, fur], EYES))
    page = to_bytes(text(np.random.default_rng(77), 512))
    small, _, engine, whole = _enlarged(page, 4, image_type="text")
    rows.append(_window([small, engine, whole], np.s_[0:192, 0:256]))
    rng = np.random.default_rng(2001)
    front, cover = portraits.person(rng)
    picture = portraits.photographed(rng, front, cover, portraits.backdrop(rng, "gradient", cover))
    blue = Background.NAMED["blue"]
    cut = enhance(picture, operations=["bg"], background="blue").pixels
    truth = to_bytes(front * cover[..., None] + np.array(blue) * (1 - cover[..., None]))
    height, width = picture.shape[:2]
    head = np.s_[height // 16 : height // 16 + 3 * width // 4 * 3 // 4, width // 8 : width * 7 // 8]
    rows.append([resize(p[head], 256, 192) for p in (picture, cut, truth)])
    return rows


SHEETS: tuple[tuple[str, str, Callable[[], list[Row]]], ...] = (
    (
        "sr",
        "Enlarging ×2, ×4, ×8, ×2, ×2 of a JPEG, ×2 of text: pixels, bicubic, engine, original",
        enlargements,
    ),
    ("repair", "Noise and blocks, then faded prints: input, engine, original", repairs),
    ("scratch", "Damaged, found (red), engine, original", scratches),
    (
        "defogging",
        "Haze, engine, original; the last is a bad case: a night sky has no colour to judge by",
        hazes,
    ),
    ("bg", "Input, opacity, new background", cuts),
    (
        "bad",
        (
            "Bad cases: part of a clean saucer's rim taken for a scratch (red), fur taken "
            "for noise, "
            "small letters four times larger, pale backdrop left between dark strands: "
            "input, engine, what it should be"
        ),
        failures,
    ),
)


def _joined(rows: list[Row]) -> Bytes:
    def in_colour(picture: Bytes) -> Bytes:
        return np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture

    return np.concatenate([np.concatenate([in_colour(p) for p in row], 1) for row in rows])


def write_sheets(folder: Path) -> list[str]:
    """Write one JPEG per operation; return the lines of the report that show them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["## Look at them", ""]
    for name, caption, rows in SHEETS:
        Image.fromarray(_joined(rows())).save(folder / f"{name}.jpg", quality=85, optimize=True)
        lines += [f"![{caption}](sheets/{name}.jpg)", "", f"*{caption}.*", ""]
    return lines
