"""Switches each control off in turn and prints which clauses' tests notice.

    python -m tests.ablation --control C11 --control C12 --jobs 2 --json ablation.json

Ends with 1 where a test of some clause stays green without the control that it serves.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from django_hili.privacy.audit.clauses import CONTROLS
from tests.ablation.runs import Run, run_without


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; return how the process ends."""
    asked = _parser().parse_args(arguments)
    _say(f"{'':4} {'control':38} {'clauses':>7} {'red':>4} {'green':>6} {'seconds':>8}")
    with ThreadPoolExecutor(max_workers=asked.jobs) as pool:
        runs = [_told(run) for run in pool.map(run_without, asked.control or CONTROLS)]
    clauses = {name for run in runs for name in run.clauses}
    green = sum(len(run.green) for run in runs)
    _say(f"{len(runs)} controls, {len(clauses)} clauses, {green} green where they should be red.")
    if asked.json:
        found = [run.as_json() for run in runs]
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if asked.table:
        asked.table.write_text("\n".join([*_HEAD, *map(_row, runs)]) + "\n", encoding="utf-8")
    return 1 if green else 0


_HEAD: Final = (
    "| control | | taken out | clauses | noticed | not noticed | seconds |",
    "| --- | --- | --- | ---: | ---: | --- | ---: |",
)


def _row(run: Run) -> str:
    """One line of the table in the documentation."""
    cells = (
        run.control, CONTROLS[run.control], run.taken_out, len(run.clauses), len(run.red),
        " ".join(run.green) or "–", f"{run.seconds:.0f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _told(run: Run) -> Run:
    """Print a run's line as soon as it is over."""
    _say(_line(run))
    return run


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _line(run: Run) -> str:
    """One line of the table; below it what is green, and what that run had to say."""
    name = CONTROLS[run.control]
    line = (
        f"{run.control:4} {name:38} {len(run.clauses):7} {len(run.red):4} {len(run.green):6}"
        f" {run.seconds:8.1f}"
    )
    if run.green:
        line += f"\n     green: {' '.join(run.green)}"
    return line + (f"\n{run.words}" if run.words else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.ablation", description=__doc__)
    parser.add_argument(
        "--control", action="extend", nargs="+", choices=tuple(CONTROLS), metavar="C11"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--json", type=Path, help="write the red tests of each clause here")
    parser.add_argument("--table", type=Path, help="write a table for the documentation here")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
