"""The engine's own nets give the same pixels by onnxruntime as by numpy."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from django_hili.engine import nets, repair, sr
from django_hili.engine.cards.chain import FastNet, faster, written
from django_hili.engine.nets import Layer, Net
from tests.engine.cards.graphs import onnx

TOLERANCE = 1e-5
"""Of 0..1: 0.003 levels. Measured: 2e-6."""
OWN = sorted(path.stem for path in nets.WEIGHTS.glob("*.npz"))


def plain(net: Net) -> Net:
    return Net(net.layers, net.fold, net.scale, net.out)


def made_up(fold: int, scale: int, steps: int) -> Net:
    rng = np.random.default_rng(fold * 100 + scale * 10 + steps)
    widths = [3 * fold**2, *([6] * (steps + 1)), (fold * scale) ** 2]
    sizes = [5, *([3] * (steps + 1))]
    layers = tuple(
        Layer(
            k,
            rng.normal(0, 0.2, (k * k * a, b)).astype(np.float32),
            rng.normal(0, 0.1, b).astype(np.float32),
        )
        for k, a, b in zip(sizes, widths[:-1], widths[1:], strict=True)
    )
    return Net(layers, fold, scale, 1)


@pytest.mark.parametrize(("fold", "scale", "steps"), [(1, 2, 2), (2, 1, 1), (1, 4, 0), (2, 2, 3)])
@pytest.mark.parametrize("size", [(32, 36), (44, 30)])
def test_any_chain(fold: int, scale: int, steps: int, size: tuple[int, int]) -> None:
    net = made_up(fold, scale, steps)
    onnx.checker.check_model(onnx.load_from_string(written(net)), full_check=True)
    fast = faster(net)
    assert isinstance(fast, FastNet)
    picture = np.random.default_rng(1).random((*size, 3)).astype(np.float32)
    np.testing.assert_allclose(fast(picture), net(picture), atol=TOLERANCE)


@pytest.mark.parametrize("name", OWN)
def test_own_nets(name: str) -> None:
    fast = nets.load(name)
    assert isinstance(fast, FastNet)
    first = fast.layers[0]
    planes = len(first.matrix) // first.size**2 // fast.fold**2
    picture = np.random.default_rng(1).random((96, 80, planes)).astype(np.float32)
    assert np.abs(fast(picture) - plain(fast)(picture)).max() < TOLERANCE


def test_photos_differ_by_a_level_here_and_there_at_most(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = sr.sr(photo, scale=2, image_type="people")[0], repair.repair(photo, 0.9)
    own = nets.load
    monkeypatch.setattr(nets, "load", lambda name: plain(own(name)))
    slow = sr.sr(photo, scale=2, image_type="people")[0], repair.repair(photo, 0.9)
    for one, other in zip(fast, slow, strict=True):
        difference = np.abs(one.astype(int) - other)
        assert difference.max() <= 1
        assert difference.mean() < 0.001


def test_without_onnxruntime_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    net = made_up(1, 2, 1)
    assert faster(net) is net


def test_where_onnxruntime_fails_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    net = made_up(1, 2, 1)
    assert faster(net) is net
