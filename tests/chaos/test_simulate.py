"""A slice of the simulation, and the same with a guard taken out: then it has to find something.

python -m tests.chaos.simulate --schedules 10000
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

SECONDS = os.environ.get("HILI_CHAOS_SIMULATE_SECONDS", "25")


def simulate(*words: str) -> tuple[int, str]:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.chaos.simulate", *words],
        cwd=ROOT,
        env={**os.environ, "HILI_TEST_DATABASE": "sqlite", "HILI_TEST_DIR": ""},
        capture_output=True,
        text=True,
        timeout=200 + 2 * float(SECONDS),
        check=False,
    )
    return finished.returncode, finished.stdout


def test_schedules_at_random(capsys):
    code, told = simulate("--schedules", "100000", "--seconds", SECONDS)
    with capsys.disabled():
        sys.stdout.write("\n" + told)
    assert code == 0, told


@pytest.mark.parametrize(("guard", "seed"), [("token", 58), ("barrier", 1), ("ledger", 1)])
def test_a_guard_taken_out_is_missed(guard, seed):
    words = ("--seed", str(seed), "--schedules", "300", "--stop", "--guard", guard)
    code, told = simulate(*words)
    assert code == 1, told
    assert "charged twice" in told


def test_a_seed_tells_the_same_story_again():
    words = ("--seed", "5", "--schedules", "2", "--tell")
    first, second = simulate(*words)[1], simulate(*words)[1]
    digests = [line for line in first.splitlines() if "digest" in line]
    assert len(digests) == 2
    assert digests == [line for line in second.splitlines() if "digest" in line]
