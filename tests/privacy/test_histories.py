"""A slice of the random histories, and the same with guards switched off: then one is noticed.

make histories
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.privacy.without import GUARDS
from tests.processes import ROOT

SECONDS = os.environ.get("HILI_HISTORIES_SECONDS", "20")


def live(*words: str) -> tuple[int, str]:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.privacy.histories", *words],
        cwd=ROOT,
        env={**os.environ, "HILI_TEST_DATABASE": "sqlite", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900 + float(SECONDS),
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr[-2000:]


def test_histories_at_random(capsys):
    code, told = live("--count", "100000", "--seconds", SECONDS)
    with capsys.disabled():
        sys.stdout.write("\n" + told)
    assert code == 0, told


@pytest.fixture(scope="module")
def stories():
    """What was noticed without each guard. One process for all: most of its time is its start."""
    words = ",".join(f"{guard}@{seed}" for guard, (_, seed) in GUARDS.items())
    _, told = live("--count", "150", "--without", words)
    lines = (line.removeprefix("without ").partition(": ") for line in told.splitlines())
    return {guard: found for guard, _, found in lines}


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_switched_off_is_noticed(stories, guard):
    assert GUARDS[guard][0] in stories[guard]
