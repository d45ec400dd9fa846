"""Enlarging: better than bicubic by the stated margins, no seams, every shape, size and channel
count.
"""

from __future__ import annotations

import numpy as np
import pytest

from django_hili.engine import measure, sr
from django_hili.engine.pipeline import enhance
from django_hili.engine.pixels import image
from tests.engine.likeness import jpeg, luma, noisy, psnr, resized
from training.degrade import to_bytes
from training.pictures import text


def gain(photo: np.ndarray, scale: int, **options: str) -> float:
    """Decibels of luma gained over bicubic when the photo is shrunk and enlarged again."""
    height, width = photo.shape[:2]
    small = resized(photo, height // scale, width // scale)
    answer = enhance(small, operations=["sr"], scale=scale, **options).pixels
    plain = resized(small, height, width)
    return psnr(luma(answer), luma(photo), 8) - psnr(luma(plain), luma(photo), 8)


@pytest.mark.parametrize(("scale", "least"), [(2, 2.4), (4, 1.4), (8, 0.9)])
def test_gains_over_bicubic(
    portrait: np.ndarray, machine: np.ndarray, scale: int, least: float
) -> None:
    assert np.mean([gain(portrait, scale), gain(machine, scale)]) >= least


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (7, 9), (33, 20)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_any_size_and_grey(scale: int, size: tuple[int, int], channels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (*size, *channels), np.uint8)
    result = enhance(small, operations=["sr"], scale=scale, alpha=np.full(size, 255, np.uint8))
    assert result.pixels.shape == (size[0] * scale, size[1] * scale, *channels)
    assert result.alpha is not None
    assert result.alpha.shape == result.pixels.shape[:2]
    assert (result.alpha == 255).all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_stays_flat(level: int) -> None:
    flat = np.full((40, 50, 3), level, np.uint8)
    answer = enhance(flat, operations=["sr"], scale=4).pixels
    assert np.abs(answer.astype(int) - level).max() <= 1


def test_tiles_leave_no_seams(machine: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of any size give the same bytes but for the rounding of sums in another order."""
    whole = sr.apply(machine, "sr-x2-photo")
    monkeypatch.setattr(sr, "tiles", lambda height, width: sr_tiles(height, width, 50))
    parts = sr.apply(machine, "sr-x2-photo")
    difference = np.abs(whole.astype(int) - parts.astype(int))
    inner = difference[16:-16, 16:-16]
    assert inner.max() <= 1
    assert (inner > 0).mean() < 0.001


def sr_tiles(height: int, width: int, side: int):
    from django_hili.engine.tiles import tiles

    return tiles(height, width, side)


def test_the_same_input_gives_the_same_bytes(portrait: np.ndarray) -> None:
    one, two = (enhance(portrait, operations=["sr"], scale=2).pixels for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_spaced_answer_is_the_same_and_needs_no_copy(portrait: np.ndarray, scale: int) -> None:
    small = portrait[:70, :90]
    plain = enhance(small, operations=["sr"], scale=scale).pixels
    roomy = enhance(small, operations=["sr"], scale=scale, is_spaced=True).pixels
    assert np.array_equal(plain, roomy)
    shown = image(roomy)
    assert shown.mode == "RGBX"
    assert np.array_equal(np.asarray(shown.convert("RGB")), plain)
    roomy[0, 0] = 255 - roomy[0, 0]
    assert shown.getpixel((0, 0))[:3] == tuple(roomy[0, 0]), "it was copied"
    assert image(plain).mode == "RGB"


def test_a_grey_answer_is_never_spaced(grey: np.ndarray) -> None:
    answer = enhance(grey[:50, :50], operations=["sr"], scale=2, is_spaced=True).pixels
    assert answer.shape == (100, 100)
    assert image(answer).mode == "L"


def test_the_input_is_not_changed(portrait: np.ndarray) -> None:
    before = portrait.copy()
    enhance(portrait, operations=["sr", "repair"], scale=2)
    assert np.array_equal(portrait, before)


def test_no_ringing_beyond_the_tones_of_an_edge() -> None:
    """A step between two greys must swing past either by a quarter of it at most."""
    step = np.full((32, 32), 60, np.uint8)
    step[:, 16:] = 190
    answer = enhance(step, operations=["sr"], scale=4).pixels[16:-16, 16:-16].astype(int)
    assert answer.min() >= 60 - 35
    assert answer.max() <= 190 + 35


def test_colour_does_not_drift(portrait: np.ndarray) -> None:
    answer = enhance(portrait, operations=["sr"], scale=2).pixels
    for channel in range(3):
        assert abs(float(answer[..., channel].mean()) - float(portrait[..., channel].mean())) < 0.5


def test_a_jpeg_is_told_from_a_clean_photo_wherever_it_was_cropped(
    portrait: np.ndarray, machine: np.ndarray
) -> None:
    for photo in (portrait, machine):
        assert sr.variant(photo, "people") == "photo"
        for quality in (80, 60, 40):
            marred = jpeg(photo, quality)
            assert sr.variant(marred, "people") == "jpeg"
            assert sr.variant(marred[3:, 5:], "people") == "jpeg"
        assert sr.variant(jpeg(photo, 97), "people") == "photo"
        assert sr.variant(noisy(photo, 7), "people") == "jpeg"


def test_the_coarser_the_jpeg_the_larger_the_step(machine: np.ndarray) -> None:
    steps = [measure.jpeg(jpeg(machine, quality)).step for quality in (97, 92, 85, 75)]
    assert steps == sorted(steps)
    assert steps[0] < steps[-1] / 3


def test_the_choice_by_measurement_pays(portrait: np.ndarray, machine: np.ndarray) -> None:
    """On a JPEG, the net that is chosen does better than the one for clean photos."""
    for photo in (portrait, machine):
        small = jpeg(resized(photo, photo.shape[0] // 2, photo.shape[1] // 2), 80)
        chosen = enhance(small, operations=["sr"], scale=2)
        assert chosen.steps[0].method == "net:sr-x2-jpeg"
        other = sr.apply(small, "sr-x2-photo")
        assert psnr(luma(chosen.pixels), luma(photo)) > psnr(luma(other), luma(photo)) + 0.3


def test_four_times_larger_a_jpeg_takes_one_net_and_no_more(
    portrait: np.ndarray, machine: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as good as with a photo net behind it, has no seams and can lie as Pillow keeps it."""
    gains = []
    for photo in (portrait, machine):
        small = jpeg(resized(photo, photo.shape[0] // 4, photo.shape[1] // 4), 80)
        done = enhance(small, operations=["sr"], scale=4, is_spaced=True)
        assert done.steps[0].method == "net:sr-x2-jpeg+classical:lanczos"
        assert image(done.pixels).mode == "RGBX"
        two_nets = sr.apply(sr.apply(small, "sr-x2-jpeg"), "sr-x2-photo")
        truth = luma(photo)
        gains.append(psnr(luma(done.pixels), truth) - psnr(luma(two_nets), truth))
    assert np.mean(gains) > -0.1
    whole = sr.plain(machine)
    monkeypatch.setattr(sr, "tiles", lambda height, width: sr_tiles(height, width, 50))
    assert np.array_equal(sr.plain(machine)[16:-16, 16:-16], whole[16:-16, 16:-16])


def test_drawings_and_pages_are_enlarged_by_a_net_of_their_own() -> None:
    """And it pays: on a page that no net has seen it does better than the photo net."""
    page = to_bytes(text(np.random.default_rng(905), 256))
    small = resized(page, 128, 128)
    chosen = enhance(small, operations=["sr"], scale=2, image_type="text")
    assert chosen.steps[0].method == "net:sr-x2-text"
    assert sr.variant(small, "cartoon") == "text"
    other = sr.apply(small, "sr-x2-photo")
    assert psnr(luma(chosen.pixels), luma(page)) > psnr(luma(other), luma(page)) + 0.2
