"""Owns the running of the engine's own nets in numpy; knows their files, not what they are for.

A net is one chain of convolutions without padding (see `training/nets.py`). Each row of a
convolution's window is one matrix product, over some thousand pixels at a time, so that they stay
in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from django_hili.engine.pixels import Plane

SLOPE = np.float32(0.1)
CHUNK = 2048
"""Pixels per matrix product: what it touches stays in the processor's second cache."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution: `matrix` is (size * size * planes in) x planes out, its rows ordered by row,
    column, plane.
    """

    size: int
    matrix: Plane
    bias: Plane


@dataclass(frozen=True, slots=True)
class Net:
    """A chain of layers; `fold` pixels a side become planes before it, and the last planes unfold
    by fold * scale.
    """

    layers: tuple[Layer, ...]
    fold: int
    scale: int
    out: int

    @property
    def margin(self) -> int:
        """Input pixels that the output is smaller by on each side, divided by `scale`."""
        return self.fold * sum(layer.size // 2 for layer in self.layers)

    def __call__(self, picture: Plane) -> Plane:
        """Answer a correction for H x W x planes (0..1): (H - 2 margin) scale x (W - 2 margin)
        scale x out.

        H and W must be multiples of `fold`.
        """
        features = unfold(picture, self.fold) - np.float32(0.5)
        features = _convolve(features, self.layers[0], rectify=True)
        first, steps = features, self.layers[1:-1]
        for layer in steps:
            features = _convolve(features, layer, rectify=True)
        skip = len(steps)
        if skip:
            features += first[skip:-skip, skip:-skip]
        else:
            features = features + first
        return fold_back(
            _convolve(features, self.layers[-1], rectify=False), self.fold * self.scale
        )


def unfold(picture: Plane, by: int) -> Plane:
    """Turn `by` x `by` pixels into planes: H x W x P to H/by x W/by x (P by by)."""
    if by == 1:
        return picture
    height, width, planes = picture.shape
    parts = picture.reshape(height // by, by, width // by, by, planes).transpose(0, 2, 4, 1, 3)
    return parts.reshape(height // by, width // by, planes * by * by)


def fold_back(planes: Plane, by: int) -> Plane:
    """Undo `unfold`: H x W x (P by by) to H by x W by x P."""
    if by == 1:
        return planes
    height, width, depth = planes.shape
    parts = planes.reshape(height, width, depth // (by * by), by, by).transpose(0, 3, 1, 4, 2)
    return parts.reshape(height * by, width * by, depth // (by * by))


def _convolve(features: Plane, layer: Layer, *, rectify: bool) -> Plane:
    """Convolve H x W x C; the answer is smaller by size - 1.

    The picture is taken as one long row of pixels, in which the `size` pixels beside each other are
    contiguous memory. They are copied out once and multiplied once for each row of the window,
    `width` pixels further on. Windows that wrap over a line's end give values that are cut off at
    the end.
    """
    height, width, depth = features.shape
    size, count = layer.size, layer.matrix.shape[1]
    rows, span = height - size + 1, size * depth
    total, below = rows * width - (size - 1), (size - 1) * width
    windows = _windows(
        np.ascontiguousarray(features, np.float32), height * width - (size - 1), span, depth
    )
    matrices = [layer.matrix[i * span : (i + 1) * span] for i in range(size)]
    out = np.empty((rows * width, count), np.float32)
    beside = np.empty((min(CHUNK, total) + below, span), np.float32)
    scratch = np.empty((min(CHUNK, total), count), np.float32)
    for start in range(0, total, CHUNK):
        length = min(CHUNK, total - start)
        answer, spare = out[start : start + length], scratch[:length]
        beside[: length + below] = windows[start : start + length + below]
        np.matmul(beside[:length], matrices[0], out=answer)
        for i in range(1, size):
            np.matmul(beside[i * width : i * width + length], matrices[i], out=spare)
            answer += spare
        answer += layer.bias
        if rectify:
            np.multiply(answer, SLOPE, out=spare)
            np.maximum(answer, spare, out=answer)
    return out.reshape(rows, width, count)[:, : width - size + 1]


def _windows(features: Plane, count: int, length: int, step: int) -> Plane:
    """`count` overlapping runs of `length` values, `step` apart; a view."""
    size = features.itemsize
    return np.lib.stride_tricks.as_strided(
        features, (count, length), (step * size, size), writeable=False
    )


@cache
def load(name: str) -> Net:
    """Read `weights/<name>.npz`, once per process; onnxruntime runs it where that is installed."""
    file = resources.files("django_hili.engine") / "weights" / f"{name}.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        fold, scale, out = (int(v) for v in arrays["shape"])
        count = sum(key.startswith("w") for key in arrays.files)
        layers = tuple(_layer(arrays[f"w{i}"], arrays[f"b{i}"]) for i in range(count))
    from django_hili.engine.cards.chain import faster  # which needs this module

    return faster(Net(layers, fold, scale, out))


def _layer(weight: NDArray[np.float16], bias: NDArray[np.float16]) -> Layer:
    """Bring weights from planes out x planes in x rows x columns into matrix order."""
    out, planes, size, _ = weight.shape
    matrix = weight.astype(np.float32).transpose(2, 3, 1, 0).reshape(size * size * planes, out)
    return Layer(size, np.ascontiguousarray(matrix), bias.astype(np.float32))
