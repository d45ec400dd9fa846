"""Says by numbers whether a result is better than its source; knows pixels only.

Sharpness is the variance of the Laplacian of the grey picture (Pech-Pacheco et al. 2000). It is
compared with the same source enlarged to the same size by plain bicubic interpolation, after
both were brought to the same mean and contrast: a picture must not count as sharper for being
brighter or for having more contrast.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True)
class Comparison:
    """A result beside its source and beside the source enlarged by bicubic interpolation."""

    source_size: tuple[int, int]
    result_size: tuple[int, int]
    source_bytes: int
    result_bytes: int
    result_sharpness: float
    bicubic_sharpness: float

    @property
    def is_larger(self) -> bool:
        """Whether the result has more pixels and a larger file."""
        wider, taller = (
            new > old for new, old in zip(self.result_size, self.source_size, strict=True)
        )
        return wider and taller and self.result_bytes > self.source_bytes

    @property
    def is_sharper(self) -> bool:
        """Whether the result is sharper than the bicubic enlargement."""
        return self.result_sharpness > self.bicubic_sharpness


def compare(source: bytes, result: bytes) -> Comparison:
    """Measure two picture files."""
    with Image.open(io.BytesIO(source)) as old, Image.open(io.BytesIO(result)) as new:
        bicubic = old.convert("RGB").resize(new.size, Image.Resampling.BICUBIC)
        return Comparison(
            source_size=old.size,
            result_size=new.size,
            source_bytes=len(source),
            result_bytes=len(result),
            result_sharpness=sharpness(new),
            bicubic_sharpness=sharpness(bicubic),
        )


def sharpness(picture: Image.Image) -> float:
    """Return the variance of the Laplacian of the grey picture, scaled to unit contrast."""
    grey: NDArray[np.float64] = np.asarray(picture.convert("L"), np.float64)
    deviation = float(grey.std())
    if deviation == 0.0:
        return 0.0
    grey = (grey - grey.mean()) / deviation
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())
