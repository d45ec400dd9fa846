"""Tiles leave no seam, have one size, and cost no memory that grows with the photo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from django_hili.engine.cards.folder import Folder
from django_hili.engine.cards.model import Model, Turn
from django_hili.engine.cards.models import Models
from django_hili.engine.pipeline import enhance
from django_hili.engine.refusals import EngineRefusal
from tests.engine.cards.graphs import (
    FILLER,
    blurrer,
    constant,
    enlarger,
    graph,
    inpainter,
    keeper,
    node,
    port,
    shelve,
)
from tests.processes import ROOT

SMALL = "[tile]\nsize = 64\noverlap = 16\n"


def repaired(shelf: Path, pixels: np.ndarray) -> np.ndarray:
    return enhance(pixels, operations=["repair"], models=Models(Folder(shelf))).pixels


def test_a_model_that_looks_less_far_than_half_the_overlap_leaves_no_seam(
    shelf: Path, photo: np.ndarray
) -> None:
    shelve(shelf, "blur", blurrer(9), "repair", SMALL)
    tiled = repaired(shelf, photo)
    padded = np.pad(photo.astype(np.float64), ((4, 4), (4, 4), (0, 0)), "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (9, 9), (0, 1))
    assert np.abs(tiled - windows.mean((-2, -1))).max() <= 0.51


def test_tiles_that_differ_as_a_whole_are_faded_into_each_other(shelf: Path) -> None:
    """Each tile comes back shifted by its own mean; the step between two is spread out."""
    shifting = graph(
        [
            node("ReduceMean", "input", "mean", axes=[2, 3], keepdims=1),
            node("Mul", "mean part", "shift"),
            node("Sub", "input shift", "output"),
        ],
        [port("input", [1, 3, "h", "w"])],
        [port("output", [1, 3, "h", "w"])],
        [constant("part", 0.5)],
    )
    shelve(shelf, "shifting", shifting, "repair", SMALL)
    pixels = np.full((60, 200, 3), 100, np.uint8)
    pixels[:, 100:] = 200
    steps = np.abs(np.diff(repaired(shelf, pixels).astype(int), axis=1))
    steps[:, 99] = 0  # the photo's own edge
    assert 0 < steps.max() <= 100 * 0.5 / 16 + 1


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (32, 32), (33, 65), (64, 64), (129, 31)])
def test_every_size_of_photo(shelf: Path, size: tuple[int, int]) -> None:
    shelve(shelf, "x2", enlarger(2), "sr", "[output]\nscale = 2\n" + SMALL)
    pixels = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), np.uint8)
    result = enhance(pixels, operations=["sr"], scale=2, models=Models(Folder(shelf)))
    assert np.array_equal(result.pixels, pixels.repeat(2, 0).repeat(2, 1))


def test_all_tiles_have_one_size(
    shelf: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(
        shelf,
        "keep",
        keeper(),
        "repair",
        "[input]\nmultiple = 24\n[tile]\nsize = 64\noverlap = 8\n",
    )
    sizes, run = set(), Turn.__call__
    monkeypatch.setattr(
        Turn,
        "__call__",
        lambda turn, window, *more: sizes.add(window.shape) or run(turn, window, *more),
    )
    assert np.array_equal(repaired(shelf, photo), photo)
    assert sizes == {(48, 48, 3)}


def test_a_graph_that_is_not_square(shelf: Path, photo: np.ndarray) -> None:
    shelve(shelf, "keep", keeper(side=(64, 96)), "repair", "[tile]\noverlap = 12\n")
    assert np.array_equal(repaired(shelf, photo), photo)


def test_alpha_is_enlarged_with_the_photo(shelf: Path, photo: np.ndarray) -> None:
    shelve(shelf, "x2", enlarger(2), "sr", "[output]\nscale = 2\n" + SMALL)
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    result = enhance(photo, operations=["sr"], scale=2, alpha=alpha, models=Models(Folder(shelf)))
    assert result.alpha is not None
    assert result.alpha.shape == result.pixels.shape[:2]


def test_progress_rises_to_one(shelf: Path, photo: np.ndarray) -> None:
    shelve(shelf, "x2", enlarger(2), "sr", "[output]\nscale = 2\n" + SMALL)
    told: list[float] = []
    enhance(
        photo,
        operations=["sr"],
        scale=4,
        models=Models(Folder(shelf)),
        progress=lambda _, f: told.append(f),
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 10


def test_a_window_sees_what_earlier_windows_filled(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(shelf, "lama", inpainter(64, 77), "scratch", FILLER)
    pixels, mask = np.full((64, 200, 3), 10, np.uint8), np.zeros((64, 200), bool)
    mask[30] = True
    seen, run = [], Turn.__call__
    models = Models(Folder(shelf))
    enhance(pixels, operations=["scratch"], mask=mask, models=models)  # loads and probes
    monkeypatch.setattr(
        Turn,
        "__call__",
        lambda turn, window, hole: (
            seen.append((window.copy(), hole.copy())) or run(turn, window, hole)
        ),
    )
    enhance(pixels, operations=["scratch"], mask=mask, models=models)
    assert len(seen) > 3
    for window, hole in seen[1:]:
        known = window[~hole]
        assert set(np.unique(known)) <= {10, 77}
        assert (known == 77).any()


class TestTime:
    def slow(self, shelf: Path, seconds: float) -> None:
        """A loop of a million additions per tile."""
        from tests.engine.cards.graphs import helper

        body = helper.make_graph(
            [node("Identity", "go", "again"), node("Add", "state nothing", "next")],
            "body",
            [port("turn", [], 7), port("go", [], 9), port("state", [1, 3, "h", "w"])],
            [port("again", [], 9), port("next", [1, 3, "h", "w"])],
        )
        model = graph(
            [helper.make_node("Loop", ["times", "yes", "input"], ["output"], body=body)],
            [port("input", [1, 3, "h", "w"])],
            [port("output", [1, 3, "h", "w"])],
            [
                constant("times", 2000, np.int64),
                constant("yes", True, np.bool_),
                constant("nothing", 0.0),
            ],
        )
        shelve(shelf, "slow", model, "repair", f"[limits]\ntimeout_s = {seconds}\n{SMALL}")

    def test_a_model_that_takes_too_long_is_stopped(self, shelf: Path, photo: np.ndarray) -> None:
        self.slow(shelf, 0.02)
        with pytest.raises(EngineRefusal) as caught:
            repaired(shelf, photo)
        assert caught.value.code == "model_timed_out"

    def test_and_can_be_used_again(self, shelf: Path, photo: np.ndarray) -> None:
        self.slow(shelf, 60)
        assert np.array_equal(repaired(shelf, photo[:20, :20]), photo[:20, :20])


MEMORY = """
import resource, sys, numpy as np
from pathlib import Path
from django_hili.engine.cards.folder import Folder
from django_hili.engine.cards.models import Models
from django_hili.engine.pipeline import enhance
models = Models(Folder(Path(sys.argv[1])))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rng = np.random.default_rng(1)
small, large = (rng.integers(0, 256, (side, side, 3), np.uint8) for side in (260, 1000))
enhance(small, operations=["repair"], models=models)
before = peak()
enhance(large, operations=["repair"], models=models)
print(peak() - before)
"""


def test_memory_does_not_grow_beyond_the_photo(shelf: Path) -> None:
    """From 0.07 to 1 megapixel: the result (3 MB), one row of tiles (0.8 MB), little more."""
    shelve(shelf, "blur", blurrer(9), "repair", "[tile]\nsize = 256\noverlap = 16\n")
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY, str(shelf)], capture_output=True, check=True, cwd=ROOT
    )
    assert int(ran.stdout) < 16 * 1024  # KiB


def test_models_are_kept_and_the_oldest_forgotten(
    shelf: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_hili.engine.cards import models as module

    loaded, load = [], Model.__init__
    monkeypatch.setattr(
        Model, "__init__", lambda model, card: loaded.append(card.name) or load(model, card)
    )
    shelve(shelf, "one", keeper(), "repair", SMALL)
    shelve(shelf, "two", keeper(), "defogging", SMALL)
    models = Models(Folder(shelf))
    for _ in range(2):
        enhance(photo[:40, :40], operations=["repair", "defogging"], models=models)
    assert loaded == ["one", "two"]
    monkeypatch.setattr(module, "KEPT_BYTES", 10)
    for _ in range(2):
        enhance(photo[:40, :40], operations=["repair", "defogging"], models=models)
    assert loaded in (["one", "two", "one", "two", "one"], ["one", "two", "two", "one", "two"])
