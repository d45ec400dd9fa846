"""The process in which untrusted pictures are decoded and computed.

Reads requests from standard input and answers on standard output until its input closes. It
limits its own memory and may write no file. It knows the engine and the image formats;
of the site it knows nothing: no settings, no database, no storage.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from django_hili.codes import Code
from django_hili.engine.pipeline import Enhanced, enhance
from django_hili.engine.refusals import EngineRefusal
from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.decode import Picture, decode
from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png
from django_hili.imaging.frames import pack, unpack_head

if TYPE_CHECKING:
    from django_hili.engine.cards.models import Models

_REFUSALS = {
    "busy_background": Code.BACKGROUND_BUSY,
    "no_person_found": Code.PERSON_NOT_FOUND,
    "too_small": Code.PHOTO_TOO_SMALL,
    "model_unusable": Code.ENGINE_UNAVAILABLE,
    "model_failed": Code.ENGINE_CRASHED,
    "model_timed_out": Code.ENGINE_TIMED_OUT,
    "model_limit": Code.ENGINE_TIMED_OUT,
}


def main(arguments: list[str]) -> None:
    """Limit this process, then serve requests, or probe the site's models and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("memory_limit", type=int)
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
    _serve_all(answers, models)


def _models(folder: str, allow_non_commercial: bool) -> Models:  # noqa: FBT001 - as parsed
    """Read the site's cards. Imported here: without models nobody pays for what runs them."""
    from django_hili.engine.cards.folder import Folder
    from django_hili.engine.cards.models import Models

    return Models(Folder(Path(folder), allow_non_commercial))


def _serve_all(answers: BinaryIO, models: Models | None) -> None:
    """Serve requests until standard input ends."""
    requests = sys.stdin.buffer
    while lengths := requests.read(8):
        head_size, content_size = unpack_head(lengths)
        request = json.loads(requests.read(head_size))
        answer, content = _serve(request, requests.read(content_size), answers, models)
        answers.write(pack(answer, content))
        answers.flush()


def _limit(memory_limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the photo
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))


def _serve(
    request: dict[str, Any], content: bytes, answers: BinaryIO, models: Models | None
) -> tuple[dict[str, Any], bytes]:
    try:
        picture = decode(content, max_megapixels=request["max_megapixels"])
        enhanced = _enhance(picture, request, answers, models)
        return _done(picture, enhanced, request)
    except InvalidPhotoError as error:
        return {"kind": "refused", "code": error.code.value}, b""
    except EngineRefusal as refusal:
        code = _REFUSALS.get(refusal.code, Code.INTERNAL_ERROR)
        return {"kind": "refused", "code": code.value}, b""
    except MemoryError:
        return {"kind": "refused", "code": Code.ENGINE_CRASHED.value}, b""


def _enhance(
    picture: Picture, request: dict[str, Any], answers: BinaryIO, models: Models | None
) -> Enhanced:
    def report(stage: str, fraction: float) -> None:
        answers.write(pack({"kind": "progress", "stage": stage, "fraction": round(fraction, 3)}))
        answers.flush()

    rgb = request["background_rgb"]
    return enhance(
        np.asarray(picture.pixels),
        operations=request["operations"],
        scale=request["scale"],
        image_type=request["image_type"],
        alpha=None if picture.alpha is None else np.asarray(picture.alpha),
        background=tuple(rgb) if rgb else request["background"],
        progress=report,
        models=models,
    )


def _done(
    picture: Picture, enhanced: Enhanced, request: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    pixels = Image.fromarray(enhanced.pixels)
    alpha = None if enhanced.alpha is None else Image.fromarray(enhanced.alpha)
    by_model = any("net:" in step.method or "model:" in step.method for step in enhanced.steps)
    mark = SourceType.MODEL if by_model else SourceType.ENHANCED
    kind = request["format"] or _natural_format(request, alpha)
    if kind == "png":
        content = encode_png(pixels, alpha=alpha, dpi=request["dpi"], mark=mark)
    else:
        content = encode_jpeg(_flattened(pixels, alpha), dpi=request["dpi"], mark=mark)
    answer = {
        "kind": "done",
        "content_type": f"image/{kind}",
        "width": pixels.width,
        "height": pixels.height,
        "steps": [
            {
                "operation": step.operation,
                "method": step.method,
                "confidence": step.confidence,
                "warnings": list(step.warnings),
            }
            for step in enhanced.steps
        ],
        "warnings": [code.value for code in picture.warnings],
    }
    return answer, content


def _natural_format(request: dict[str, Any], alpha: Image.Image | None) -> str:
    """PNG where JPEG would lose transparency or smear the edges of letters."""
    return "png" if alpha is not None or request["image_type"] == "text" else "jpeg"


def _flattened(pixels: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Lay transparent pixels on white, as paper would show them."""
    if alpha is None:
        return pixels
    paper = Image.new(pixels.mode, pixels.size, "white")
    paper.paste(pixels, mask=alpha)
    return paper


if __name__ == "__main__":
    main(sys.argv[1:])
