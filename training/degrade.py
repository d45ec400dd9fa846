"""Owns the damage that training pictures take (shrinking, blur, noise, JPEG); knows numpy and
Pillow, no net.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from django_hili.engine.filters import guided
from training.pictures import Bytes, Floats, blur

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
KERNELS = {
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}


def to_bytes(image: Floats) -> Bytes:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def luma(image: np.ndarray) -> Floats:
    """BT.601 luma, full range 0..255, of H x W x 3 RGB; grey passes through."""
    return image.astype(np.float32) if image.ndim == 2 else image.astype(np.float32) @ LUMA


def resize(image: np.ndarray, width: int, height: int, kernel: str = "bicubic") -> np.ndarray:
    """Resize uint8 (grey or RGB) or one float32 plane with Pillow, the same kernels the engine
    serves with.
    """
    return np.asarray(Image.fromarray(image).resize((width, height), KERNELS[kernel]))


def shrink(image: np.ndarray, scale: int, kernel: str = "bicubic") -> np.ndarray:
    return resize(image, image.shape[1] // scale, image.shape[0] // scale, kernel)


def jpeg(image: Bytes, quality: int, subsampling: int = 2) -> Bytes:
    """Compress and decompress; subsampling 2 is 4:2:0, 0 is 4:4:4."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def camera_noise(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> Floats:
    """Noise of a camera or of film: partly shared by the channels, sometimes with grain wider than
    a pixel.
    """
    rows, columns, channels = shape
    shared = rng.standard_normal((rows, columns, 1)).astype(np.float32)
    own = rng.standard_normal((rows, columns, channels)).astype(np.float32)
    share = rng.uniform(0, 1)
    noise = np.sqrt(share) * shared + np.sqrt(1 - share) * own
    if rng.random() < 0.3:
        noise = blur(noise, 0.6) * 1.9
    return deviation * noise


def worn(rng: np.random.Generator, picture: Bytes) -> Bytes:
    """Damage a clean RGB crop the way `repair` meets photos: a little blur, noise, then JPEG;
    sometimes nothing.
    """
    image = picture.astype(np.float32)
    if rng.random() < 0.3:
        image = blur(image, float(rng.uniform(0.3, 0.7)))
    if rng.random() < 0.78:
        image = image + camera_noise(rng, image.shape, float(rng.uniform(0, 18)))
    out = to_bytes(image)
    if rng.random() < 0.68:
        out = jpeg(out, int(rng.integers(25, 96)), int(rng.choice([0, 2, 2])))
    return out


def shared_online(rng: np.random.Generator, plane: Floats, scale: int) -> Floats:
    """Shrink a luma plane as small photos found online were: soft, slightly noisy, JPEG."""
    if rng.random() < 0.5:
        plane = blur(plane, float(rng.uniform(0.25, 0.3 + 0.2 * scale)))
    small = shrink(
        np.ascontiguousarray(plane),
        scale,
        str(rng.choice(["bicubic", "bicubic", "box", "lanczos"])),
    )
    small = small + rng.normal(0, rng.choice([0, 0, 1, 2, 4]), small.shape).astype(np.float32)
    out = to_bytes(small)
    if rng.random() < 0.9:
        out = jpeg(out, int(rng.integers(55, 96)))
    return out.astype(np.float32)


def aged(rng: np.random.Generator, image: Bytes, noise: float = 1.0) -> Bytes:
    """Fade and tint a colour photo like an old print: black lifted, white sunk, colours paled, blue
    lost.
    """
    tones = image.astype(np.float32)
    light = (tones @ LUMA)[..., None]
    tones = light + (tones - light) * rng.uniform(0.55, 0.75)
    low, high = rng.uniform(35, 60), rng.uniform(190, 215)
    tones = low + tones / 255 * (high - low)
    tones = tones * np.array([1.05, 1.0, rng.uniform(0.8, 0.88)], np.float32) + np.array(
        [6, 2, -4], np.float32
    )
    return to_bytes(tones + rng.normal(0, noise, tones.shape).astype(np.float32))


def hazed(rng: np.random.Generator, image: Bytes, thickness: float) -> Bytes:
    """Lay haze over a clear photo by the usual law, I = J t + A (1 - t) with t = exp(-thickness
    depth).

    The depth is a stand-in: far at the top, near at the bottom, uneven in between, and with the
    photo's own edges.
    """
    height, width = image.shape[:2]
    clear = image.astype(np.float32) / 255
    far = np.linspace(1.2, 0.25, height, dtype=np.float32)[:, None] * np.ones(
        (1, width), np.float32
    )
    uneven = resize(rng.uniform(-0.15, 0.15, (5, 6)).astype(np.float32), width, height)
    light = luma(image) / 255
    slope, offset = guided(light, far + uneven, 20, 1e-2)
    depth = np.maximum(slope * light + offset, 0.1)
    through = np.exp(-thickness * depth)[..., None]
    air = np.full(3, rng.uniform(0.82, 0.95)) + rng.normal(0, 0.015, 3)
    return to_bytes(((clear * through + air * (1 - through)) * 255).astype(np.float32))
