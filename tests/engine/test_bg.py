"""Cut-outs: close to the true outline on plain backdrops, refused on busy ones, clean edges on a
new background.
"""

from __future__ import annotations

import numpy as np
import pytest

from django_hili.engine.pipeline import enhance
from django_hili.engine.refusals import EngineRefusal
from django_hili.engine.scratch import grown
from tests.engine.likeness import resized
from training.portraits import backdrop, person, photographed


def made(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    front, cover = person(rng, 450, 360)
    return photographed(rng, front, cover, backdrop(rng, kind, cover)), front, cover


def overlap(alpha: np.ndarray, cover: np.ndarray) -> float:
    one, other = alpha > 127, cover > 0.5
    return float((one & other).sum() / (one | other).sum())


def along_the_edge(alpha: np.ndarray, cover: np.ndarray) -> np.ndarray:
    edge = (cover > 0.02) & (cover < 0.98)
    for _ in range(3):
        edge = grown(edge)
    return np.abs(alpha / 255 - cover)[edge]


@pytest.mark.parametrize("scale", [1, 3])
def test_the_opacity_along_the_edge_is_close_to_the_truth(scale: int) -> None:
    """An edge taken for opaque where the backdrop shines through stands out as a bright rim."""
    errors, soft = [], []
    for seed in range(3):
        rng = np.random.default_rng(1000 + seed)
        front, cover = person(rng, 450, 360)
        size = 450 * scale, 360 * scale
        front = np.stack([resized(front[..., k], *size) for k in range(3)], 2)
        cover = resized(cover, *size).clip(0, 1)
        photo = photographed(rng, front, cover, backdrop(rng, "plain", cover))
        alpha = enhance(photo, operations=["bg"]).alpha
        assert alpha is not None
        errors.append(along_the_edge(alpha, cover).mean())
        soft.append(((alpha > 5) & (alpha < 250)).sum() / ((cover > 0.02) & (cover < 0.98)).sum())
    assert np.mean(errors) <= 0.05
    assert min(soft) >= 0.7, "an edge has become hard"


@pytest.mark.parametrize("kind", ["plain", "gradient"])
def test_outlines_on_plain_backdrops(kind: str) -> None:
    values = []
    for seed in range(4):
        photo, _, cover = made(1000 + seed, kind)
        result = enhance(photo, operations=["bg"])
        assert result.alpha is not None
        values.append(overlap(result.alpha, cover))
    assert np.mean(values) >= 0.975
    assert min(values) >= 0.95


def test_a_busy_backdrop_is_refused(machine: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    front, cover = person(rng, 450, 360)
    photo = photographed(rng, front, cover, backdrop(rng, "busy", cover, machine))
    for picture in (photo, machine):
        with pytest.raises(EngineRefusal) as caught:
            enhance(picture, operations=["bg"], background="white")
        assert caught.value.code == "busy_background"


def test_an_empty_wall_has_no_person() -> None:
    wall = np.random.default_rng(0).normal(200, 2, (200, 160, 3)).clip(0, 255).astype(np.uint8)
    with pytest.raises(EngineRefusal) as caught:
        enhance(wall, operations=["bg"])
    assert caught.value.code == "no_person_found"


def test_the_new_background_is_exactly_the_colour_asked_for() -> None:
    photo, _, _ = made(1001, "plain")
    for background, colour in (
        ("white", (255, 255, 255)),
        ("blue", (85, 142, 213)),
        ((1, 2, 3), (1, 2, 3)),
    ):
        result = enhance(photo, operations=["bg"], background=background)
        assert result.alpha is None
        corner = result.pixels[:20, :20].reshape(-1, 3)
        assert (corner == colour).mean() > 0.99
    grey = enhance(photo, operations=["bg"], background="gradient_grey").pixels[:250, 0]
    assert (grey[:, 0] == grey[:, 1]).all()
    assert grey[0, 0] > grey[200, 0]


def test_the_old_backdrop_leaves_no_rim() -> None:
    """A person from a red backdrop put before white must not glow red along the edge."""
    rng = np.random.default_rng(11)
    front, cover = person(rng, 450, 360)
    red = np.broadcast_to(np.array([200.0, 40, 40], np.float32), front.shape)
    photo = photographed(rng, front, cover, red)
    result = enhance(photo, operations=["bg"], background="white").pixels.astype(float)
    wanted = front * cover[..., None] + 255 * (1 - cover[..., None])
    edge = (cover > 0.05) & (cover < 0.95)
    plain = photo.astype(float)[edge] - wanted[edge]
    assert np.abs(result[edge] - wanted[edge]).mean() < 0.7 * np.abs(plain).mean()


def test_opacity_that_came_with_the_photo_is_kept() -> None:
    photo, _, _ = made(1001, "plain")
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[200:] = 0
    result = enhance(photo, operations=["bg"], alpha=alpha)
    assert result.alpha is not None
    assert (result.alpha[200:] == 0).all()


def test_with_sr_the_outline_grows_along() -> None:
    photo, _, cover = made(1001, "plain")
    result = enhance(photo, operations=["bg", "sr"], scale=2)
    assert result.alpha is not None
    assert result.alpha.shape == (900, 720)
    assert overlap(result.alpha, resized(cover.astype(np.float32), 900, 720)) > 0.95


@pytest.mark.parametrize("background", ["green", (1, 2), (1, 2, 300), 7])
def test_unknown_backgrounds(background: object) -> None:
    with pytest.raises(ValueError, match="background"):
        enhance(np.zeros((64, 64, 3), np.uint8), operations=["bg"], background=background)


@pytest.mark.parametrize("size", [(1, 1), (10, 400), (31, 31)])
def test_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(EngineRefusal):
        enhance(np.zeros((*size, 3), np.uint8), operations=["bg"])
