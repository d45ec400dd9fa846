"""Owns the running of the engine's own nets in numpy; knows their files, not what they are for.

A net is one chain of convolutions without padding (see `training/nets.py`). Between layers a
picture lies in memory row by row, and within a row plane by plane. So what a row of windows needs,
`size` rows below each other, is one matrix as it lies: nothing is copied to be multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from django_hili.engine.pixels import Plane

WEIGHTS = Path(__file__).with_name("weights")
"""By its path: importlib.resources alone would take a tenth of the engine's import."""
SLOPE = np.float32(0.1)
BLOCK = 150_000
"""Bytes of one layer's answer computed at a time: it stays in the processor's second cache."""
FEW = 32
"""Values in one column of a window up to which windows are copied out whole: matrix products over
so short sums are slow.
"""


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
        folded = unfold(picture, self.fold).transpose(0, 2, 1)
        features = np.subtract(folded, np.float32(0.5), order="C")
        features = convolve(features, self.layers[0], rectify=True)
        first, steps = features, self.layers[1:-1]
        for layer in steps:
            features = convolve(features, layer, rectify=True)
        skip = len(steps)
        if skip:
            features += first[skip:-skip, :, skip:-skip]
        else:
            features = features + first
        answer = convolve(features, self.layers[-1], rectify=False).transpose(0, 2, 1)
        return fold_back(answer, self.fold * self.scale)


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


def convolve(features: Plane, layer: Layer, *, rectify: bool) -> Plane:
    """Convolve H x C x W; the answer is smaller by size - 1 in height and width.

    One matrix product for each column of the window, a block of rows at a time.
    """
    height, depth, width = features.shape
    size, count = layer.size, layer.matrix.shape[1]
    rows, columns = height - size + 1, width - size + 1
    by_column = layer.matrix.reshape(size, size, depth, count)
    if size * depth <= FEW:
        features = np.concatenate([features[..., dx : dx + columns] for dx in range(size)], 1)
        by_column = layer.matrix.reshape(size, 1, size * depth, count)
    matrices = [
        np.ascontiguousarray(by_column[:, dx].reshape(-1, count).T)
        for dx in range(by_column.shape[1])
    ]
    windows = [_windows(features[..., dx:], size, columns) for dx in range(len(matrices))]
    out = np.empty((rows, count, columns), np.float32)
    step = max(1, BLOCK // (count * columns * out.itemsize))
    scratch = np.empty((min(step, rows), count, columns), np.float32)
    for top in range(0, rows, step):
        answer = out[top : top + step]
        spare = scratch[: len(answer)]
        np.matmul(matrices[0], windows[0][top : top + step], out=answer)
        for matrix, window in zip(matrices[1:], windows[1:], strict=True):
            np.matmul(matrix, window[top : top + step], out=spare)
            answer += spare
        answer += layer.bias[:, None]
        if rectify:
            np.multiply(answer, SLOPE, out=spare)
            np.maximum(answer, spare, out=answer)
    return out


def _windows(features: Plane, size: int, columns: int) -> Plane:
    """For each row, this row and those below it as one matrix (size * C) x columns; a view.

    `features` may be cut off on the left, but its planes must lie one after the other.
    """
    height, depth, _ = features.shape
    row, plane, value = features.strides
    shape = height - size + 1, size * depth, columns
    return np.lib.stride_tricks.as_strided(features, shape, (row, plane, value), writeable=False)


@cache
def load(name: str) -> Net:
    """Read `weights/<name>.npz`, once per process; onnxruntime runs it where that is installed."""
    with np.load(WEIGHTS / f"{name}.npz", allow_pickle=False) as arrays:
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
