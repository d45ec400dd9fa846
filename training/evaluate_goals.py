"""Owns the list of goals: what is wanted, on which pictures, and when it counts as reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training import evaluate_tasks as measured
from training.evaluate_files import from_file_to_file
from training.evaluate_photos import APART, COLOUR, DESIGN_SIX, FILES, TEXTS
from training.scenes import SCENES

Figures = NDArray[np.float64]
Verdict = tuple[float, bool]
Rows = dict[str, Callable[[], list[float]]]


@dataclass
class Goal:
    """One goal: per picture how to get the figures of each method, the engine's last."""

    name: str
    unit: str
    wanted: str
    methods: tuple[str, ...]
    judge: Callable[[Figures], Verdict]
    """From figures (pictures x methods): the value held against the goal, and whether it is
    reached.
    """
    rows: Rows
    remark: str = ""
    """What a reader has to know to read the figures rightly."""
    figures: dict[str, list[float]] = field(default_factory=dict)

    def measure(self) -> None:
        self.figures = {name: row() for name, row in self.rows.items()}

    def verdict(self) -> Verdict:
        return self.judge(self.table())

    def table(self) -> Figures:
        return np.array(list(self.figures.values()))


def gain(least: float) -> Callable[[Figures], Verdict]:
    """Mean gain of the engine (last) over the first method."""
    return lambda v: ((value := float((v[:, -1] - v[:, 0]).mean())), value >= least)


def mean(least: float) -> Callable[[Figures], Verdict]:
    return lambda v: ((value := float(v[:, -1].mean())), value >= least)


def at_most(limit: float) -> Callable[[Figures], Verdict]:
    return lambda v: ((value := float(v[:, -1].mean())), value <= limit)


def each_at_most(limit: float) -> Callable[[Figures], Verdict]:
    return lambda v: ((value := float(v[:, -1].max())), value <= limit)


def worst(least: float) -> Callable[[Figures], Verdict]:
    return lambda v: ((value := float(v[:, -1].min())), value >= least)


def never_worse(values: Figures) -> Verdict:
    least = float((values[:, -1] - values[:, 0]).min())
    return least, least >= 0


SETS = (("the design's six", DESIGN_SIX), ("all photos", tuple(FILES)))
PHOTOS = tuple(FILES)


def enlarging() -> Iterator[Goal]:
    methods = ("bicubic", "Lanczos", "back projection", "engine")
    for scale, least in ((2, 2.6), (4, 1.5), (8, 1.1)):
        for label, names in SETS:
            rows: Rows = {n: partial(measured.enlarged, n, scale) for n in names}
            yield Goal(
                f"sr ×{scale}, {label}",
                "dB",
                f"≥ +{least} over bicubic",
                methods,
                gain(least),
                rows,
            )
    for label, names in SETS:
        rows = {n: partial(measured.enlarged, n, 2, quality=80) for n in names}
        yield Goal(
            f"sr ×2 of JPEG 80, {label}", "dB", "≥ +1.2 over bicubic", methods, gain(1.2), rows
        )
    rows = {n: partial(measured.enlarged, n, 4, quality=80) for n in PHOTOS}
    yield Goal(
        "sr ×4 of JPEG 80, all photos", "dB", "≥ +0.9 over bicubic", methods, gain(0.9), rows
    )
    for label, names in (("the design's page", ("page",)), ("all texts", tuple(TEXTS))):
        rows = {n: partial(measured.enlarged, n, 2, image_type="text") for n in names}
        name, wanted = f"sr ×2 of text, {label}", "≥ +4.0 over bicubic"
        yield Goal(name, "dB", wanted, methods, gain(4.0), rows)


def repairing() -> Iterator[Goal]:
    methods = ("input", "non-local means", "total variation", "engine")
    for deviation, quality, least in ((12, 75, 3.5), (8, 60, 1.5)):
        rows: Rows = {n: partial(measured.cleaned, n, deviation, quality) for n in PHOTOS}
        name = f"repair, noise {deviation} then JPEG {quality}"
        yield Goal(name, "dB", f"≥ +{least}", methods, gain(least), rows)
    for quality in (90, 80):
        rows = {n: partial(measured.compressed, n, quality) for n in PHOTOS}
        name = f"repair, clean photo as JPEG {quality}"
        yield Goal(name, "dB", "never worse", ("input", "engine"), never_worse, rows)
    rows = {n: partial(measured.kept, n, "repair") for n in PHOTOS}
    yield Goal("repair, harm to a clean photo", "dB", "≥ 48", ("engine",), mean(48), rows)
    name = "repair, harm to a clean photo, each"
    yield Goal(name, "dB", "≥ 48, each", ("engine",), worst(48), rows, WORN)
    rows = {n: partial(from_file_to_file, n, 95) for n in PHOTOS}
    name = "repair, harm to a clean photo, from JPEG 95 to the file that comes back"
    yield Goal(name, "dB", "≥ 48, each", ("engine",), worst(48), rows)
    rows = {n: partial(measured.left_alone, n) for n in SCENES}
    name = "repair, harm to skin, sunsets, forests, skies"
    yield Goal(name, "dB", "≥ 48, each", ("engine",), worst(48), rows)
    rows = {n: partial(measured.refreshed, n) for n in COLOUR}
    yield Goal(
        "repair, fade and cast", "dB", "≥ +3.0", ("input", "CLAHE", "engine"), gain(3.0), rows
    )


WORN = (
    "Not all of these are clean: tissue, rocket and retina were JPEGs. Whether what is taken off "
    "such a photo was damage, nobody can say without the photos before."
)


def scratches() -> Iterator[Goal]:
    numbered = list(enumerate(PHOTOS[:10]))
    rows: Rows = {n: partial(measured.filled, n, i) for i, n in numbered}
    yield Goal(
        "scratch, filling", "dB", "≥ 23.3", ("damaged", "biharmonic", "engine"), mean(23.3), rows
    )
    rows = {n: partial(measured.found, n, i) for i, n in numbered}
    yield Goal("scratch, finding", "F1", "≥ 0.75", ("engine",), mean(0.75), rows)
    rows = {n: partial(measured.found, n, 400 + i) for i, n in enumerate(APART)}
    yield Goal("scratch, finding, photos kept apart", "F1", "≥ 0.75", ("engine",), mean(0.75), rows)
    rows = {n: partial(measured.found, n, 500 + i) for i, n in numbered}
    name = "scratch, finding, the same photos with other marks"
    yield Goal(name, "F1", "≥ 0.75", ("engine",), mean(0.75), rows)
    rows = {n: partial(measured.touched, n) for n in PHOTOS}
    yield Goal(
        "scratch, clean photo touched", "% of area", "≤ 0.2", ("engine",), at_most(0.2), rows
    )
    name = "scratch, clean photo touched, each"
    yield Goal(name, "% of area", "≤ 0.2, each", ("engine",), each_at_most(0.2), rows, TAKEN)
    rows = {n: partial(measured.touched_apart, n) for n in measured.OUTSIDE}
    name = "scratch, clean photo touched, kept apart"
    yield Goal(name, "% of area", "≤ 0.2", ("engine",), at_most(0.2), rows)
    rows = {n: partial(measured.touched_otherwise, n) for n in PHOTOS}
    name = "scratch, clean photo touched, mirrored or shrunk, each"
    yield Goal(name, "% of area", "≤ 0.2, each", ("engine",), each_at_most(0.2), rows, SHRUNK)
    rows = {n: partial(measured.restored, n, i) for i, n in numbered}
    yield Goal(
        "scratch, whole photo", "dB", "never worse", ("damaged", "engine"), never_worse, rows
    )
    rows = {n: partial(measured.restored, n, 400 + i) for i, n in enumerate(APART)}
    name = "scratch, whole photo, photos kept apart"
    yield Goal(name, "dB", "never worse", ("damaged", "engine"), never_worse, rows)


TAKEN = (
    "A line was taken for a scratch in every photo that is not 0. These photos had a say in how "
    "differently a scratch's sides may be lit; the next table shows the same photos otherwise."
)
SHRUNK = (
    "The worse of two: the whole photo mirrored, and at three quarters of its size. No figure of "
    "the engine was chosen on these. Where more than 10 % was found, nothing is filled."
)


def lifting() -> Iterator[Goal]:
    rows: Rows = {
        f"{n}, {t:g}": partial(measured.lifted, n, t) for n in COLOUR for t in (0.6, 1.1, 1.7)
    }
    yield Goal("defogging", "dB", "≥ +7.5", ("input", "CLAHE", "engine"), gain(7.5), rows)
    rows = {n: partial(measured.kept, n, "defogging") for n in PHOTOS}
    yield Goal("defogging, harm to a clear photo", "dB", "≥ 50", ("engine",), mean(50), rows)
    name = "defogging, harm to a clear photo, each"
    yield Goal(name, "dB", "≥ 50, each", ("engine",), worst(50), rows)


def cutting() -> Iterator[Goal]:
    kinds = [(kind, seed) for kind in ("plain", "gradient") for seed in range(10)]
    rows: Rows = {f"{k} {s}": partial(measured.cut_out, k, s) for k, s in kinds}
    methods = ("rim colour", "engine")
    yield Goal("bg, plain backdrop, mean", "IoU", "≥ 0.975", methods, mean(0.975), rows)
    yield Goal("bg, plain backdrop, worst", "IoU", "≥ 0.95", methods, worst(0.95), rows)
    rows = {f"{k} {s}": partial(measured.along_the_edge, k, s) for k, s in kinds}
    name = "bg, error of the opacity along the edge"
    yield Goal(name, "of 1", "≤ 0.05", methods, at_most(0.05), rows)
    rows = {f"busy {s}": partial(measured.refused, s) for s in range(8)}
    yield Goal("bg, busy backdrop refused", "share", "all", ("engine",), mean(1.0), rows)


def goals(containing: str = "") -> list[Goal]:
    """Every goal in the order of the report, or those whose name contains a text."""
    groups = (enlarging, repairing, scratches, lifting, cutting)
    return [goal for group in groups for goal in group() if containing in goal.name]
