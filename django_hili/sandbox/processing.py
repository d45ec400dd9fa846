"""Own the work on one picture: bytes in, bytes out; must not know rows, threads or HTTP.

The engine is imported when the first picture needs it: a sandbox that only echoes does without
numpy. An operation that the engine lacks fails with the engine's own reason; nothing is passed
off as something else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageOps

from django_hili.sandbox import behaviour, contract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENGINE_TYPES: Final = {"cortoon": "cartoon"}
_QUALITY: Final = 92
_REMEMBERED: Final = 64


class ProcessingError(Exception):
    """The picture cannot be worked on; the text is shown as its state."""


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """One picture and what to do with it."""

    source: Path
    operations: tuple[str, ...]
    image_type: str
    rate: int
    rgb: str
    dpi: int
    mode: str


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """A finished picture."""

    content: bytes
    image_format: str
    width: int
    height: int


def carry_out(work: Work, *, on_stage: Callable[[int], object]) -> Done:
    """Work on a picture as its mode says; ProcessingError where that cannot be done."""
    try:
        content = work.source.read_bytes()
    except FileNotFoundError:
        raise ProcessingError("the uploaded file is gone") from None
    if work.mode == behaviour.CHEAP:
        return _cheap.encode_again(content)
    return _with_engine(content, work, on_stage=on_stage)


class _Cheap:
    """Encodes pictures again and remembers the last few, since tests send the same ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Done] = OrderedDict()

    def encode_again(self, content: bytes) -> Done:
        key = hashlib.sha256(content).digest()
        with self._lock:
            if key in self._known:
                return self._known[key]
        picture = _open(content)
        done = _encode(picture.convert("RGB"), "JPEG", dpi=0)
        with self._lock:
            self._known[key] = done
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return done


_cheap = _Cheap()


def _with_engine(content: bytes, work: Work, *, on_stage: Callable[[int], object]) -> Done:
    try:
        import numpy as np

        from django_hili.engine.catalogue import AVAILABLE
        from django_hili.engine.pipeline import enhance
    except ImportError as error:
        raise ProcessingError(f"the local engine is not installed ({error.name})") from None
    for operation in work.operations:
        reason = AVAILABLE.get(operation, "unknown")
        if reason is not None:
            raise ProcessingError(f"{operation}: {reason}")
    picture = _open(content)
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    alpha = np.asarray(picture.convert("RGBA").getchannel("A")) if has_alpha else None
    pixels: NDArray[np.uint8] = np.asarray(picture.convert("RGB"))
    try:
        enhanced: Any = enhance(
            pixels,
            operations=list(work.operations),
            scale=_scale(work, picture.size),
            image_type=_ENGINE_TYPES.get(work.image_type, work.image_type),
            alpha=alpha,
            background=_background(work.rgb),
            progress=_Reporter(work, on_stage),
        )
    except Exception as error:
        # A refusal of the engine has a code of its own; anything else is named by its type.
        code = getattr(error, "code", type(error).__name__)
        raise ProcessingError(f"{code}: {error}") from error
    result = Image.fromarray(enhanced.pixels)
    if enhanced.alpha is not None:
        result.putalpha(Image.fromarray(enhanced.alpha))
        return _encode(result, "PNG", dpi=work.dpi)
    return _encode(result, "JPEG", dpi=work.dpi)


class _Reporter:
    """Turns the engine's progress into the vendor's stages, telling each stage once."""

    def __init__(self, work: Work, on_stage: Callable[[int], object]) -> None:
        self._rgb = work.rgb
        self._on_stage = on_stage
        self._told = 0

    def __call__(self, operation: str, fraction: float) -> None:
        stages = contract.stages_of([operation], rgb=self._rgb)
        stage = stages[min(len(stages) - 1, int(fraction * len(stages)))]
        if stage != self._told:
            self._told = stage
            self._on_stage(stage)


def _scale(work: Work, size: tuple[int, int]) -> int | None:
    """Pick the factor of super-resolution: the one asked for, else 2 where the limit allows."""
    if "sr" not in work.operations:
        return None
    if work.rate:
        if max(size) * work.rate > contract.LARGEST_SIDE:
            raise ProcessingError(f"the result would be over {contract.LARGEST_SIDE} pixels")
        return work.rate
    if max(size) * 2 > contract.LARGEST_SIDE:
        raise ProcessingError(f"the result would be over {contract.LARGEST_SIDE} pixels")
    return 2


def _background(rgb: str) -> str | tuple[int, int, int] | None:
    """Say the vendor's colour in the engine's words."""
    if not rgb:
        return None
    if rgb == contract.TRANSPARENT:
        return "transparent"
    if rgb == contract.GRADIENT_GREY:
        return "gradient_grey"
    red, green, blue = (int(part) for part in rgb.split(","))
    return (red, green, blue)


def _open(content: bytes) -> Image.Image:
    """Decode a picture upright; its first frame where there are several."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return ImageOps.exif_transpose(picture)
    except (OSError, SyntaxError, ValueError):
        raise ProcessingError(contract.MESSAGES[contract.DAMAGED_PICTURE]) from None


def _encode(picture: Image.Image, image_format: str, *, dpi: int) -> Done:
    out = io.BytesIO()
    options: dict[str, Any] = {"dpi": (dpi, dpi)} if dpi else {}
    if image_format == "JPEG":
        picture.save(out, "JPEG", quality=_QUALITY, **options)
    else:
        picture.save(out, image_format, compress_level=3, **options)
    return Done(out.getvalue(), image_format, *picture.size)
