"""The process in which untrusted pictures are decoded and computed.

Reads requests from standard input and answers on standard output until its input closes. It
limits its own memory and may write no file. It knows the engine and the image formats;
of the site it knows nothing: no settings, no database, no storage.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from django_hili.codes import Code
from django_hili.engine.pipeline import Step, enhance
from django_hili.engine.pixels import Mask
from django_hili.engine.pixels import image as image_of
from django_hili.engine.refusals import EngineRefusal
from django_hili.engine.tiles import WORKERS
from django_hili.exceptions import InvalidOptionsError, InvalidPhotoError, Problem
from django_hili.imaging.clean import copied
from django_hili.imaging.decode import Picture, decode
from django_hili.imaging.encode import (
    SourceType,
    Tables,
    encode_jpeg,
    encode_png,
    mark_of,
    strongest,
)
from django_hili.imaging.frames import pack, unpack_head
from django_hili.imaging.marking import marked
from django_hili.vocabulary import JPEG_LONGEST_SIDE

if TYPE_CHECKING:
    from django_hili.engine.cards.models import Models

_WHITE = 128
"""The darkest grey of a mask that still counts as white."""
_MAY_LEAVE_ALONE = {"scratch", "repair", "defogging"}
"""The operations that may find nothing to do."""
_REFUSALS = {
    "busy_background": Code.BACKGROUND_BUSY,
    "no_person_found": Code.PERSON_NOT_FOUND,
    "too_small": Code.PHOTO_TOO_SMALL,
    "model_unusable": Code.ENGINE_UNAVAILABLE,
    "model_failed": Code.ENGINE_CRASHED,
    "model_timed_out": Code.ENGINE_TIMED_OUT,
    "model_limit": Code.MODEL_LIMIT,
}


def main(arguments: list[str]) -> None:
    """Limit this process, then serve requests, or probe the site's models and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("memory_limit", type=int)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--models", default="")
    parser.add_argument("--allow-non-commercial", action="store_true")
    parser.add_argument("--probe", action="store_true")
    options = parser.parse_args(arguments)
    _limit(options.memory_limit)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break the framing
    models = _models(options.models, options.allow_non_commercial) if options.models else None
    if options.probe:
        with answers:
            answers.write(json.dumps(models.problems() if models else ()).encode())
        return
    _serve_all(answers, models, options.seconds)


def _models(folder: str, allow_non_commercial: bool) -> Models:  # noqa: FBT001 - as parsed
    """Read the site's cards. Imported here: without models nobody pays for what runs them."""
    from django_hili.engine.cards.folder import Folder
    from django_hili.engine.cards.models import Models

    return Models(Folder(Path(folder), allow_non_commercial))


def _serve_all(answers: BinaryIO, models: Models | None, seconds: int) -> None:
    """Serve requests until standard input ends; `seconds` is what one may take, 0 without end."""
    requests = sys.stdin.buffer
    while lengths := requests.read(8):
        head_size, content_size = unpack_head(lengths)
        request = json.loads(requests.read(head_size))
        if seconds:
            _limit_processor(seconds * WORKERS)
        answer, content = _serve(request, requests.read(content_size), answers, models)
        answers.write(pack(answer, content))
        answers.flush()


def _limit(memory_limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the photo
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))


def _limit_processor(seconds: int) -> None:
    """Let this process end after so much more work.

    The other side watches the clock; this holds where that side was killed itself.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _serve(
    request: dict[str, Any], content: bytes, answers: BinaryIO, models: Models | None
) -> tuple[dict[str, Any], bytes]:
    try:
        photo = content[: request["photo_size"]]
        picture = decode(photo, max_megapixels=request["max_megapixels"])
        notes = picture.warnings
        # Each step lets go of what the step before made: a large photo fits only twice.
        work = _Work.on(picture, mark_of(photo))
        del picture
        if _MAY_LEAVE_ALONE.issuperset(request["operations"]):
            work.photo = photo
        del photo
        work.check_side(request)
        work.take_mask(content[request["photo_size"] :], request["max_megapixels"])
        del content
        work.enhance(request, answers, models)
        return work.encode(request, notes)
    except (InvalidPhotoError, InvalidOptionsError) as error:
        return {"kind": "refused", "code": error.code.value}, b""
    except EngineRefusal as refusal:
        code = _REFUSALS.get(refusal.code, Code.INTERNAL_ERROR)
        return {"kind": "refused", "code": code.value}, b""
    except MemoryError:
        return {"kind": "refused", "code": Code.ENGINE_CRASHED.value}, b""


@dataclass(slots=True)
class _Work:
    """One photo on its way; what it was before is let go of as soon as it is something else."""

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    mark: SourceType | None
    """What the photo said of itself when it came, afterwards what is to be said of the result."""
    tables: Tables | None
    """How coarsely the photo was rounded, where it was a JPEG."""
    photo: bytes = b""
    """The file itself, where all operations may leave it alone; then it is the answer."""
    steps: tuple[Step, ...] = ()
    mask: Mask | None = None
    """What scratch shall fill; afterwards what it has filled, where that is wanted."""

    @classmethod
    def on(cls, picture: Picture, mark: SourceType | None) -> _Work:
        alpha = None if picture.alpha is None else np.asarray(picture.alpha)
        return cls(np.asarray(picture.pixels), alpha, mark, picture.tables)

    def check_side(self, request: dict[str, Any]) -> None:
        """Refuse what the encoder could not write before anything is computed."""
        has_alpha = self.alpha is not None
        if "bg" in request["operations"]:
            has_alpha = request["background"] in {None, "transparent"}
        longest = max(self.pixels.shape[:2]) * (request["scale"] or 1)
        if _format(request, has_alpha=has_alpha) == "jpeg" and longest > JPEG_LONGEST_SIDE:
            limit = {"limit": JPEG_LONGEST_SIDE}
            raise InvalidOptionsError(Problem("scale", Code.RESULT_TOO_LARGE, limit))

    def take_mask(self, content: bytes, max_megapixels: int) -> None:
        """Read a mask drawn by hand: what is white and not transparent is to be filled."""
        if not content:
            return
        picture = decode(content, max_megapixels=max_megapixels)
        mask = np.asarray(picture.pixels.convert("L")) >= _WHITE
        if picture.alpha is not None:
            mask &= np.asarray(picture.alpha) >= _WHITE
        if mask.shape != self.pixels.shape[:2]:
            raise InvalidOptionsError(Problem("mask", Code.MASK_SIZE_WRONG))
        self.mask = mask

    def enhance(self, request: dict[str, Any], answers: BinaryIO, models: Models | None) -> None:
        def report(stage: str, fraction: float) -> None:
            head = {"kind": "progress", "stage": stage, "fraction": round(fraction, 3)}
            answers.write(pack(head))
            answers.flush()

        rgb = request["background_rgb"]
        done = enhance(
            self.pixels,
            operations=request["operations"],
            scale=request["scale"],
            image_type=request["image_type"],
            alpha=self.alpha,
            background=tuple(rgb) if rgb else request["background"],
            mask=self.mask,
            progress=report,
            models=models,
            is_spaced=_format(request, has_alpha=self.alpha is not None) == "jpeg",
        )
        self.pixels, self.alpha, self.steps = done.pixels, done.alpha, done.steps
        self.mask = done.mask if request["wants_mask"] else None
        self.mark = strongest(self.mark, _mark(done.steps))
        if not done.steps or any(step.method != "none" for step in done.steps):
            self.photo = b""
        if request["scale"]:
            self.tables = None  # these are other waves

    def encode(
        self, request: dict[str, Any], notes: tuple[Code, ...]
    ) -> tuple[dict[str, Any], bytes]:
        kind = _format(request, has_alpha=self.alpha is not None)
        height, width = self.pixels.shape[:2]
        content = self._as_it_came(f"image/{kind}", request) or self._written(kind, request["dpi"])
        answer = {
            "kind": "done",
            "content_type": f"image/{kind}",
            "width": width,
            "height": height,
            "steps": [asdict(step) for step in self.steps],
            "warnings": [code.value for code in notes],
            "content_size": len(content),
        }
        if self.mask is not None:
            content += encode_png(Image.fromarray(self.mask), mark=self.mark)
        return answer, content

    def _as_it_came(self, content_type: str, request: dict[str, Any]) -> bytes | None:
        """The photo's own coding, with resolution and mark, where that is what was asked for."""
        if not self.photo:
            return None
        photo = copied(self.photo, max_megapixels=request["max_megapixels"])
        if photo is None or photo.content_type != content_type:
            return None
        return marked(photo, dpi=request["dpi"])

    def _written(self, kind: str, dpi: int) -> bytes:
        image = image_of(self.pixels) if kind == "jpeg" else Image.fromarray(self.pixels)
        alpha = None if self.alpha is None else Image.fromarray(self.alpha)
        del self.pixels, self.alpha
        if kind == "png":
            return encode_png(image, alpha=alpha, dpi=dpi, mark=self.mark)
        flat = _flattened(image, alpha)
        return encode_jpeg(flat, dpi=dpi, mark=self.mark, tables=self.tables)


def _mark(steps: tuple[Step, ...]) -> SourceType | None:
    """What has to be said of a photo after these steps; nothing where all left it as it was."""
    methods = [step.method for step in steps if step.method != "none"]
    if not methods:
        return None
    by_model = any("net:" in method or "model:" in method for method in methods)
    return SourceType.MODEL if by_model else SourceType.ENHANCED


def _format(request: dict[str, Any], *, has_alpha: bool) -> str:
    """The format asked for, or PNG where JPEG would lose transparency or smear the edges of
    letters.
    """
    if request["format"]:
        return str(request["format"])
    return "png" if has_alpha or request["image_type"] == "text" else "jpeg"


def _flattened(pixels: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Lay transparent pixels on white, as paper would show them."""
    if alpha is None:
        return pixels
    paper = Image.new("L" if pixels.mode == "L" else "RGB", pixels.size, "white")
    paper.paste(pixels.convert(paper.mode), mask=alpha)
    return paper


if __name__ == "__main__":
    main(sys.argv[1:])
