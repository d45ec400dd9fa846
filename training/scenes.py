"""Owns generated pictures of one kind of colour (skin, sunsets, forests, skies) that a healthy
photo may be full of; knows numpy, no photograph and no net.

They have neither black nor white, like a faded print, and must not be taken for one. Nothing is
trained on them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.degrade import to_bytes
from training.pictures import Bytes, Floats, power_noise

SKINS = (
    (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
    (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
)  # fmt: skip
"""The ten tones of the Monk Skin Tone scale (Monk 2019)."""
Colour = tuple[int, int, int]
RUDDY = np.array([1.0, -0.3, -0.5], np.float32)
"""How skin, leaves and sand vary in colour: redder or paler."""


def surface(
    rng: np.random.Generator, side: int, colour: Colour, low: float, high: float, tint: float = 4
) -> Floats:
    """One material in changing light, `low` .. `high` times its colour, a little rough and a little
    uneven in tint.
    """
    light = power_noise(rng, side, 1.8)
    light = low + (high - low) * (light - light.min()) / np.ptp(light)
    rough = power_noise(rng, side, 1.0)[..., None] * 4
    uneven = power_noise(rng, side, 1.4)[..., None] * RUDDY * tint
    return (np.array(colour, np.float32) * light[..., None] + rough + uneven).astype(np.float32)


def bands(rng: np.random.Generator, side: int, *colours: Colour, rough: float = 3) -> Floats:
    """Colours that run into each other from the top down, as in a sky."""
    at = np.linspace(0, len(colours) - 1, side)
    rows = np.stack(
        [np.interp(at, range(len(colours)), [c[k] for c in colours]) for k in range(3)], 1
    )
    noise = power_noise(rng, side, 1.6)[..., None] * rough
    return (np.repeat(rows[:, None], side, 1) + noise).astype(np.float32)


def clouds(rng: np.random.Generator, side: int) -> Floats:
    veil = power_noise(rng, side, 1.5).clip(0, 2)[..., None] * 50
    return bands(rng, side, (60, 110, 190), (150, 190, 230), rough=1) + veil


Draw = Callable[[np.random.Generator, int], Floats]
SCENES: dict[str, Draw] = {
    **{
        f"skin {number}, {name} light": lambda rng, side, tone=tone, ends=ends: surface(
            rng, side, tone, *ends
        )
        for number, tone in enumerate(SKINS, 1)
        for name, ends in (("even", (0.75, 1.0)), ("side", (0.5, 1.05)), ("hard", (0.15, 1.0)))
    },
    "sunset over land": lambda rng, side: bands(
        rng, side, (40, 40, 90), (150, 80, 110), (240, 130, 60), (255, 190, 80), (60, 30, 30)
    ),
    "sunset, pink": lambda rng, side: bands(
        rng, side, (90, 70, 120), (190, 100, 110), (250, 150, 90), (250, 200, 120)
    ),
    "sunset, red": lambda rng, side: bands(
        rng, side, (120, 60, 50), (220, 110, 50), (250, 180, 70), (200, 110, 60), rough=6
    ),
    "forest": lambda rng, side: surface(rng, side, (70, 110, 45), 0.05, 1.4, 14),
    "forest in mist": lambda rng, side: surface(rng, side, (120, 150, 110), 0.4, 1.2, 10),
    "blue sky": lambda rng, side: bands(
        rng, side, (60, 110, 190), (110, 160, 220), (170, 200, 230)
    ),
    "sky with clouds": clouds,
    "sea": lambda rng, side: surface(rng, side, (60, 120, 140), 0.5, 1.5, 5),
    "desert": lambda rng, side: surface(rng, side, (210, 180, 140), 0.5, 1.1, 5),
    "brick wall": lambda rng, side: surface(rng, side, (160, 80, 60), 0.5, 1.3, 10),
}  # type: ignore[dict-item]


def scene(name: str, seed: int, side: int = 256) -> Bytes:
    """Draw one; the same arguments give the same bytes."""
    return to_bytes(SCENES[name](np.random.default_rng(seed), side))
