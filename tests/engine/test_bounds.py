"""The memory of each operation is its input and output and a bounded rest, whatever the size."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from django_hili.engine import blas, defogging, repair, sr
from django_hili.engine import tiles as engine_tiles
from django_hili.engine.manners import MANNERS
from django_hili.engine.tiles import even_tiles, run, tiles

MEGABYTE = 1 << 20
PLAY = 1.1
"""For a photo of four times the pixels."""


@pytest.fixture
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """How the peaks of two threads fall together is chance; two need twice as much at the most."""
    monkeypatch.setattr(engine_tiles, "WORKERS", 1)


def rest(work: Callable[[], np.ndarray]) -> float:
    """Megabytes at the peak beyond what is returned."""
    work()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        out = work()
        return (tracemalloc.get_traced_memory()[1] - before - out.nbytes) / MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def small() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (384, 384, 3), np.uint8)


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (768, 768, 3), np.uint8)


@pytest.mark.usefixtures("_one_thread")
def test_enlarging_needs_no_more_for_a_larger_photo(small: np.ndarray, large: np.ndarray) -> None:
    one, four = (rest(lambda p=p: sr.apply(p, "sr-x4-photo")) for p in (small, large))
    assert four < PLAY * one
    assert four < 30


@pytest.mark.usefixtures("_one_thread")
def test_repair_needs_no_more_for_a_larger_photo(small: np.ndarray, large: np.ndarray) -> None:
    one, four = (rest(lambda p=p: repair.repair(p, 0.5)) for p in (small, large))
    assert four < PLAY * one
    assert four < 30


@pytest.mark.usefixtures("_one_thread")
def test_defogging_grows_with_the_width_only(small: np.ndarray) -> None:
    found = defogging.haze(small, MANNERS["people"])
    high = np.tile(small, (4, 1, 1))
    one, four = (rest(lambda p=p: defogging.lift(p, found)) for p in (small, high))
    assert four < PLAY * one


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (257, 131), (128, 128)])
@pytest.mark.parametrize("cover", [tiles, even_tiles])
def test_tiles_cover_every_pixel_once(
    size: tuple[int, int], cover: Callable[[int, int, int], object]
) -> None:
    count = np.zeros((size[0] + 1, size[1] + 1), int)
    for tile in cover(*size, 64):
        assert tile.bottom - tile.top <= 66
        count[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (count[: size[0], : size[1]] == 1).all()


def test_a_failing_tile_stops_the_run_and_frees_the_switch() -> None:
    done = []

    def work(tile: object) -> None:
        done.append(tile)
        time.sleep(0.005)
        if len(done) >= 3:  # two threads may both have added theirs
            raise RuntimeError("broken tile")

    with pytest.raises(RuntimeError, match="broken tile"):
        run(work, tiles(2000, 2000, 100))
    assert len(done) < 400


def test_the_thread_count_is_given_back() -> None:
    switch = blas._switch()
    if switch is None:
        pytest.skip("numpy without OpenBLAS")
    before = switch.read()
    inside: list[int] = []

    def use() -> None:
        with blas.single_threaded():
            inside.append(switch.read())

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == [1, 1, 1, 1]
    assert switch.read() == before
