"""Repair: takes away noise and blocks by the stated margins, and leaves clean photos alone."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from django_hili.engine import measure, repair
from django_hili.engine.pipeline import enhance
from tests.engine.likeness import jpeg, luma, noisy, psnr
from training.scenes import SCENES, scene


def repaired(photo: np.ndarray) -> np.ndarray:
    return enhance(photo, operations=["repair"]).pixels


@pytest.mark.parametrize(("deviation", "quality", "least"), [(12, 75, 3.2), (8, 60, 1.3)])
def test_gains_on_noise_and_blocks(
    portrait: np.ndarray, machine: np.ndarray, deviation: float, quality: int, least: float
) -> None:
    gains = []
    for photo in (portrait, machine):
        damaged = jpeg(noisy(photo, deviation), quality)
        before, after = (psnr(luma(p), luma(photo)) for p in (damaged, repaired(damaged)))
        gains.append(after - before)
    assert np.mean(gains) >= least


def test_clean_photos_are_left_alone(
    portrait: np.ndarray, machine: np.ndarray, grey: np.ndarray
) -> None:
    for photo in (portrait, machine, grey):
        result = enhance(photo, operations=["repair"])
        assert psnr(result.pixels, photo) >= 48
        assert result.steps[0].warnings == ("already_clean",)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 7), (61, 47)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_any_size(size: tuple[int, int], channels: tuple[int, ...]) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (*size, *channels), np.uint8)
    assert repair.repair(picture, 1.0).shape == picture.shape
    assert repaired(picture).shape == picture.shape


@pytest.mark.parametrize("quality", [95, 90, 80])
def test_a_clean_photo_saved_as_a_jpeg_is_not_made_worse(quality: int) -> None:
    """Smooth pictures and fine textures are where blocks and noise are easily seen in what is none:
    the moon, a microscope's tissue, a brick wall.
    """
    for whole in (data.moon(), data.immunohistochemistry(), data.brick()):
        photo = np.ascontiguousarray(whole[128:384, 128:384])
        small = jpeg(photo, quality)
        answer = enhance(small, operations=["repair"]).pixels
        assert psnr(answer, photo) >= psnr(small, photo) - 0.02


def test_the_step_of_a_smooth_jpeg_is_told_from_its_middle_waves() -> None:
    smooth = np.ascontiguousarray(data.moon()[128:384, 128:384])
    steps = [measure.jpeg(jpeg(smooth, quality)).step for quality in (95, 90, 75, 60)]
    assert steps == sorted(steps)
    assert steps[0] < 10
    assert steps[2] > 18


def test_a_grey_photo_stays_grey(grey: np.ndarray) -> None:
    damaged = noisy(grey, 10)
    alone = repair.repair(damaged, 1.0)
    in_colour = repair.repair(np.repeat(damaged[..., None], 3, 2), 1.0)
    assert all(np.array_equal(in_colour[..., k], alone) for k in range(3))


def test_tiles_leave_no_seams(portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from django_hili.engine.tiles import even_tiles

    damaged = noisy(portrait, 10)
    whole = repair.repair(damaged, 1.0).astype(int)
    monkeypatch.setattr(repair, "even_tiles", lambda height, width: even_tiles(height, width, 62))
    parts = repair.repair(damaged, 1.0).astype(int)
    inner = np.abs(whole - parts)[40:-40, 40:-40]
    assert inner.max() <= 1
    assert (inner > 0).mean() < 0.001


def test_noise_is_measured_within_a_fifth(portrait: np.ndarray) -> None:
    """Noise of deviation s in each channel has deviation .668 s in luma."""
    for deviation in (5, 10):
        found = measure.noise(noisy(portrait, deviation))
        assert found.deviation == pytest.approx(0.668 * deviation, rel=0.2)
        assert found.whiteness > 0.75


def test_blocks_are_measured_in_order_of_quality(machine: np.ndarray) -> None:
    values = [measure.blockiness(jpeg(machine, quality)) for quality in (90, 75, 50, 25)]
    assert measure.blockiness(machine) < 1.04
    assert values == sorted(values)
    assert values[-1] > 1.3


def test_a_faded_print_gets_its_black_and_white_back(portrait: np.ndarray) -> None:
    faded = np.rint(55 + portrait / 255 * 140 * np.array([1.0, 0.95, 0.8])).astype(np.uint8)
    result = enhance(faded, operations=["repair"])
    assert "classical:levels" in result.steps[0].method
    assert psnr(result.pixels, portrait) > psnr(faded, portrait) + 5


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_of_one_kind_of_colour_is_no_faded_print(name: str) -> None:
    """Skin, sunsets, forests and skies have neither black nor white, and nothing is wrong there."""
    picture = scene(name, seed=1, side=192)
    assert psnr(repaired(picture), picture) >= 48


@pytest.mark.parametrize("window", [np.s_[40:170, 70:190], np.s_[70:150, 80:170]])
def test_a_face_that_fills_the_photo_is_left_alone(
    portrait: np.ndarray, window: tuple[slice, slice]
) -> None:
    face = np.ascontiguousarray(portrait[window])
    assert psnr(repaired(face), face) >= 48
