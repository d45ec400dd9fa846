"""Several ID photos on one sheet of paper, with marks to cut along.

Owns papers and layout. Every photo is printed at exactly its size as long as the printer does
not scale; the file says how large the paper is. Knows no documents' rules and no files.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from PIL import Image, ImageDraw

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, Problem
from django_hili.imaging.documents import Document, millimetres
from django_hili.imaging.encode import SourceType, encode_png
from django_hili.imaging.pdf_mark import marked_pdf

_MARGIN_MM = 3.0
"""What printers leave white; the marks of the outer photos stand in it."""
_GAP_MM = 2.0
_MARK_MM = 0.75
_MARK_OFF_MM = 0.2
"""Between a photo and its mark, so that no line is left on a photo that is cut a hair too wide."""
_MARK_COLOUR = (110, 110, 110)
_PDF_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Paper:
    """A sheet, standing up."""

    name: str
    width_mm: float
    height_mm: float


PAPERS: Mapping[str, Paper] = MappingProxyType(
    {
        "10x15": Paper("10x15", 101.6, 152.4),  # what labs call 10 × 15 cm is 4 × 6 inches
        "a4": Paper("a4", 210.0, 297.0),  # ISO 216
    }
)


def find_paper(name: str) -> Paper:
    """Return the paper of that name. Raises `InvalidOptionsError`."""
    if name not in PAPERS:
        choices = {"choices": ", ".join(PAPERS)}
        raise InvalidOptionsError(Problem("paper", Code.PAPER_UNKNOWN, choices))
    return PAPERS[name]


def lay_out(photo: Image.Image, *, document: Document, paper: Paper) -> Image.Image:
    """Return the sheet with as many photos as fit, standing or lying, whichever holds more.

    `photo` has exactly the document's size. Raises `InvalidOptionsError` if none fits.
    """
    dpi = document.dpi
    upright = (millimetres(paper.width_mm, dpi), millimetres(paper.height_mm, dpi))
    margin, gap = millimetres(_MARGIN_MM, dpi), millimetres(_GAP_MM, dpi)
    sizes = (upright, (upright[1], upright[0]))
    size = max(sizes, key=lambda size: _fitting(size, photo.size, margin, gap))
    columns, rows = (_along(size[axis], photo.size[axis], margin, gap) for axis in (0, 1))
    if not columns * rows:
        raise InvalidOptionsError(Problem("paper", Code.SHEET_TOO_SMALL))
    sheet = Image.new("RGB", size, "white")
    left = (size[0] - columns * photo.width - (columns - 1) * gap) // 2
    top = (size[1] - rows * photo.height - (rows - 1) * gap) // 2
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * (photo.width + gap), top + row * (photo.height + gap)
            sheet.paste(photo, (x, y))
            _mark(sheet, (x, y, x + photo.width, y + photo.height), dpi)
    return sheet


def encode_sheet(
    sheet: Image.Image,
    *,
    dpi: int,
    file_format: Literal["png", "pdf"],
    mark: SourceType | None = None,
) -> bytes:
    """Write the sheet so that it prints at its true size, with the mark of its photo."""
    if file_format == "png":
        return encode_png(sheet, dpi=dpi, mark=mark)
    buffer = io.BytesIO()
    sheet.save(buffer, "PDF", resolution=dpi, quality=_PDF_QUALITY, subsampling=0)
    written = buffer.getvalue()
    return marked_pdf(written, mark=mark) if mark else written


def _fitting(size: tuple[int, int], photo: tuple[int, int], margin: int, gap: int) -> int:
    return _along(size[0], photo[0], margin, gap) * _along(size[1], photo[1], margin, gap)


def _along(length: int, photo: int, margin: int, gap: int) -> int:
    return max(0, (length - 2 * margin + gap) // (photo + gap))


def _mark(sheet: Image.Image, box: tuple[int, int, int, int], dpi: int) -> None:
    """Draw two short lines away from each corner, on the lines along which to cut."""
    pen = ImageDraw.Draw(sheet)
    off, end = millimetres(_MARK_OFF_MM, dpi), millimetres(_MARK_OFF_MM + _MARK_MM, dpi)
    left, top, right, bottom = box
    for x in (left, right - 1):
        pen.line((x, top - end, x, top - 1 - off), fill=_MARK_COLOUR)
        pen.line((x, bottom + off, x, bottom - 1 + end), fill=_MARK_COLOUR)
    for y in (top, bottom - 1):
        pen.line((left - end, y, left - 1 - off, y), fill=_MARK_COLOUR)
        pen.line((right + off, y, right - 1 + end, y), fill=_MARK_COLOUR)
