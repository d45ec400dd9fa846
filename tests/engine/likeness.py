"""Owns the damage and the measure of likeness that the engine's tests share."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def psnr(one: np.ndarray, other: np.ndarray, edge: int = 4) -> float:
    """Likeness in decibels of two pictures 0..255, a border of `edge` pixels left out."""
    inner = np.s_[edge:-edge, edge:-edge]
    error = (one[inner].astype(np.float64) - other[inner].astype(np.float64)) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-9)))


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114]) if pixels.ndim == 3 else pixels.astype(float)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noisy(pixels: np.ndarray, deviation: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.rint((pixels + noise).clip(0, 255)).astype(np.uint8)


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
