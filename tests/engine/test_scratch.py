"""Scratch: the filling stays inside the mask and is close to what was there; the finder leaves
clean photos alone.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data

from django_hili.engine import scratch
from django_hili.engine.pipeline import enhance
from django_hili.engine.regions import regions
from django_hili.engine.tiles import tiles
from tests.engine.likeness import psnr, resized
from training.marks import damaged


def inside(mask: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    error = (one[mask].astype(float) - other[mask]) ** 2
    return float(10 * np.log10(255**2 / error.mean()))


def test_filling_comes_close_to_what_was_there(portrait: np.ndarray, machine: np.ndarray) -> None:
    likeness = []
    for seed, photo in enumerate((portrait, machine)):
        marked, truth = damaged(np.random.default_rng(seed), photo)
        result = enhance(marked, operations=["scratch"], mask=scratch.grown(truth))
        likeness.append(inside(truth, result.pixels, photo))
        assert likeness[-1] > inside(truth, marked, photo) + 8
    assert np.mean(likeness) >= 21


def test_nothing_outside_a_drawn_mask_changes(portrait: np.ndarray) -> None:
    mask = np.zeros(portrait.shape[:2], bool)
    mask[40:44, 10:200] = True
    mask[100:160, 50:120] = True
    result = enhance(portrait, operations=["scratch"], mask=mask)
    assert np.array_equal(result.pixels[~mask], portrait[~mask])
    assert not np.array_equal(result.pixels[mask], portrait[mask])
    assert result.steps[0].method.startswith("mask:drawn")


def test_a_smooth_slope_is_filled_almost_exactly() -> None:
    slope = np.add.outer(np.arange(120), np.arange(150)).astype(np.uint8)
    mask = np.zeros(slope.shape, bool)
    mask[30:36, 20:130] = True
    mask[:, 70:74] = True
    filled = scratch.fill(np.where(mask, 255, slope).astype(np.uint8), mask)
    assert np.abs(filled.astype(int) - slope)[5:-5].max() <= 2


def test_holes_larger_than_a_tile_are_filled() -> None:
    picture = np.full((700, 700, 3), 90, np.uint8)
    mask = np.zeros((700, 700), bool)
    mask[100:600, 100:600] = True
    filled = scratch.fill(np.where(mask[..., None], 255, picture).astype(np.uint8), mask)
    assert np.abs(filled.astype(int) - 90).max() <= 1


def test_a_large_drawn_hole_shows_no_seam_where_tiles_meet(
    portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is filled the same in tiles as in one piece, within what nobody sees."""
    big = resized(portrait, 1024, 1024)
    mask = np.zeros(big.shape[:2], bool)
    mask[240:700, 260:760] = True
    parts = scratch.fill(big, mask)
    monkeypatch.setattr(scratch, "tiles", lambda height, width: tiles(height, width, 2048))
    whole = scratch.fill(big, mask)
    assert np.abs(parts.astype(int) - whole).max() <= 12


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 4)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 50, np.uint8)
    for share in (np.zeros(size, bool), np.ones(size, bool)):
        assert scratch.fill(picture, share).shape == picture.shape


def test_regions_touch_by_corners_too() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    found = regions(mask)
    assert sorted(found.sums().tolist()) == [2, 2, 4]
    assert np.array_equal(found.mask(np.ones(3, bool), (4, 4)), mask)
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert sorted(found.peaks(values).tolist()) == [5, 7, 15]


def test_marks_are_found_and_the_photo_gets_better(
    portrait: np.ndarray, machine: np.ndarray
) -> None:
    hits = []
    for seed, photo in enumerate((portrait, machine)):
        marked, truth = damaged(np.random.default_rng(10 + seed), photo)
        mask = scratch.find(marked)
        near = scratch.grown(scratch.grown(truth))
        precision = (mask & near).sum() / mask.sum()
        recall = (truth & scratch.grown(scratch.grown(mask))).sum() / truth.sum()
        hits.append(2 * precision * recall / (precision + recall))
        result = enhance(marked, operations=["scratch"])
        assert psnr(result.pixels, photo) > psnr(marked, photo) + 1
    assert np.mean(hits) >= 0.65


def test_clean_photos_are_hardly_touched(
    portrait: np.ndarray, machine: np.ndarray, grey: np.ndarray
) -> None:
    touched = [scratch.grown(scratch.find(photo)).mean() for photo in (portrait, machine, grey)]
    assert np.mean(touched) <= 0.002


def test_a_rim_is_no_scratch() -> None:
    """The light along a saucer's rim has the saucer on one side and the table on the other."""
    cup = np.ascontiguousarray(data.coffee()[100:400, 40:440])
    assert scratch.grown(scratch.find(cup)).mean() <= 0.002


def test_a_wall_is_not_filled_joint_by_joint() -> None:
    """A brick wall seen small: what would be filled is shown, and nothing is."""
    wall = np.repeat(data.brick()[..., None], 3, 2)
    wall = np.asarray(Image.fromarray(wall).resize((256, 256), Image.Resampling.LANCZOS))
    result = enhance(wall, operations=["scratch"])
    assert np.array_equal(result.pixels, wall)
    assert result.steps[0].warnings == ("too_many_scratches",)
    assert result.mask is not None
    assert result.mask.mean() > scratch.TOO_MUCH
    by_hand = enhance(wall, operations=["scratch"], mask=result.mask)
    assert np.array_equal(by_hand.mask, result.mask)
    assert not np.array_equal(by_hand.pixels, wall)


def test_that_no_scratch_was_found_is_said_in_words_of_its_own() -> None:
    plain = np.full((64, 64, 3), 90, np.uint8)
    both = enhance(plain, operations=["scratch", "repair"]).steps
    assert [step.warnings for step in both] == [("no_scratch_found",), ("already_clean",)]


def test_of_many_places_only_some_are_asked() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5, 3:33] = mask[20:30, 10:12] = True
    found = regions(mask)
    y, x, region = found.places(np.ones(2, bool), 1000)
    assert mask[y, x].all()
    assert len(set(zip(y.tolist(), x.tolist(), strict=True))) == mask.sum()
    assert np.bincount(region).tolist() == found.sums().tolist()
    y, x, region = found.places(found.sums() == 30, 10)
    assert (y == 5).all()
    assert x.tolist() == list(range(3, 33, 3))
    assert [len(part) for part in found.places(np.zeros(2, bool), 10)] == [0, 0, 0]


def test_the_finder_takes_grey_and_odd_sizes(grey: np.ndarray) -> None:
    colour = np.repeat(grey[..., None], 3, 2)
    assert np.array_equal(scratch.find(grey), scratch.find(colour))
    assert scratch.find(colour[:77, :61]).shape == (77, 61)
