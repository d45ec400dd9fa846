"""The numpy runner computes what the chain is defined to compute, whatever the shape of the
picture.
"""

from __future__ import annotations

import numpy as np
import pytest

from django_hili.engine import nets
from django_hili.engine.nets import Layer, Net


def plain_convolution(features: np.ndarray, layer: Layer) -> np.ndarray:
    """The definition, slowly: each output is a sum over the window."""
    height, width, depth = features.shape
    size = layer.size
    out = np.zeros((height - size + 1, width - size + 1, layer.matrix.shape[1]))
    weights = layer.matrix.reshape(size, size, depth, -1)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            window = features[y : y + size, x : x + size]
            out[y, x] = np.tensordot(window, weights, 3) + layer.bias
    return out


def made_up(rng: np.random.Generator, planes: int, fold: int, scale: int, steps: int) -> Net:
    widths = [planes * fold**2, *([6] * (steps + 1)), (fold * scale) ** 2]
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


def plain_chain(net: Net, picture: np.ndarray) -> np.ndarray:
    leaky = lambda x: np.where(x > 0, x, 0.1 * x)  # noqa: E731  # one line, used four lines below
    features = first = leaky(plain_convolution(nets.unfold(picture, net.fold) - 0.5, net.layers[0]))
    for layer in net.layers[1:-1]:
        features = leaky(plain_convolution(features, layer))
    skip = len(net.layers) - 2
    features = features + first[skip : first.shape[0] - skip, skip : first.shape[1] - skip]
    return nets.fold_back(plain_convolution(features, net.layers[-1]), net.fold * net.scale)


@pytest.mark.parametrize(("fold", "scale", "steps"), [(1, 2, 2), (2, 1, 1), (1, 4, 0), (2, 2, 3)])
@pytest.mark.parametrize("size", [(32, 36), (44, 30)])
def test_runner_agrees_with_the_definition(
    fold: int, scale: int, steps: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(fold * 100 + scale * 10 + steps)
    net = made_up(rng, 3, fold, scale, steps)
    picture = rng.random((*size, 3)).astype(np.float32)
    answer = net(picture)
    height, width = ((v - 2 * net.margin) * scale for v in size)
    assert answer.shape == (height, width, 1)
    np.testing.assert_allclose(answer, plain_chain(net, picture), atol=1e-4)


def test_folding_is_undone_exactly() -> None:
    picture = np.random.default_rng(0).random((12, 8, 3)).astype(np.float32)
    assert np.array_equal(nets.fold_back(nets.unfold(picture, 2), 2), picture)


def test_all_weights_together_stay_within_a_megabyte() -> None:
    from importlib import resources

    files = list((resources.files("django_hili.engine") / "weights").iterdir())
    assert files
    assert sum(len(f.read_bytes()) for f in files) <= 1_000_000
