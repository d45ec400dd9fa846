"""Owns the list of goals: what is wanted, on which pictures, and when it counts as reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training import evaluate_tasks as measured
from training.evaluate_photos import COLOUR, DESIGN_SIX, FILES, TEXTS

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
    rows = {n: partial(measured.kept, n, "repair") for n in PHOTOS}
    yield Goal("repair, harm to a clean photo", "dB", "≥ 48", ("engine",), mean(48), rows)
    rows = {n: partial(measured.refreshed, n) for n in COLOUR}
    yield Goal(
        "repair, fade and cast", "dB", "≥ +3.0", ("input", "CLAHE", "engine"), gain(3.0), rows
    )


def scratches() -> Iterator[Goal]:
    numbered = list(enumerate(PHOTOS[:10]))
    rows: Rows = {n: partial(measured.filled, n, i) for i, n in numbered}
    yield Goal(
        "scratch, filling", "dB", "≥ 23.3", ("damaged", "biharmonic", "engine"), mean(23.3), rows
    )
    rows = {n: partial(measured.found, n, i) for i, n in numbered}
    yield Goal("scratch, finding", "F1", "≥ 0.75", ("engine",), mean(0.75), rows)
    rows = {n: partial(measured.touched, n) for n in PHOTOS}
    yield Goal(
        "scratch, clean photo touched", "% of area", "≤ 0.2", ("engine",), at_most(0.2), rows
    )
    rows = {n: partial(measured.restored, n, i) for i, n in numbered}
    yield Goal(
        "scratch, whole photo", "dB", "never worse", ("damaged", "engine"), never_worse, rows
    )


def lifting() -> Iterator[Goal]:
    rows: Rows = {
        f"{n}, {t:g}": partial(measured.lifted, n, t) for n in COLOUR for t in (0.6, 1.1, 1.7)
    }
    yield Goal("defogging", "dB", "≥ +7.5", ("input", "CLAHE", "engine"), gain(7.5), rows)
    rows = {n: partial(measured.kept, n, "defogging") for n in PHOTOS}
    yield Goal("defogging, harm to a clear photo", "dB", "≥ 50", ("engine",), mean(50), rows)


def cutting() -> Iterator[Goal]:
    kinds = [(kind, seed) for kind in ("plain", "gradient") for seed in range(10)]
    rows: Rows = {f"{k} {s}": partial(measured.cut_out, k, s) for k, s in kinds}
    methods = ("rim colour", "engine")
    yield Goal("bg, plain backdrop, mean", "IoU", "≥ 0.975", methods, mean(0.975), rows)
    yield Goal("bg, plain backdrop, worst", "IoU", "≥ 0.95", methods, worst(0.95), rows)
    rows = {f"busy {s}": partial(measured.refused, s) for s in range(8)}
    yield Goal("bg, busy backdrop refused", "share", "all", ("engine",), mean(1.0), rows)


def goals(containing: str = "") -> list[Goal]:
    """Every goal in the order of the report, or those whose name contains a text."""
    groups = (enlarging, repairing, scratches, lifting, cutting)
    return [goal for group in groups for goal in group() if containing in goal.name]
