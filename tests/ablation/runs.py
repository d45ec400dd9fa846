"""One run of the tests for each control that is switched off, each in a process of its own.

Owns the command and what a run says in the end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.ablation.recorder import clauses_of

TESTS: Final = Path(__file__).resolve().parent.parent
LONGEST: Final = 900.0
"""Seconds that one run may take; what was red by then counts."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one control's switch."""

    control: str
    taken_out: str
    clauses: dict[str, list[dict[str, str]]]
    """Each clause the control serves, with its red tests."""
    fell_over: list[dict[str, str]]
    """Tests that failed for want of the code, or before they began: they prove nothing."""
    seconds: float
    words: str = field(default="", repr=False)
    """The end of what the tests wrote, where no report was left."""

    @property
    def red(self) -> list[str]:
        """The clauses that a test noticed."""
        return [name for name, tests in self.clauses.items() if tests]

    @property
    def green(self) -> list[str]:
        """The clauses that nothing noticed."""
        return [name for name, tests in self.clauses.items() if not tests]

    def as_json(self) -> dict[str, Any]:
        """Return it as the report holds it."""
        return {
            "control": self.control, "taken_out": self.taken_out, "clauses": self.clauses,
            "green": self.green, "fell_over": self.fell_over, "seconds": round(self.seconds, 1),
        }  # fmt: skip


def run_without(control: str, *, left_on: bool = False) -> Run:
    """Run the tests of a control's clauses with that control off, or on, to compare."""
    from tests.ablation.switches import SWITCHES

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hili-without-") as folder:
        report = Path(folder) / "red.json"
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no",
            "--without", control, "--red", str(report),
            *(["--left-on"] if left_on else []), *map(str, files_about(control)),
        ]  # fmt: skip
        words = _finished(command)
        empty: dict[str, Any] = {"clauses": {name: [] for name in clauses_of(control)}}
        said = json.loads(report.read_text(encoding="utf-8")) if report.exists() else empty
    return Run(
        control,
        SWITCHES[control].taken_out if control in SWITCHES else "no switch",
        said["clauses"],
        said.get("fell_over", []),
        time.monotonic() - begun,
        words if said is empty else "",
    )


def files_about(control: str) -> list[Path]:
    """Return the files of tests that name a clause of this control."""
    names = tuple(clauses_of(control))
    return [
        path
        for path in sorted(TESTS.rglob("test_*.py"))
        if any(name in path.read_text(encoding="utf-8") for name in names)
    ]


def _finished(command: list[str]) -> str:
    """Run a command to its end and return the end of what it wrote."""
    try:
        done = subprocess.run(
            command, cwd=TESTS.parent, env=_environment(), capture_output=True, text=True,
            timeout=LONGEST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "it took too long"
    return (done.stdout + done.stderr)[-2000:]


def _environment() -> dict[str, str]:
    """The surroundings of a run: SQLite, and a folder of its own."""
    left_out = ("HILI_TEST_DIR", "HILI_TEST_DATABASE", "HILI_TEST_NAME", "HILI_TEST_BROKER",
                "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST")  # fmt: skip
    return {name: value for name, value in os.environ.items() if name not in left_out}
