"""Owns the order of the operations on one photo and the account of what was done; knows every operation, no file.

One pass: damage is removed before anything is enlarged, tone is judged on clean pixels, and a cut-out comes last,
when its edges are as sharp as they will get.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from django_hili.engine import repair as repairing
from django_hili.engine import sr as enlarging
from django_hili.engine.catalogue import AVAILABLE, IMAGE_TYPES, SCALES
from django_hili.engine.pixels import Mask, Pixels
from django_hili.engine.refusals import EngineRefusal

__all__ = ["AVAILABLE", "Enhanced", "EngineRefusal", "Step", "enhance"]

ORDER = ("scratch", "repair", "defogging", "colour", "sr", "bg")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What was done for one operation, by which method, and how sure the engine is of it."""

    operation: str
    """"sr", "repair", "scratch", "defogging", "bg" or "colour"."""
    method: str
    """For example "net:sr-x2-photo" or "classical:dark-channel"; "none" when the photo was left alone."""
    confidence: float
    """0..1: how likely the result is better than the input. Not a measured probability."""
    warnings: tuple[str, ...] = ()
    """Stable codes, for example "already_clean"."""


@dataclass(frozen=True, slots=True)
class Enhanced:
    """The photo after all operations, and the account of each."""

    pixels: NDArray[np.uint8]
    """uint8, H x W x 3 RGB, or H x W when the input was grey."""
    alpha: NDArray[np.uint8] | None
    """uint8, H x W, the opacity; None when the input had none and no operation made one."""
    steps: tuple[Step, ...]


def enhance(
    pixels: Pixels,
    *,
    operations: Collection[str],
    scale: int | None = None,
    image_type: str = "people",
    alpha: Pixels | None = None,
    background: object = None,
    mask: Mask | None = None,
    progress: Progress | None = None,
) -> Enhanced:
    """Enhance one photo: uint8, RGB (H x W x 3) or grey (H x W), sRGB.

    `scale` is 2, 4 or 8 and belongs to "sr". `progress(operation, fraction)` is called from the calling thread.
    Raises EngineRefusal where an honest result is not possible, ValueError where the call makes no sense.
    """
    _check(pixels, operations, scale, image_type, alpha)
    steps: list[Step] = []
    for operation in (o for o in ORDER if o in operations):
        tell = _reporter(progress, operation)
        if operation == "repair":
            pixels, step = _repair(pixels, tell)
        else:
            assert scale is not None  # _check has seen to it
            pixels, method = enlarging.sr(pixels, scale=scale, image_type=image_type, progress=tell)
            alpha = None if alpha is None else enlarging.enlarge_alpha(alpha, scale)
            step = Step("sr", method, 0.9 if scale < 8 else 0.6, ("soft_at_x8",) if scale == 8 else ())
        steps.append(step)
        tell(1.0)
    return Enhanced(pixels, alpha, tuple(steps))


def _repair(pixels: Pixels, tell: Callable[[float], None]) -> tuple[Pixels, Step]:
    strength = repairing.damage(pixels).strength
    if strength == 0.0:
        return pixels, Step("repair", "none", 1.0, ("already_clean",))
    return repairing.repair(pixels, strength, tell), Step("repair", "net:repair", 0.5 + 0.4 * strength)


def _check(
    pixels: Pixels, operations: Collection[str], scale: int | None, image_type: str, alpha: Pixels | None
) -> None:
    """Refuse what cannot be done and name what is wrong with the call, before any work."""
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError("pixels must be uint8, H x W x 3 or H x W")
    if 0 in pixels.shape:
        raise ValueError("the picture is empty")
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]):
        raise ValueError("alpha must be uint8 and as large as the picture")
    if image_type not in IMAGE_TYPES:
        raise ValueError(f"image_type must be one of {', '.join(IMAGE_TYPES)}")
    for operation in operations:
        if operation not in AVAILABLE:
            raise ValueError("unknown operation")
        reason = AVAILABLE[operation]
        if reason is not None:
            raise EngineRefusal(reason, f"The local engine cannot do {operation} yet.")
    if "sr" in operations and scale not in SCALES:
        raise ValueError("scale must be 2, 4 or 8")


def _reporter(progress: Progress | None, operation: str) -> Callable[[float], None]:
    if progress is None:
        return lambda fraction: None
    return lambda fraction: progress(operation, fraction)
