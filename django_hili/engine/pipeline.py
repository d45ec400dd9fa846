"""Owns the order of the operations on one photo and the account of what was done; knows every
operation, no file.

One pass: damage is removed before anything is enlarged, tone is judged on clean pixels, and a
cut-out comes last, when its edges are as sharp as they will get.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from django_hili.engine import bg as cutting
from django_hili.engine import defogging
from django_hili.engine import repair as repairing
from django_hili.engine import scratch as scratching
from django_hili.engine import sr as enlarging
from django_hili.engine import tone as toning
from django_hili.engine.catalogue import AVAILABLE, IMAGE_TYPES, SCALES
from django_hili.engine.manners import MANNERS
from django_hili.engine.pixels import Mask, Pixels
from django_hili.engine.refusals import EngineRefusal

__all__ = ["AVAILABLE", "EngineRefusal", "Enhanced", "Step", "enhance"]

ORDER = ("scratch", "repair", "defogging", "colour", "sr", "bg")
MUCH = 0.15
"""Share of the photo above which a filling is more guess than repair."""
Background = str | tuple[int, int, int]
Progress = Callable[[str, float], None]
Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What was done for one operation, by which method, and how sure the engine is of it."""

    operation: str
    """"sr", "repair", "scratch", "defogging", "bg" or "colour"."""
    method: str
    """For example "net:sr-x2-photo" or "classical:dark-channel"; "none" when the photo was left
    alone.
    """
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
    mask: Mask | None = None
    """What "scratch" has filled, or would have if it had not been too much, as large as the input;
    None where it was not asked for.
    """


@dataclass(frozen=True, slots=True)
class Task:
    """One operation on one photo, as a stronger method is asked for it."""

    operation: str
    pixels: Pixels
    image_type: str
    scale: int | None
    mask: Mask | None


@dataclass(frozen=True, slots=True)
class Done:
    """What a stronger method made of a task."""

    pixels: Pixels
    step: Step
    alpha: Pixels | None = None
    """The opacity of a cut-out; the pixels are then the person's own colours."""
    mask: Mask | None = None
    """What was filled, of a task for "scratch"."""


class Models(Protocol):
    """Stronger methods that a site owner supplies, asked before the engine's own."""

    @property
    def offered(self) -> Collection[str]:
        """The operations that can be asked for because of them."""

    def __call__(self, task: Task, tell: Tell) -> Done | None:
        """Do the task, or return None to leave it to the engine's own method."""


def enhance(
    pixels: Pixels,
    *,
    operations: Collection[str],
    scale: int | None = None,
    image_type: str = "people",
    alpha: Pixels | None = None,
    background: Background | None = None,
    mask: Mask | None = None,
    progress: Progress | None = None,
    models: Models | None = None,
    is_spaced: bool = False,
) -> Enhanced:
    """Enhance one photo: uint8, RGB (H x W x 3) or grey (H x W), sRGB.

    `scale` is 2, 4 or 8 and belongs to "sr". `background` belongs to "bg": "transparent" (as None),
    "gradient_grey", "red", "blue", "white" or (R, G, B). `progress(operation, fraction)` is called
    from the calling thread. With `is_spaced`, an enlarged RGB photo lies in memory as Pillow keeps
    it, and `pixels.image` hands it over without a copy. Raises EngineRefusal where an honest result
    is not possible, ValueError where the call makes no sense.
    """
    _check(pixels, operations, scale, image_type, alpha, mask, models.offered if models else ())
    if background is not None and not cutting.is_background(background):
        raise ValueError("background must be a known name or (R, G, B)")
    steps: list[Step] = []
    filled: Mask | None = None
    for operation in (o for o in ORDER if o in operations):
        tell = _reporter(progress, operation)
        task = Task(operation, pixels, image_type, scale, mask)
        done = None if models is None else models(task, tell)
        if done is not None:
            pixels, alpha, step = _taken(done, task, alpha, background)
            filled = filled if done.mask is None else done.mask
        elif operation == "scratch":
            pixels, filled, step = _scratch(pixels, mask, image_type, tell)
        elif operation == "repair":
            pixels, step = _repair(pixels, image_type, tell)
        elif operation == "defogging":
            pixels, step = _defogging(pixels, image_type, tell)
        elif operation == "bg":
            pixels, alpha, step = _bg(pixels, alpha, background)
        else:
            times = scale or 1  # _check has seen to it that there is one
            pixels, step = _sr(pixels, times, image_type, tell, is_spaced=is_spaced)
            alpha = None if alpha is None else enlarging.enlarge_alpha(alpha, times)
        steps.append(step)
        tell(1.0)
    return Enhanced(pixels, alpha, tuple(steps), filled)


def _scratch(
    pixels: Pixels, mask: Mask | None, image_type: str, tell: Tell
) -> tuple[Pixels, Mask, Step]:
    """Fill the mask drawn by hand exactly as it is, or else what is found, if that is damage."""
    drawn = mask is not None
    found = (
        mask
        if mask is not None
        else scratching.grown(
            scratching.find(pixels, lambda f: tell(0.8 * f), image_type=image_type)
        )
    )
    if not found.any():
        return pixels, found, Step("scratch", "none", 0.7, ("no_scratch_found",))
    if not drawn and not scratching.is_believable(found):
        return pixels, found, Step("scratch", "none", 0.5, ("too_many_scratches",))
    share = float(found.mean())
    warnings = ("much_of_the_photo_filled",) if share > MUCH else ()
    method = "mask:drawn" if drawn else "net:scratch"
    filled = scratching.fill(pixels, found, lambda f: tell(0.8 + 0.2 * f))
    confidence = (0.9 if drawn else 0.6) * (1 - share)
    step = Step("scratch", f"{method}+classical:thin-plate", confidence, warnings)
    return filled, found, step


def _repair(pixels: Pixels, image_type: str, tell: Tell) -> tuple[Pixels, Step]:
    """Remove noise and blocks as far as they were measured, then fading, judged on clean pixels."""
    strength = repairing.damage(pixels).strength(MANNERS[image_type])
    methods = []
    if strength > 0:
        pixels = repairing.repair(pixels, strength, tell)
        methods.append("net:repair")
    faded = toning.fading(pixels)
    if faded is not None:
        pixels = toning.restore(pixels, faded)
        methods.append("classical:levels")
        strength = max(strength, faded.strength)
    if not methods:
        return pixels, Step("repair", "none", 1.0, ("already_clean",))
    return pixels, Step("repair", "+".join(methods), 0.5 + 0.4 * strength)


def _defogging(pixels: Pixels, image_type: str, tell: Tell) -> tuple[Pixels, Step]:
    if pixels.ndim == 2 or repairing.is_grey(pixels):
        return pixels, Step("defogging", "none", 0.5, ("no_colour_to_judge_by",))
    found = defogging.haze(pixels, MANNERS[image_type])
    if found.strength == 0:
        return pixels, Step("defogging", "none", 0.9, ("already_clear",))
    return defogging.lift(pixels, found, tell), Step(
        "defogging", "classical:dark-channel", 0.4 + 0.4 * found.strength
    )


def _bg(
    pixels: Pixels, alpha: Pixels | None, background: Background | None
) -> tuple[Pixels, Pixels | None, Step]:
    """Cut out, and either keep the opacity or put a new background behind."""
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, 2)
    found = cutting.cut(pixels)
    colours, cover = cutting.opacity(pixels, found)
    step = Step("bg", "classical:backdrop-surface", max(0.5, 0.95 - 0.06 * found.deviation))
    return *_laid(colours, cover, alpha, background), step


def _laid(
    colours: Pixels, cover: Pixels, alpha: Pixels | None, background: Background | None
) -> tuple[Pixels, Pixels | None]:
    """Put the new background behind a cut-out; where there is none, keep the opacity instead."""
    if alpha is not None:
        cover = np.minimum(cover, alpha)
    if background is None or background == "transparent":
        return colours, cover
    return cutting.paint(colours, cover, background), None


def _taken(
    done: Done, task: Task, alpha: Pixels | None, background: Background | None
) -> tuple[Pixels, Pixels | None, Step]:
    """Take over what a stronger method made, and bring the opacity along."""
    if done.alpha is not None:
        return *_laid(done.pixels, done.alpha, alpha, background), done.step
    if task.operation == "sr" and task.scale is not None and alpha is not None:
        alpha = enlarging.enlarge_alpha(alpha, task.scale)
    return done.pixels, alpha, done.step


def _sr(
    pixels: Pixels, scale: int, image_type: str, tell: Tell, *, is_spaced: bool
) -> tuple[Pixels, Step]:
    pixels, method = enlarging.sr(
        pixels, scale=scale, image_type=image_type, progress=tell, is_spaced=is_spaced
    )
    warnings = ("soft_at_x8",) if scale == 8 else ()
    return pixels, Step("sr", method, {2: 0.9, 4: 0.8, 8: 0.6}[scale], warnings)


def _check(
    pixels: Pixels,
    operations: Collection[str],
    scale: int | None,
    image_type: str,
    alpha: Pixels | None,
    mask: Mask | None,
    offered: Collection[str],
) -> None:
    """Refuse what cannot be done and name what is wrong with the call, before any work."""
    if pixels.dtype != np.uint8 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    ):
        raise ValueError("pixels must be uint8, H x W x 3 or H x W")
    if 0 in pixels.shape:
        raise ValueError("the picture is empty")
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]):
        raise ValueError("alpha must be uint8 and as large as the picture")
    if mask is not None and (mask.dtype != np.bool_ or mask.shape != pixels.shape[:2]):
        raise ValueError("mask must be bool and as large as the picture")
    if image_type not in IMAGE_TYPES:
        raise ValueError(f"image_type must be one of {', '.join(IMAGE_TYPES)}")
    for operation in operations:
        if operation not in AVAILABLE:
            raise ValueError("unknown operation")
        reason = AVAILABLE[operation]
        if reason is not None and operation not in offered:
            raise EngineRefusal(reason, f"The local engine cannot do {operation} yet.")
    if "sr" in operations and scale not in SCALES:
        raise ValueError("scale must be 2, 4 or 8")


def _reporter(progress: Progress | None, operation: str) -> Tell:
    if progress is None:
        return lambda _: None
    return lambda fraction: progress(operation, fraction)
