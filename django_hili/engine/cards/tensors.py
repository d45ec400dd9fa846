"""Owns the way from pixels to a model's input and from its answer back, as a card says; runs
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from django_hili.engine.cards import colours
from django_hili.engine.cards.card import Card, Extra, Input
from django_hili.engine.cards.table import CardError
from django_hili.engine.pixels import LUMA, Mask, Pixels, Plane, luma, resize

Tensor = NDArray[Any]


def encode(pixels: Pixels, given: Input) -> Tensor:
    """Turn RGB or grey pixels into the main input, with a batch of one."""
    planes = _planes(pixels, given.color)
    low, high = given.range
    top = max(float(planes.max()), 1.0) if given.divide_by_max else 255.0
    mean, std = (np.array(values, np.float32) for values in (given.mean, given.std))
    planes = (planes * np.float32((high - low) / top) + np.float32(low) - mean) / std
    if given.dtype == "uint8":
        planes = np.rint(planes)
    tensor = planes.transpose(2, 0, 1)[None] if given.layout == "NCHW" else planes[None]
    return np.ascontiguousarray(tensor, given.dtype)


def encode_extra(extra: Extra, layout: str, mask: Mask | None) -> Tensor:
    """The constant, or the mask (1 where to fill) as one channel."""
    if extra.kind == "scalar" or mask is None:
        return np.full(extra.shape, extra.value, extra.dtype)
    plane = mask.astype(extra.dtype)
    return plane[None, None] if layout == "NCHW" else plane[None, :, :, None]


def decode(answer: Tensor, card: Card) -> Plane:
    """Turn an answer into H x W x channels: levels for image and residual, 0..1 for alpha and mask,
    a* b* for ab.

    Not clipped. Raises CardError for shapes that are no picture and for values that are no numbers.
    """
    if answer.ndim == 3 and answer.shape[0] == 1:
        answer = answer[:, None] if card.input.layout == "NCHW" else answer[..., None]
    if answer.ndim != 4 or answer.shape[0] != 1:
        raise CardError(f"The answer has the shape {list(answer.shape)}, which is not one picture.")
    planes = answer[0].transpose(1, 2, 0) if card.input.layout == "NCHW" else answer[0]
    planes = planes.astype(np.float32)
    if not np.isfinite(planes).all():
        raise CardError("The answer holds values that are not numbers.")
    planes = _activated(planes, card.output.activation)
    if card.input.color == "BGR" and card.output.kind in ("image", "residual"):
        planes = planes[..., ::-1]
    low, high = card.output.range
    if card.output.kind == "residual":
        return planes * np.float32(255 / (high - low))
    planes = (planes - np.float32(low)) * np.float32(1 / (high - low))
    if card.output.kind == "image":
        return planes * np.float32(255)
    return planes * np.float32(256) - np.float32(128) if card.output.kind == "ab" else planes


def levels(plane: Plane) -> Pixels:
    """Round and clip to 8 bits."""
    pixels: Pixels = np.rint(plane.clip(0, 255)).astype(np.uint8)
    return pixels


def picture(answer: Plane, window: Pixels, card: Card) -> Pixels:
    """Make the photo's new pixels of an image or residual for `window`, `scale` times as large.

    Where the model knows luma or lightness only, colour comes from the window; a grey window stays
    grey.
    """
    scale, color = card.output.scale, card.input.color
    height, width = window.shape[0] * scale, window.shape[1] * scale
    base = window if scale == 1 else resize(window, height, width, Image.Resampling.BICUBIC)
    if card.output.kind == "residual":
        answer = answer + _planes(base, color if color in ("L", "Y") else "RGB")
    if color == "L":
        lightness: Plane = answer[..., 0].clip(0, 255) * np.float32(1 / 2.55)
        if window.ndim == 3:
            return colours.rgb(lightness, colours.chroma(base))
        return colours.rgb(lightness, np.zeros((height, width, 2), np.float32))[..., 0]
    if color in ("RGB", "BGR") and window.ndim == 3:
        return levels(answer)
    light: Plane = answer[..., 0] if answer.shape[2] == 1 else answer @ LUMA
    return levels(light if window.ndim == 2 else base + (light - luma(base))[..., None])


def _planes(pixels: Pixels, color: str) -> Plane:
    """H x W x channels, 0..255."""
    if color == "L":
        return colours.lightness(pixels)[..., None] * np.float32(2.55)
    if color == "Y":
        return luma(pixels)[..., None]
    if color == "GREY_RGB" or pixels.ndim == 2:
        return np.stack([luma(pixels)] * 3, 2)
    planes: Plane = pixels.astype(np.float32)
    return np.flip(planes, 2) if color == "BGR" else planes


def _activated(planes: Plane, activation: str) -> Plane:
    if activation == "sigmoid":
        planes = np.tanh(planes * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
    if activation == "minmax":
        low, high = float(planes.min()), float(planes.max())
        return (planes - np.float32(low)) / np.float32(max(high - low, 1e-6))
    return planes
