"""Owns the report on image types: what each type's figures reach on pictures of its kind, beside
what the other types' figures reach there; knows the engine.

    python -m training.evaluate_types        # prints and writes docs/engine/types.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from django_hili.engine import scratch
from django_hili.engine.catalogue import IMAGE_TYPES
from django_hili.engine.manners import MANNERS, Manner
from django_hili.engine.pipeline import enhance
from training import portraits
from training.degrade import hazed, jpeg, luma, shrink, to_bytes
from training.evaluate_photos import colour, photo
from training.evaluate_tasks import psnr
from training.marks import damaged
from training.pictures import Bytes, drawing, text

PAGE = Path(__file__).parents[1] / "docs" / "engine" / "types.md"
DRAWN_SEEDS = (901, 902, 903, 904)
NOISY = ((12, 75), (8, 60), (5, 85), (0, 40))
"""Deviation of the noise, quality of the JPEG after it."""
VEILS = (0.3, 0.6, 1.1)
HEAD = """# What the image types mean

Made by `python -m training.evaluate_types` (and by `make quality`); do not edit by hand. Every
row is one operation on pictures of one kind, every column the figures of one image type. The
kind's own column is in bold: it is the one that applies when a person says what the picture is.
Where types share a figure, they share a result.

"""


def _person(seed: int, kind: str) -> Bytes:
    rng = np.random.default_rng(5000 + seed)
    traced = seed % 3 == 0
    front, cover = portraits.astronaut_cut(photo("astronaut")) if traced else portraits.person(rng)
    return portraits.photographed(rng, front, cover, portraits.backdrop(rng, kind, cover))


@cache
def pictures(kind: str) -> tuple[Bytes, ...]:
    """What each type stands for: photos no net has seen, people and drawings by the generator."""
    if kind == "people":
        return colour("astronaut"), _person(1, "gradient"), _person(2, "gradient")
    if kind == "portrait":
        face = np.ascontiguousarray(photo("astronaut")[0:240, 110:350])
        return face, *(_person(seed, "plain") for seed in range(4))
    if kind == "landscape":
        return tuple(colour(name) for name in ("grass", "gravel", "rocket", "moon"))
    if kind == "cartoon":
        return tuple(to_bytes(drawing(np.random.default_rng(s), 320)) for s in DRAWN_SEEDS)
    pages = (to_bytes(text(np.random.default_rng(s), 320)) for s in (905, 906))
    return colour("page"), colour("handwriting"), *pages


def enlarged(kind: str, image_type: str) -> float:
    """PSNR of luma, x2."""
    values = []
    for picture in pictures(kind):
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        whole = np.ascontiguousarray(picture[:height, :width])
        small = np.ascontiguousarray(shrink(whole, 2))
        answer = enhance(small, operations=["sr"], scale=2, image_type=image_type).pixels
        values.append(psnr(np.rint(luma(answer)), luma(whole), 2))
    return float(np.mean(values))


def repaired(kind: str, image_type: str) -> float:
    """PSNR over four kinds of wear."""
    values = []
    for picture in pictures(kind):
        for deviation, quality in NOISY:
            noise = np.random.default_rng(1).normal(0, deviation, picture.shape)
            worn = jpeg(to_bytes((picture + noise).astype(np.float32)), quality)
            answer = enhance(worn, operations=["repair"], image_type=image_type).pixels
            values.append(psnr(answer, picture))
    return float(np.mean(values))


def lifted(kind: str, image_type: str) -> float:
    """PSNR over three thicknesses of haze; thin is a third of usual."""
    values = []
    for picture in pictures(kind):
        for thickness in VEILS:
            foggy = hazed(np.random.default_rng(3), picture, thickness)
            answer = enhance(foggy, operations=["defogging"], image_type=image_type).pixels
            values.append(psnr(answer, picture))
    return float(np.mean(values))


def left_clear(kind: str, image_type: str) -> float:
    """PSNR of the worst clear picture after defogging; 60 is untouched."""
    answers = (
        (enhance(p, operations=["defogging"], image_type=image_type).pixels, p)
        for p in pictures(kind)
    )
    return min(psnr(answer, picture) for answer, picture in answers)


def found(kind: str, image_type: str) -> float:
    """F1 of marks found, with two pixels of tolerance; marks of other seeds than the report's."""
    values = []
    for number, picture in enumerate(pictures(kind)):
        marked, truth = damaged(np.random.default_rng(700 + number), picture)
        mask = scratch.find(marked, image_type=image_type)
        near, wide = (scratch.grown(scratch.grown(m)) for m in (truth, mask))
        precision = (mask & near).sum() / max(mask.sum(), 1)
        recall = (truth & wide).sum() / max(truth.sum(), 1)
        values.append(2 * precision * recall / max(precision + recall, 1e-9))
    return float(np.mean(values))


def touched(kind: str, image_type: str) -> float:
    """Per cent of a clean picture's area that would be filled."""
    masks = (scratch.grown(scratch.find(p, image_type=image_type)) for p in pictures(kind))
    return 100 * float(np.mean([mask.mean() for mask in masks]))


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    measure: Callable[[str, str], float]
    form: str
    part: Callable[[Manner], object]
    """What of a type the row depends on: types that share it are measured once."""


ROWS = (
    Row("`sr` ×2, dB", enlarged, ".2f", lambda m: m.is_drawn),
    Row(
        "`repair`, four kinds of wear, dB",
        repaired,
        ".2f",
        lambda m: (m.is_drawn, m.repair_at_most),
    ),
    Row("`defogging`, three hazes, dB", lifted, ".2f", lambda m: m.haze),
    Row("`defogging`, worst clear picture, dB", left_clear, ".1f", lambda m: m.haze),
    Row("`scratch`, finding, F1", found, ".3f", lambda m: (m.is_drawn, m.surest_line)),
    Row(
        "`scratch`, clean picture touched, % of area",
        touched,
        ".2f",
        lambda m: (m.is_drawn, m.surest_line),
    ),
)


def measured(kinds: tuple[str, ...] = IMAGE_TYPES) -> dict[str, list[list[float]]]:
    """Kind -> row -> the figure under each type."""
    return {kind: [_along(row, kind) for row in ROWS] for kind in kinds}


def _along(row: Row, kind: str) -> list[float]:
    parts = [row.part(MANNERS[image_type]) for image_type in IMAGE_TYPES]
    known = {
        part: row.measure(kind, IMAGE_TYPES[number])
        for number, part in enumerate(parts)
        if parts.index(part) == number
    }
    return [known[part] for part in parts]


def lines(figures: dict[str, list[list[float]]]) -> list[str]:
    out = ["| type | " + " | ".join(IMAGE_TYPES) + " |", "|---|" + "---|" * len(IMAGE_TYPES)]
    manners = [MANNERS[name] for name in IMAGE_TYPES]
    out.append("| `sr` | " + " | ".join("text net" if m.is_drawn else "measured" for m in manners))
    out.append("| `repair`, at most | " + " | ".join(f"{m.repair_at_most:g}" for m in manners))
    out.append("| haze from .. to | " + " | ".join("{:g} .. {:g}".format(*m.haze) for m in manners))
    out.append("| surest line | " + " | ".join(f"{m.surest_line:g}" for m in manners))
    out = [line if line.endswith("|") else f"{line} |" for line in out] + [""]
    for kind, rows in figures.items():
        count = len(pictures(kind))
        out += [f"## Pictures of the kind {kind} ({count})", ""]
        out += ["| | " + " | ".join(f"as {name}" for name in IMAGE_TYPES) + " |"]
        out += ["|---|" + "---:|" * len(IMAGE_TYPES)]
        for row, values in zip(ROWS, rows, strict=True):
            cells = [
                f"**{v:{row.form}}**" if name == kind else f"{v:{row.form}}"
                for name, v in zip(IMAGE_TYPES, values, strict=True)
            ]
            out.append(f"| {row.title} | " + " | ".join(cells) + " |")
        out.append("")
    return out


def write(path: Path = PAGE) -> None:
    path.write_text("\n".join([HEAD.rstrip(), "", *lines(measured()), REMARKS]), "utf-8")


REMARKS = """## How to read it

- **landscape** keeps twice the grain at the same PSNR, for the sake of grass and gravel; takes
  thinner haze for haze; finds fainter scratches, since little in a landscape is as thin and bright.
- **portrait** finds fainter scratches, too: of a face nothing is taken for one any more.
- **people** stands between them, and is what applies when nobody says what the picture is.
- **cartoon** and **text** are enlarged by the net that learned drawings and lettering, are cleaned
  of JPEG ripples that a photo would hide, and their fainter scratches are found, whatever lies on
  either side of them.
- All but landscapes ask for more light in the dark before they are called hazy: paper, a wall and a
  backdrop are pale without any haze. The price is thin haze that stays.
- The pictures: the astronaut, her face, grass, gravel, the rocket, the moon, a page and handwriting
  from scikit-image; people, drawings and pages by the generator, with seeds that no net has learned
  from. The figures of the types were chosen on these same pictures, so they flatter somewhat; and
  they are few, so read differences below a tenth of a decibel as none.
"""


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    write()
    print(PAGE.read_text("utf-8"))


if __name__ == "__main__":
    main()
