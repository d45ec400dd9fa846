"""Owns made-up ID photos whose opacity is known exactly, to judge the cut-out by; knows Pillow, no
engine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from training.degrade import resize, to_bytes
from training.pictures import Bytes, Floats, blur

FINE = 3
HAIRS = ((20, 17, 16), (60, 40, 25), (110, 75, 45), (185, 150, 95), (120, 120, 122), (95, 45, 25))
BACKDROPS = (
    (245, 245, 245),
    (225, 228, 230),
    (85, 142, 213),
    (200, 40, 40),
    (180, 205, 230),
    (150, 160, 150),
)
Colour = tuple[int, int, int]


class _Drawing:
    """A picture and its opacity, drawn together at FINE times the size."""

    def __init__(self, height: int, width: int) -> None:
        self.size = (width * FINE, height * FINE)
        self.colours, self.cover = Image.new("RGB", self.size), Image.new("L", self.size)
        self.pens = (ImageDraw.Draw(self.colours), ImageDraw.Draw(self.cover))

    def put(
        self, draw: Callable[[ImageDraw.ImageDraw, Colour | int], None], colour: np.ndarray
    ) -> None:
        draw(self.pens[0], tuple(int(v) for v in np.clip(colour, 0, 255)))
        draw(self.pens[1], 255)

    def oval(
        self, cx: float, cy: float, rx: float, ry: float, colour: np.ndarray, *, upper: bool = False
    ) -> None:
        box = (cx - rx, cy - ry, cx + rx, cy + ry)
        if upper:
            self.put(lambda pen, ink: pen.pieslice(box, 180, 360, fill=ink), colour)
        else:
            self.put(lambda pen, ink: pen.ellipse(box, fill=ink), colour)

    def area(self, points: list[tuple[float, float]], colour: np.ndarray) -> None:
        self.put(lambda pen, ink: pen.polygon(points, fill=ink), colour)

    def averaged(self) -> tuple[Floats, Floats]:
        width, height = self.size[0] // FINE, self.size[1] // FINE
        colours = (
            np.asarray(self.colours, np.float32).reshape(height, FINE, width, FINE, 3).mean((1, 3))
        )
        cover = (
            np.asarray(self.cover, np.float32).reshape(height, FINE, width, FINE).mean((1, 3)) / 255
        )
        return colours, cover


def person(rng: np.random.Generator, height: int = 600, width: int = 480) -> tuple[Floats, Floats]:
    """Draw head, hair, neck and shoulders; return colours (RGB 0..255) and opacity (0..1)."""
    drawing = _Drawing(height, width)
    w, h = drawing.size
    skin = rng.uniform(95, 245) * np.array([1, rng.uniform(0.68, 0.83), rng.uniform(0.5, 0.72)])
    hair = np.array(HAIRS[int(rng.integers(len(HAIRS)))]) + rng.normal(0, 6, 3)
    cloth = [
        np.array((28, 30, 40)),
        np.array((235, 235, 238)),
        rng.uniform(30, 230, 3),
        rng.uniform(30, 230, 3),
    ]
    cx, cy = w * (0.5 + rng.normal(0, 0.03)), h * rng.uniform(0.36, 0.45)
    rx, ry, full = w * rng.uniform(0.15, 0.2), h * rng.uniform(0.17, 0.22), rng.uniform(1.12, 1.35)
    long_hair = rng.random() < 0.5
    if long_hair:
        out, low = rx * rng.uniform(1.25, 1.6), cy + ry * rng.uniform(1.4, 2.4)
        drawing.area(
            [
                (cx - rx * full, cy - ry * 0.2),
                (cx + rx * full, cy - ry * 0.2),
                (cx + out, low),
                (cx - out, low),
            ],
            hair,
        )
    chin, wide = cy + ry * rng.uniform(1.3, 1.5), w * rng.uniform(0.36, 0.48)
    t = np.linspace(-1, 1, 60)
    line = chin + (h - chin) * (0.08 + 0.55 * np.abs(t) ** 2.6) * rng.uniform(0.5, 0.8)
    shoulders = list(zip((cx + t * wide).tolist(), line.tolist(), strict=True))
    drawing.area(
        [*shoulders, (cx + wide * 1.08, h), (cx - wide * 1.08, h)], cloth[int(rng.integers(4))]
    )
    neck = [(-0.52, 0.6), (0.52, 0.6), (0.7, 1.7), (0, 2.0), (-0.7, 1.7)]
    drawing.area([(cx + rx * a, cy + ry * b) for a, b in neck], skin * 0.9)
    drawing.oval(cx, cy - ry * 0.12, rx * full, ry * full, hair, upper=True)
    for side in (-1, 1):
        drawing.oval(cx + side * rx, cy + ry * 0.05, rx * 0.16, ry * 0.2, skin * 0.93)
    drawing.oval(cx, cy, rx, ry, skin)
    drawing.oval(cx, cy - ry * 0.62, rx * 0.95, ry * rng.uniform(0.42, 0.55), hair, upper=True)
    for side in (-1, 1):
        drawing.oval(
            cx + side * rx * 0.42, cy - ry * 0.1, rx * 0.17, ry * 0.07, np.array((240, 240, 240))
        )
        drawing.oval(
            cx + side * rx * 0.42, cy - ry * 0.1, rx * 0.08, rx * 0.08, np.array((45, 30, 25))
        )
    drawing.oval(cx, cy + ry * 0.5, rx * 0.3, ry * 0.07, skin * np.array([0.8, 0.55, 0.6]))
    _strands(rng, drawing, hair, (cx, cy, rx, ry), full, long_hair=long_hair)
    colours, cover = drawing.averaged()
    colours = np.where(cover[..., None] > 0.02, colours / np.maximum(cover, 0.02)[..., None], hair)
    return _shaded(rng, colours.astype(np.float32)), cover


def _strands(
    rng: np.random.Generator,
    drawing: _Drawing,
    hair: np.ndarray,
    head: tuple[float, float, float, float],
    full: float,
    *,
    long_hair: bool,
) -> None:
    """Single hairs that stand off: what makes a cut-out hard."""
    cx, cy, rx, ry = head
    for _ in range(int(rng.integers(40, 260))):
        angle = rng.uniform(np.pi * 0.95, 2.05 * np.pi) if long_hair else rng.uniform(0, 2 * np.pi)
        x, y = (
            cx + rx * full * np.cos(angle) * 0.97,
            cy - ry * 0.12 + ry * full * np.sin(angle) * 0.97,
        )
        if y > cy + ry * 0.6 and not long_hair:
            continue
        length, way, bend = (
            rng.uniform(0.1, 0.5) * ry,
            angle + rng.normal(0, 0.9),
            rng.normal(0, 0.6),
        )
        t = np.linspace(0, 1, 8)
        xs, ys = x + length * t * np.cos(way + bend * t), y + length * t * np.sin(way + bend * t)
        path = list(zip(xs.tolist(), ys.tolist(), strict=True))
        width = int(rng.choice([1, 1, 2, 3]))
        drawing.put(
            lambda pen, ink, p=path, k=width: pen.line(p, fill=ink, width=k),
            hair + rng.normal(0, 12, 3),
        )  # type: ignore[misc]  # defaults bind the loop's values


def _shaded(rng: np.random.Generator, colours: Floats) -> Floats:
    """Give light from one side and the texture of skin and cloth."""
    height, width = colours.shape[:2]
    light = 1 + 0.18 * resize(rng.uniform(-1, 1, (4, 4)).astype(np.float32), width, height)
    light = light + 0.12 * np.linspace(-1, 1, width, dtype=np.float32) * rng.choice([-1, 1])
    texture = blur(rng.standard_normal((height, width, 1)).astype(np.float32), 1.2) * 6
    return np.clip(
        colours * light[..., None] + texture * (1 + rng.normal(0, 0.1, 3)), 0, 255
    ).astype(np.float32)


def backdrop(
    rng: np.random.Generator, kind: str, cover: Floats, busy: Bytes | None = None
) -> Floats:
    """A backdrop as large as `cover`: "plain", "gradient", "wall" (uneven, with a shadow),
    "blurred" or "busy".
    """
    height, width = cover.shape
    colour = (
        BACKDROPS[int(rng.integers(len(BACKDROPS)))]
        if rng.random() < 0.85
        else rng.uniform(90, 250, 3)
    )
    back = np.empty((height, width, 3), np.float32)
    back[:] = colour
    if kind in ("gradient", "wall"):
        y, x = np.mgrid[:height, :width].astype(np.float32)
        far = np.hypot(x / width - 0.5, y / height - 0.4)
        back *= (1.05 - rng.uniform(0.1, 0.45) * far - rng.uniform(-0.15, 0.25) * y / height)[
            ..., None
        ]
    if kind == "wall":
        stains = [
            resize(rng.normal(0, 9, (height // 24, width // 24)).astype(np.float32), width, height)
            for _ in range(3)
        ]
        move = (int(rng.integers(5, 20)), int(rng.choice([-1, 1]) * rng.integers(12, 45)))
        shadow = blur(np.roll(cover, move, (0, 1))[..., None], float(rng.uniform(6, 22)))
        back = (back + np.stack(stains, 2)) * (1 - rng.uniform(0.15, 0.4) * shadow)
    if busy is not None and kind in ("blurred", "busy"):
        back = resize(busy, width, height).astype(np.float32)
        back = blur(back, float(rng.uniform(10, 20))) if kind == "blurred" else back
    return np.clip(back, 0, 255).astype(np.float32)


def photographed(rng: np.random.Generator, front: Floats, cover: Floats, back: Floats) -> Bytes:
    """Put the person before the backdrop and add a camera's noise."""
    mixed = front * cover[..., None] + back * (1 - cover[..., None])
    return to_bytes(mixed + rng.normal(0, rng.uniform(0.5, 3), mixed.shape).astype(np.float32))


ASTRONAUT = (
    (20, 470),
    (22, 410),
    (45, 330),
    (60, 275),
    (95, 240),
    (120, 212),
    (116, 190),
    (128, 165),
    (150, 152),
    (184, 148),
    (180, 128),
    (170, 125),
    (158, 108),
    (153, 82),
    (160, 55),
    (185, 40),
    (195, 26),
    (215, 18),
    (235, 15),
    (255, 20),
    (280, 32),
    (297, 60),
    (301, 90),
    (292, 115),
    (278, 130),
    (266, 138),
    (260, 172),
    (285, 190),
    (300, 215),
    (305, 235),
    (330, 255),
    (345, 285),
    (352, 330),
    (358, 360),
    (360, 470),
)
"""The person in scikit-image's `astronaut`, traced by hand as (x, y): real skin, hair and cloth
with a known outline.
"""


def astronaut_cut(photo: Bytes) -> tuple[Floats, Floats]:
    """Cut the traced person out of the photo; what lies inside the outline is the person by
    definition.
    """
    sheet = Image.new("L", (512 * FINE, 470 * FINE))
    ImageDraw.Draw(sheet).polygon([(x * FINE, y * FINE) for x, y in ASTRONAUT], fill=255)
    cover = np.asarray(sheet, np.float32).reshape(470, FINE, 512, FINE).mean((1, 3)) / 255
    return photo[:470, :400].astype(np.float32), blur(cover[..., None], 0.7)[:, :400, 0]
