"""Benchmarks: each prints a ratio to a limit measured in the same run. None fails for being slow.

make bench
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import pytest


@pytest.fixture
def say(capsys):
    """Print one line of results, whatever pytest captures."""

    def line(goal: str, text: str) -> None:
        with capsys.disabled():
            print(f"\n{goal:4} {text}", end="")  # noqa: T201 - printing is what a benchmark is for

    return line


def seconds(
    work: Callable[[], object], *, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The median seconds one call takes, after one call to warm up."""
    work()
    gc.collect()
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times)


def compare(
    ours: Callable[[], object],
    limit: Callable[[], object],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median seconds of both, measured in turns so that a busy machine disturbs both alike."""
    ours()
    limit()
    gc.collect()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, kept in ((ours, times[0]), (limit, times[1])):
            start = clock()
            work()
            kept.append(clock() - start)
    return statistics.median(times[0]), statistics.median(times[1])
