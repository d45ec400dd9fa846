"""Cuts a photo to what a document asks for: frame, pixels, resolution, size of the file.

Owns the geometry and the search for a quality. It recognises nobody: where the head is, the
caller says; otherwise the middle is taken, with a warning. Knows no files and no Django.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, Problem
from django_hili.imaging.documents import Document
from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png

_BEST, _WORST = 95, 50
"""JPEG qualities. Below the worst, blocks show in a face."""
_ALL_COLOUR, _QUARTER_OF_COLOUR = 0, 2
"""Subsampling: a photo that fits in no other way has its colour at half the width and height."""
_HEAD_SHARE = 0.68
"""Of the height, where a document does not say: ours."""
_ABOVE_SHARE = 0.4
"""Of the room above and below the head, where a document does not say: ours."""
_EYES_SHARE = 0.5
"""Where the eyes are between crown and chin: halfway, by the usual proportions of a head."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where the head is, in pixels: from the crown of the head to the chin, ear to ear."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def parse(cls, text: str) -> FaceBox:
        """Read "left,top,right,bottom". Raises `InvalidOptionsError`."""
        try:
            left, top, right, bottom = (float(word) for word in text.split(","))
        except ValueError:
            raise _wrong_face() from None
        return cls(left, top, right, bottom)


@dataclass(frozen=True, slots=True)
class IdPhoto:
    """A photo as the document wants it."""

    pixels: Image.Image
    """Mode RGB, of exactly the document's size."""
    content: bytes
    content_type: str
    quality: int | None
    """The JPEG's quality; None for a PNG."""
    mark: SourceType | None = None
    """What the photo said about how it was made; a sheet of it has to say it, too."""
    warnings: tuple[Code, ...] = ()


def make_id_photo(
    photo: Image.Image,
    *,
    document: Document,
    face: FaceBox | None = None,
    background: tuple[int, int, int] | None = None,
    max_kb: int | None = None,
    file_format: Literal["jpeg", "png"] = "jpeg",
    mark: SourceType | None = None,
) -> IdPhoto:
    """Cut `photo` (RGB, L, RGBA or LA, upright) for `document`.

    What is transparent shows the background. Raises `InvalidOptionsError` for a face box
    outside the photo and for a file size that cannot be reached.
    """
    paper = background or document.background
    box = _frame(photo.size, document, face)
    warnings = [] if face else [Code.WARN_CENTRE_CROP]
    if _leaves(box, photo.size):
        warnings.append(Code.WARN_FACE_NEAR_EDGE)
    if box[2] - box[0] < document.size[0] - 0.5:
        warnings.append(Code.WARN_ENLARGED)
    pixels = _cut(photo, box, document.size, paper)
    limit = max_kb if max_kb is not None else document.max_kb
    if file_format == "png":
        content, quality = encode_png(pixels, dpi=document.dpi, mark=mark), None
        if limit is not None and len(content) > limit * 1000:
            raise _too_large(limit)
    else:
        content, quality = _within(pixels, limit, document.dpi, mark)
    return IdPhoto(pixels, content, f"image/{file_format}", quality, mark, tuple(warnings))


def _frame(size: tuple[int, int], document: Document, face: FaceBox | None) -> Box:
    """Return what of the photo is shown, in its pixels; it may reach beyond the photo."""
    width, height = size
    if face is None:
        aspect = document.width_mm / document.height_mm
        shown = (min(width, height * aspect), min(height, width / aspect))
        left, top = (width - shown[0]) / 2, (height - shown[1]) / 2
        return left, top, left + shown[0], top + shown[1]
    is_inside = 0 <= face.left < face.right <= width and 0 <= face.top < face.bottom <= height
    if not is_inside:
        raise _wrong_face()
    head, above = _head(document)
    per_mm = (face.bottom - face.top) / head
    centre = (face.left + face.right) / 2
    left, top = centre - document.width_mm / 2 * per_mm, face.top - above * per_mm
    return left, top, left + document.width_mm * per_mm, top + document.height_mm * per_mm


def _head(document: Document) -> tuple[float, float]:
    """Return the head's height and the room above it in millimetres: the middle of what may be."""
    head = _middle(document.head_mm) if document.head_mm else document.height_mm * _HEAD_SHARE
    if document.top_mm:
        return head, _middle(document.top_mm)
    if document.eyes_mm:
        return head, document.height_mm - _middle(document.eyes_mm) - head * _EYES_SHARE
    return head, (document.height_mm - head) * _ABOVE_SHARE


def _middle(bounds: tuple[float, float]) -> float:
    return (bounds[0] + bounds[1]) / 2


def _leaves(box: Box, size: tuple[int, int]) -> bool:
    return box[0] < -0.5 or box[1] < -0.5 or box[2] > size[0] + 0.5 or box[3] > size[1] + 0.5


def _cut(
    photo: Image.Image, box: Box, size: tuple[int, int], paper: tuple[int, int, int]
) -> Image.Image:
    """Lay the photo on paper of its own resolution, as large as the box, and resize that."""
    left, top = int(min(box[0], 0) // 1), int(min(box[1], 0) // 1)
    right, bottom = -int(-max(box[2], photo.width) // 1), -int(-max(box[3], photo.height) // 1)
    if photo.mode in {"RGBA", "LA"} or (left, top, right, bottom) != (0, 0, *photo.size):
        sheet = Image.new("RGB", (right - left, bottom - top), paper)
        mask = photo.getchannel("A") if photo.mode in {"RGBA", "LA"} else None
        sheet.paste(photo.convert("RGB"), (-left, -top), mask)
        photo = sheet
    shown = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    inside = (
        max(shown[0], 0), max(shown[1], 0), min(shown[2], photo.width), min(shown[3], photo.height),
    )  # fmt: skip
    return photo.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=inside)


def _within(
    pixels: Image.Image, limit: int | None, dpi: int, mark: SourceType | None
) -> tuple[bytes, int]:
    """Return the JPEG of the best quality that fits; with all colour if any does."""
    for subsampling in (_ALL_COLOUR, _QUARTER_OF_COLOUR):

        def encode(quality: int, subsampling: int = subsampling) -> bytes:
            return encode_jpeg(
                pixels, dpi=dpi, mark=mark, quality=quality, subsampling=subsampling, optimize=True
            )

        if found := _best(encode, limit):
            return found
    raise _too_large(limit or 0)


def _best(encode: Callable[[int], bytes], limit: int | None) -> tuple[bytes, int] | None:
    """Return what fits at the best quality, by bisection: size grows with quality."""
    content = encode(_BEST)
    if limit is None or len(content) <= limit * 1000:
        return content, _BEST
    found: tuple[bytes, int] | None = None
    low, high = _WORST, _BEST - 1
    while low <= high:
        quality = (low + high) // 2
        content = encode(quality)
        if len(content) <= limit * 1000:
            found, low = (content, quality), quality + 1
        else:
            high = quality - 1
    return found


def _too_large(limit: int) -> InvalidOptionsError:
    return InvalidOptionsError(Problem("max_kb", Code.FILE_SIZE_UNREACHABLE, {"limit": limit}))


def _wrong_face() -> InvalidOptionsError:
    return InvalidOptionsError(Problem("face", Code.FACE_BOX_INVALID))
