"""Owns the card format: what one model file expects and answers. Reads TOML; opens no model and
needs no numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Licence:
    """Of the weights, which is often another one than the program's."""

    spdx: str
    commercial: bool


@dataclass(frozen=True, slots=True)
class Input:
    """How pixels become the model's main input."""

    name: str
    """Of the graph's input; empty for the only one, or the first."""
    color: str
    """RGB, BGR, L (lightness of CIE Lab), Y (BT.601 luma) or GREY_RGB (that luma three times)."""
    range: tuple[float, float]
    """What levels 0 and 255 become."""
    divide_by_max: bool
    """The brightest value of each photo becomes the top of the range."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel in the model's own order: subtracted, and divided by, after the range."""
    layout: str
    """NCHW or NHWC, of the input and of the output."""
    dtype: str
    fit: str
    """tile (full size, in pieces), stretch (resized to the model's size) or window (full size,
    around the mask).
    """
    multiple: int
    """The model takes only sides that are multiples of this."""
    min: int
    """The least side the model takes."""
    size: tuple[int, ...]
    """With stretch and a graph whose sides are free: (height, width), or one number for the longer
    side.
    """


@dataclass(frozen=True, slots=True)
class Extra:
    """An input beside the picture: a constant, or the mask of what is to be filled (1 inside)."""

    name: str
    kind: str
    value: float
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """How the model's answer becomes pixels."""

    kind: str
    """image, residual (added to the photo, or to its bicubic enlargement), alpha, mask or ab (of
    CIE Lab).
    """
    index: int
    range: tuple[float, float]
    """The values for levels 0 and 255; residual: 255 levels apart; ab: for -128 and 128; alpha and
    mask: none and full.
    """
    activation: str
    scale: int
    threshold: float
    """Of a mask: what counts as a scratch, after activation and range."""


@dataclass(frozen=True, slots=True)
class Tile:
    size: int
    """Input pixels on a side where the graph leaves it free."""
    overlap: int
    """Input pixels on each side that the model sees beside what it answers for."""


@dataclass(frozen=True, slots=True)
class Limits:
    max_megapixels: float
    """Larger photos are left to the next card, or to the engine."""
    timeout_s: float
    """For all of one photo; then the job fails."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a site owner says about one ONNX file."""

    name: str
    operation: str
    types: tuple[str, ...]
    file: str
    sha256: str
    licence: Licence
    input: Input
    extra: tuple[Extra, ...]
    output: Output
    tile: Tile
    limits: Limits
    path: Path
    """Of the card."""

    @property
    def model_path(self) -> Path:
        """Where the ONNX file should be; `folder.model_bytes` checks before anybody reads it."""
        return self.path.parent / self.file
