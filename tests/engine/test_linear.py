"""The linear enlargements are what Pillow's own kernels give, and leave even areas even."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from django_hili.engine import linear, nets, sr
from django_hili.engine.pixels import luma, resize
from tests.engine.likeness import psnr
from training.degrade import shrink

INSIDE = 24
"""Pixels from the rim within which Pillow's kernels are cut off there, and ours are not."""


def by_pillow(light: np.ndarray, scale: int, rounds: int) -> np.ndarray:
    """The same correction by whole resizings, as the papers say it."""
    height, width = light.shape

    def large(plane: np.ndarray, kernel: Image.Resampling) -> np.ndarray:
        return resize(np.ascontiguousarray(plane), height * scale, width * scale, kernel)

    picture = large(light, Image.Resampling.LANCZOS)
    for _ in range(rounds):
        small = resize(np.ascontiguousarray(picture), height, width, Image.Resampling.BICUBIC)
        picture = picture + large(light - small, Image.Resampling.LANCZOS)
    return picture - large(light, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(
    ("made", "rounds", "off"), [(linear.lanczos, 0, 0.01), (linear.back_projection, 5, 0.6)]
)
def test_one_convolution_does_what_the_resizings_do(
    portrait: np.ndarray, scale: int, made, rounds: int, off: float
) -> None:
    light = luma(portrait)
    answer = made(light, scale)
    rim = linear.RADIUS * scale
    whole = by_pillow(light, scale, rounds)
    wanted = whole[rim:-rim, rim:-rim]
    assert answer.shape == wanted.shape
    inner = np.s_[INSIDE * scale : -INSIDE * scale, INSIDE * scale : -INSIDE * scale]
    error = (answer - wanted)[inner]
    assert np.sqrt((error**2).mean()) < off
    assert np.sqrt((wanted[inner] ** 2).mean()) > 0.8  # there is something to be right about


@pytest.mark.parametrize("made", [linear.lanczos, linear.back_projection])
def test_what_is_even_stays_even(made) -> None:
    assert np.abs(made(np.full((20, 30), 0.7, np.float32), 4)).max() < 1e-5


def test_the_share_is_a_gain_on_a_regular_pattern(
    machine: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, x = np.mgrid[:240, :320]
    weave = (128 + 60 * np.sin(x / 1.9) * np.cos(y / 2.3)).clip(0, 255).astype(np.uint8)
    for picture in (weave, machine):
        small = np.ascontiguousarray(shrink(picture, 2))
        with_share = psnr(luma(sr.apply(small, "sr-x2-photo")), luma(picture))
        with monkeypatch.context() as patch:
            patch.setitem(sr.SHARES, "sr-x2-photo", (0.0, linear.lanczos))
            alone = psnr(luma(sr.apply(small, "sr-x2-photo")), luma(picture))
        assert with_share > alone


def test_every_net_that_enlarges_has_its_share() -> None:
    names = {path.stem for path in nets.WEIGHTS.iterdir() if path.stem.startswith("sr-")}
    assert set(sr.SHARES) == names
