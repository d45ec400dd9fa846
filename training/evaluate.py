"""Owns the quality report: every goal against what is reached, photo by photo, in one run; knows no
training.

    python -m training.evaluate              # prints and writes docs/engine
    python -m training.evaluate --only bg    # some goals, printed only

Needs numpy, Pillow and scikit-image. A goal that is not reached stays in the table with its figure.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import numpy as np

from training.evaluate_goals import Goal, goals
from training.evaluate_sheets import write_sheets
from training.evaluate_types import write as write_types

DOCS = Path(__file__).parents[1] / "docs" / "engine"
HEAD = """# Quality of the local engine

Made by `python -m training.evaluate` (`make quality`); do not edit by hand. The nets learned from
generated pictures only, so every photo below is one they have never seen. The photos are those
inside scikit-image.

Figures in dB are PSNR, of luma for `sr` and for noise, of RGB elsewhere; higher is better, and 60
stands for "the same". A gain depends on the photo: read the worst row, not only the mean. What the
image types change stands in [Types](types.md).
"""


def figure(value: float, unit: str) -> str:
    return f"{value:.3f}" if unit in ("IoU", "F1", "share", "of 1") else f"{value:.2f}"


def summary(done: list[Goal]) -> list[str]:
    lines = ["| goal | wanted | reached | |", "|---|---|---|---|"]
    for goal in done:
        value, good = goal.verdict()
        sign = "+" if goal.wanted.startswith("≥ +") and value >= 0 else ""
        text = f"{sign}{figure(value, goal.unit)} {goal.unit}"
        lines.append(
            f"| {goal.name} | {goal.wanted} | {text} | {'yes' if good else '**not reached**'} |"
        )
    return lines


def details(goal: Goal) -> list[str]:
    """One table: photos down, methods across, the mean and the worst gain below."""
    lines = [f"## {goal.name}", "", f"Wanted: {goal.wanted}. Unit: {goal.unit}.", ""]
    if goal.remark:
        lines += [goal.remark, ""]
    lines.append("| photo | " + " | ".join(goal.methods) + " |")
    lines.append("|---|" + "---:|" * len(goal.methods))
    for name, values in goal.figures.items():
        lines.append(f"| {name} | " + " | ".join(figure(v, goal.unit) for v in values) + " |")
    values = goal.table()
    lines.append(
        "| **mean** | " + " | ".join(f"**{figure(v, goal.unit)}**" for v in values.mean(0)) + " |"
    )
    if len(goal.methods) > 1 and not goal.wanted.startswith("≤"):
        gains = values[:, -1] - values[:, 0]
        names = list(goal.figures)
        low, high = int(gains.argmin()), int(gains.argmax())
        ends = (
            f"{kind} {gains[i]:+.2f} ({names[i]})" for kind, i in (("worst", low), ("best", high))
        )
        lines += ["", f"Over {goal.methods[0]}: mean {gains.mean():+.2f}, {', '.join(ends)}."]
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", help="only goals whose name contains this; writes nothing"
    )
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args()
    started, done = time.monotonic(), goals(options.only)
    for goal in done:
        goal.measure()
        print("\n".join(details(goal)), flush=True)
    print("\n".join(summary(done)))
    if options.only:
        return
    options.docs.mkdir(parents=True, exist_ok=True)
    versions = f"numpy {np.__version__}, Python {platform.python_version()}"
    made = f"{versions}, {time.monotonic() - started:.0f} s."
    body = [HEAD, made, "", "## Goals", "", *summary(done), ""]
    for goal in done:
        body += details(goal)
    body += write_sheets(options.docs / "sheets")
    (options.docs / "quality.md").write_text("\n".join(body), "utf-8")
    write_types(options.docs / "types.md")


if __name__ == "__main__":
    main()
