"""Owns the generated pictures that the nets learn from; knows numpy and Pillow, no photograph and
no net.

Photographs would bring licences and faces; occluding shapes with power-law sizes ("dead leaves",
Lee, Mumford and Huang 2001) have the edge and texture statistics of photos and bring neither. Every
picture is a function of one seed.
"""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

OVERSAMPLING = 2
"""Shapes are drawn at twice the size and averaged down: edges are then smooth the way a lens makes
them.
"""


def power_noise(
    rng: np.random.Generator, side: int, exponent: float, stretch: float = 1.0
) -> Floats:
    """Make a `side` x `side` texture with spectrum 1/f^exponent, mean 0 and deviation 1; `stretch`
    makes it directional.
    """
    white = np.fft.rfft2(rng.standard_normal((side, side)))
    fy, fx = np.fft.fftfreq(side)[:, None] * stretch, np.fft.rfftfreq(side)[None] / stretch
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1.0
    white[0, 0] = 0.0
    texture = np.fft.irfft2(white / frequency**exponent, (side, side))
    return (texture / texture.std()).astype(np.float32)


def textures(rng: np.random.Generator, side: int) -> list[Floats]:
    """Make the shared texture sheets: smooth, rough and directional ones, and flecks made by
    thresholding.
    """
    plain = [power_noise(rng, side, e) for e in (0.4, 0.8, 1.1, 1.4, 1.8)]
    grained = [power_noise(rng, side, e, s) for e, s in ((0.8, 3.0), (1.2, 0.3), (1.0, 6.0))]
    flecks = [np.tanh(3 * power_noise(rng, side, e)) for e in (0.9, 1.3)]
    ridges = [(1 - 2 * np.abs(power_noise(rng, side, e))).clip(-2, 1) for e in (1.2, 1.5)]
    return plain + grained + flecks + ridges


def _palette(rng: np.random.Generator) -> Floats:
    """Pick the few base colours one picture draws from; real pictures have few hues."""
    count = int(rng.integers(3, 9))
    hue = rng.uniform(0, 1, count)
    saturation, value = rng.beta(1.2, 2.5, count), rng.uniform(0.02, 0.98, count)
    k = (np.array([5.0, 3.0, 1.0])[None] + hue[:, None] * 6) % 6
    wave = np.clip(np.minimum(k, 4 - k), 0, 1)
    return (255 * value[:, None] * (1 - saturation[:, None] * wave)).astype(np.float32)


def _outline(
    rng: np.random.Generator, radius: float, centre: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the points of one closed shape: ellipse-like, smooth and wavy, cornered, or a bar."""
    kind = rng.random()
    if kind < 0.55:
        angle = np.linspace(0, 2 * np.pi, max(12, min(90, int(radius * 1.5))), endpoint=False)
        reach = np.full_like(angle, radius)
        if kind > 0.25:
            for wave in range(2, 2 + int(rng.integers(1, 7))):
                reach += (
                    radius
                    * rng.normal(0, 0.45 / wave)
                    * np.cos(wave * angle + rng.uniform(0, 6.28))
                )
        squash, turn = rng.uniform(0.2, 1), rng.uniform(0, np.pi)
        x, y = reach * np.cos(angle), reach * np.sin(angle) * squash
    elif kind < 0.8:
        angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        reach, turn = radius * rng.uniform(0.5, 1.5, angle.size), 0.0
        x, y = reach * np.cos(angle), reach * np.sin(angle)
    else:
        turn = rng.uniform(0, np.pi) if rng.random() < 0.7 else 0.0
        long, short = radius, max(0.6, radius * rng.uniform(0.03, 1))
        x, y = np.array([-long, long, long, -long]), np.array([-short, -short, short, short])
    cos, sin = np.cos(turn), np.sin(turn)
    xs, ys = centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _mask(
    rng: np.random.Generator, size: tuple[int, int], centre: tuple[float, float], radius: float
) -> Floats:
    """Draw one shape (or, sometimes, a bent line) into a mask of width x height `size`, values
    0..1.
    """
    sheet = Image.new("L", size)
    pen = ImageDraw.Draw(sheet)
    if rng.random() < 0.12:
        steps = rng.normal(0, radius * 0.6, (int(rng.integers(3, 8)), 2)).cumsum(0)
        path = [(centre[0] + float(x), centre[1] + float(y)) for x, y in steps]
        pen.line(
            path, fill=255, width=int(rng.integers(1, 7)) * (1 if radius < 40 else 2), joint="curve"
        )
    else:
        pen.polygon(_outline(rng, radius, centre), fill=255)
    if rng.random() < 0.25:
        sheet = sheet.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 6))))
    return np.asarray(sheet, np.float32) / 255


def _fill(
    rng: np.random.Generator,
    shape: tuple[int, int],
    colour: Floats,
    radius: float,
    sheets: list[Floats],
) -> Floats:
    """Paint what one shape is made of: colour, shading, texture and now and then a repeating
    pattern.
    """
    rows, columns = shape
    value = np.zeros(shape, np.float32)
    y, x = np.ogrid[:rows, :columns]
    if rng.random() < 0.6:
        slope = rng.normal(0, 1, 2) * rng.uniform(0, 60) / max(radius, 8)
        value += (slope[0] * (x - columns / 2) + slope[1] * (y - rows / 2)).astype(np.float32)
    if rng.random() < 0.65:
        sheet = sheets[int(rng.integers(len(sheets)))]
        side = sheet.shape[0]
        top, left = rng.integers(0, side, 2)
        piece = sheet[np.ix_((np.arange(rows) + top) % side, (np.arange(columns) + left) % side)]
        value += piece * float(rng.uniform(2, 30))
    if rng.random() < 0.14:
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(4, 24)
        wave = np.sin(
            2 * np.pi / pitch * (np.cos(angle) * x + np.sin(angle) * y) + rng.uniform(0, 6)
        )
        if rng.random() < 0.5:
            wave = np.tanh(4 * wave)
        value += (wave * rng.uniform(5, 45)).astype(np.float32)
    tint = (1 + rng.normal(0, 0.15, 3)).astype(np.float32)
    return colour + value[..., None] * tint


def _radii(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Draw the sizes of one picture's shapes in drawing order, most of the time the large ones
    first.
    """
    smallest, exponent = rng.choice([1.0, 1.5, 3.0, 6.0]), rng.uniform(2.0, 3.2)
    largest = side * rng.choice([0.15, 0.3, 0.5])
    u = rng.random(int(rng.choice([150, 350, 700, 1100])))
    a = 1 - exponent
    drawn = (smallest**a + u * (largest**a - smallest**a)) ** (1 / a)
    large = rng.uniform(0.08, 0.5, int(rng.integers(10, 30))) * side
    middle = rng.uniform(0.02, 0.12, int(rng.integers(30, 200))) * side
    rest = np.concatenate([middle, drawn])
    rest = np.sort(rest)[::-1] if rng.random() < 0.5 else rng.permutation(rest)
    return np.concatenate([large, rest])


def leaves(rng: np.random.Generator, side: int, sheets: list[Floats]) -> Floats:
    """Make one picture of occluding shapes, side x side x 3, RGB 0..255."""
    full = side * OVERSAMPLING
    colours = _palette(rng)
    canvas = np.empty((full, full, 3), np.float32)
    canvas[:] = _fill(rng, (full, full), colours[0], full, sheets)
    for radius in _radii(rng, side) * OVERSAMPLING:
        cx, cy = rng.uniform(0, full, 2)
        reach = 1.6 * radius + 8
        x0, x1 = int(max(cx - reach, 0)), int(min(cx + reach + 1, full))
        y0, y1 = int(max(cy - reach, 0)), int(min(cy + reach + 1, full))
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        mask = _mask(rng, (x1 - x0, y1 - y0), (cx - x0, cy - y0), radius)
        colour = colours[int(rng.integers(len(colours)))] + rng.normal(0, 18, 3).astype(np.float32)
        patch = canvas[y0:y1, x0:x1]
        patch += (_fill(rng, mask.shape, colour, radius, sheets) - patch) * mask[..., None]
    canvas = canvas.clip(0, 255)
    return canvas.reshape(side, OVERSAMPLING, side, OVERSAMPLING, 3).mean((1, 3))


LETTERS = [*string.ascii_letters, *string.digits, *".,;:!?()-\"'", *("     ")]


def text(rng: np.random.Generator, side: int) -> Floats:
    """Make one page of printed lines in Pillow's own typeface: many sizes, weights, widths, slants
    and papers.
    """
    paper, ink = rng.uniform(150, 255, 3), rng.uniform(0, 90, 3)
    if rng.random() < 0.25:
        paper, ink = ink, paper
    full = side * OVERSAMPLING
    page = Image.new("L", (full, full))
    top = -4.0
    while top < full:
        size = float(rng.choice([7, 8, 9, 10, 11, 12, 14, 16, 18, 22, 28, 40])) * OVERSAMPLING
        line = Image.new("L", (full, int(size * 1.5)))
        words = "".join(rng.choice(LETTERS, 200).tolist())
        ImageDraw.Draw(line).text(
            (float(rng.uniform(-40, 8)), 0),
            words,
            font=ImageFont.load_default(size),
            fill=255,
            stroke_width=float(rng.choice([0, 0, 0.4, 1.0])) * size / 24,
        )
        wide, slant = rng.uniform(0.75, 1.35), rng.choice([0, 0, -0.22, 0.1])
        line = line.transform(
            line.size, Image.Transform.AFFINE, (wide, slant, 0, 0, 1, 0), Image.Resampling.BICUBIC
        )
        page.paste(line, (0, int(top)))
        top += size * rng.uniform(1.15, 1.7)
    if rng.random() < 0.4:
        page = page.rotate(float(rng.normal(0, 6)), Image.Resampling.BICUBIC)
    cover = np.asarray(page, np.float32).reshape(side, 2, side, 2).mean((1, 3))[..., None] / 255
    image = paper.astype(np.float32) * (1 - cover) + ink.astype(np.float32) * cover
    if rng.random() < 0.5:
        image = image + _slow_light(rng, side)
    if rng.random() < 0.4:
        image = blur(image, float(rng.uniform(0.3, 0.8)))
    return image.clip(0, 255).astype(np.float32)


def _slow_light(rng: np.random.Generator, side: int) -> Floats:
    """Uneven light over a page: a smooth field of about +-25 levels, shape side x side x 1."""
    coarse = Image.fromarray(rng.uniform(-25, 25, (4, 4)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))[..., None]


def drawing(rng: np.random.Generator, side: int) -> Floats:
    """Make one cartoon: flat or softly shaded areas, dark outlines, a little lettering."""
    full = side * OVERSAMPLING
    colours = _palette(rng)
    ink = tuple(int(v) for v in rng.uniform(0, 60, 3))
    sheet = Image.new("RGB", (full, full), tuple(int(v) for v in colours[0]))
    pen = ImageDraw.Draw(sheet)
    width = int(rng.integers(1, 7))
    for radius in np.sort(_radii(rng, full))[::-1][: int(rng.integers(20, 160))]:
        points = _outline(rng, float(radius), tuple(rng.uniform(0, full, 2)))
        pen.polygon(points, fill=tuple(int(v) for v in colours[int(rng.integers(len(colours)))]))
        if rng.random() < 0.8:
            pen.line([*points, points[0]], fill=ink, width=width, joint="curve")
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 8))):
            pen.text(
                tuple(rng.uniform(0, full, 2)),
                "".join(rng.choice(LETTERS, 12).tolist()),
                fill=ink,
                font=ImageFont.load_default(float(rng.uniform(16, 70))),
            )
    image = np.asarray(sheet, np.float32).reshape(side, 2, side, 2, 3).mean((1, 3))
    if rng.random() < 0.3:
        image = image + _slow_light(rng, side)
    return image.clip(0, 255).astype(np.float32)


def blur(image: Floats, deviation: float) -> Floats:
    """Blur rows and columns of H x W x C with a Gaussian of `deviation` pixels; edges repeat."""
    reach = max(1, int(3 * deviation + 0.5))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        widths = [(reach, reach) if a == axis else (0, 0) for a in range(image.ndim)]
        padded, size = np.pad(image, widths, "edge"), image.shape[axis]
        image = sum(
            weight * np.take(padded, np.arange(i, i + size), axis)
            for i, weight in enumerate(kernel)
        )  # type: ignore[assignment]  # sum() starts at int 0
    return image


def picture(seed: int, side: int, sheets: list[Floats], *, texts: float, drawings: float) -> Bytes:
    """Make picture number `seed`; `texts` and `drawings` are the shares of those kinds, the rest
    are leaves.
    """
    rng = np.random.default_rng(seed)
    kind = rng.random()
    if kind < texts:
        image = text(rng, side)
    elif kind < texts + drawings:
        image = drawing(rng, side)
    else:
        image = leaves(rng, side, sheets)
        if rng.random() < 0.2:
            image = blur(image, float(rng.uniform(0.4, 1.2)))
        image = image + rng.normal(0, rng.choice([0, 0, 0.7, 1.5]), image.shape).astype(np.float32)
    return np.rint(image.clip(0, 255)).astype(np.uint8)


def pool(
    count: int, *, seed: int, side: int = 256, texts: float = 0.06, drawings: float = 0.06
) -> Bytes:
    """Make `count` pictures, count x side x side x 3; the same arguments give the same bytes."""
    sheets = textures(np.random.default_rng(seed), 512)
    return np.stack(
        [
            picture(seed * 100_000 + i, side, sheets, texts=texts, drawings=drawings)
            for i in range(count)
        ]
    )
