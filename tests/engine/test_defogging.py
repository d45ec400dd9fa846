"""Defogging: haze goes, clear photos and grey photos stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from django_hili.engine import defogging
from django_hili.engine.manners import MANNERS
from django_hili.engine.pipeline import enhance
from tests.engine.likeness import psnr
from training.degrade import hazed


def test_gains_on_haze(portrait: np.ndarray, machine: np.ndarray) -> None:
    gains = []
    for photo in (portrait, machine):
        rng = np.random.default_rng(3)
        for thickness in (0.6, 1.1):
            foggy = hazed(rng, photo, thickness)
            gains.append(
                psnr(enhance(foggy, operations=["defogging"]).pixels, photo) - psnr(foggy, photo)
            )
    assert np.mean(gains) >= 7


def test_clear_photos_are_left_alone(portrait: np.ndarray, machine: np.ndarray) -> None:
    for photo in (portrait, machine):
        assert psnr(enhance(photo, operations=["defogging"]).pixels, photo) >= 50


def test_an_orange_veil_is_no_haze() -> None:
    retina = np.ascontiguousarray(data.retina()[450:962, 450:962])
    result = enhance(retina, operations=["defogging"])
    assert np.array_equal(result.pixels, retina)
    assert result.steps[0].method == "none"


def test_a_grey_photo_is_not_judged(grey: np.ndarray) -> None:
    for photo in (grey, np.repeat(grey[..., None], 3, 2)):
        result = enhance(photo, operations=["defogging"])
        assert np.array_equal(result.pixels, photo)
        assert result.steps[0].warnings == ("no_colour_to_judge_by",)


def test_strips_leave_no_seams(portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    foggy = hazed(np.random.default_rng(3), portrait, 1.1)
    found = defogging.haze(foggy, MANNERS["people"])
    whole = defogging.lift(foggy, found)
    monkeypatch.setattr(defogging, "STRIP", 13)
    assert np.abs(whole.astype(int) - defogging.lift(foggy, found)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (40, 3)])
def test_any_size(size: tuple[int, int]) -> None:
    pale = np.random.default_rng(0).integers(150, 230, (*size, 3), np.uint8)
    assert enhance(pale, operations=["defogging"]).pixels.shape == pale.shape
