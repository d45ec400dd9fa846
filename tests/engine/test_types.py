"""Image types: each of them changes something that can be measured on pictures of its kind. Every
test here fails where the type is ignored.
"""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from django_hili.engine import scratch
from django_hili.engine.catalogue import IMAGE_TYPES
from django_hili.engine.manners import MANNERS
from django_hili.engine.pipeline import enhance
from tests.engine.likeness import jpeg, luma, noisy, psnr, resized
from training import portraits
from training.degrade import hazed, to_bytes
from training.marks import damaged
from training.pictures import drawing, text


@pytest.fixture(scope="module")
def stones() -> np.ndarray:
    return np.repeat(data.gravel()[256:, 256:, None], 3, 2)


@pytest.fixture(scope="module")
def meadow() -> np.ndarray:
    return np.repeat(data.grass()[:256, :256, None], 3, 2)


@pytest.fixture(scope="module")
def cartoon() -> np.ndarray:
    return to_bytes(drawing(np.random.default_rng(902), 256))


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    return to_bytes(text(np.random.default_rng(905), 256))


def done(picture: np.ndarray, operation: str, image_type: str) -> np.ndarray:
    scale = 2 if operation == "sr" else None
    return enhance(picture, operations=[operation], scale=scale, image_type=image_type).pixels


def f1(picture: np.ndarray, truth: np.ndarray, image_type: str) -> float:
    mask = scratch.find(picture, image_type=image_type)
    near, wide = (scratch.grown(scratch.grown(m)) for m in (truth, mask))
    precision = (mask & near).sum() / max(mask.sum(), 1)
    recall = (truth & wide).sum() / max(truth.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def test_every_type_has_a_manner_and_no_two_the_same() -> None:
    assert set(MANNERS) == set(IMAGE_TYPES)
    assert len({repr(manner) for manner in MANNERS.values()}) == len(IMAGE_TYPES)


def test_landscape_keeps_the_grain_of_grass(meadow: np.ndarray) -> None:
    worn = jpeg(noisy(meadow, 3), 85)
    as_landscape, as_people = (done(worn, "repair", kind) for kind in ("landscape", "people"))
    assert psnr(as_landscape, meadow) > psnr(as_people, meadow) + 0.3


def test_landscape_loses_thinner_haze_than_people(machine: np.ndarray) -> None:
    foggy = hazed(np.random.default_rng(3), machine, 0.3)
    as_landscape, as_people = (done(foggy, "defogging", kind) for kind in ("landscape", "people"))
    assert psnr(as_landscape, machine) > psnr(as_people, machine) + 0.5


def test_portrait_finds_fainter_scratches_and_erases_nothing_of_a_face(
    portrait: np.ndarray,
) -> None:
    face = np.ascontiguousarray(portrait[0:240, 10:250])
    gains = []
    for seed in range(8):
        marked, truth = damaged(np.random.default_rng(700 + seed), face)
        gains.append(f1(marked, truth, "portrait") - f1(marked, truth, "people"))
    assert np.mean(gains) > 0.01
    for side in (180, 240, 480):
        whole = resized(face, side, side)
        assert not scratch.find(whole, image_type="portrait").any()


def test_a_light_backdrop_is_no_haze_except_in_a_landscape() -> None:
    rng = np.random.default_rng(5002)
    front, cover = portraits.person(rng)
    photo = portraits.photographed(rng, front, cover, portraits.backdrop(rng, "plain", cover))
    assert psnr(done(photo, "defogging", "portrait"), photo) >= 50
    assert psnr(done(photo, "defogging", "landscape"), photo) < 40


@pytest.mark.parametrize("kind", ["cartoon", "text"])
def test_drawings_and_pages_are_enlarged_by_their_own_net(
    kind: str, cartoon: np.ndarray, page: np.ndarray
) -> None:
    whole = {"cartoon": cartoon, "text": page}[kind]
    small = resized(whole, 128, 128)
    own, other = (luma(done(small, "sr", name)) for name in (kind, "people"))
    assert psnr(own, luma(whole)) > psnr(other, luma(whole)) + 0.2


@pytest.mark.parametrize("kind", ["cartoon", "text"])
def test_ripples_go_from_drawings_and_pages(
    kind: str, cartoon: np.ndarray, page: np.ndarray
) -> None:
    whole = {"cartoon": cartoon, "text": page}[kind]
    worn = jpeg(noisy(whole, 5), 85)
    own, other = (done(worn, "repair", name) for name in (kind, "people"))
    assert psnr(own, whole) > psnr(other, whole) + 0.3
    assert psnr(done(whole, "repair", kind), whole) >= 48


@pytest.mark.parametrize("kind", ["cartoon", "text", "landscape"])
def test_fainter_scratches_are_found_where_no_face_is(
    kind: str, cartoon: np.ndarray, page: np.ndarray, stones: np.ndarray
) -> None:
    whole = {"cartoon": cartoon, "text": page, "landscape": stones}[kind]
    gains = []
    for seed in range(6):
        marked, truth = damaged(np.random.default_rng(700 + seed), whole)
        gains.append(f1(marked, truth, kind) - f1(marked, truth, "people"))
    assert np.mean(gains) > 0.01
    assert scratch.grown(scratch.find(whole, image_type=kind)).mean() <= 0.002


def test_text_is_cleaned_less_than_a_cartoon(page: np.ndarray) -> None:
    worn = jpeg(noisy(page, 5), 85)
    assert psnr(done(worn, "repair", "text"), page) > psnr(done(worn, "repair", "cartoon"), page)
