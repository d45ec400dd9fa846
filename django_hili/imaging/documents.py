"""The ID photos that documents ask for, as frozen values: size, resolution, head, file size.

Owns the figures; where each was looked up, and whether at the authority itself, stands in
docs/how-to/id-photos.md. What is not known stays None here. Authorities change their rules: whoever
relies on a figure has to look it up. Knows no pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, Problem

MM_PER_INCH = 25.4
_LIGHT_GREY = (235, 235, 235)
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Document:
    """What one document wants of a photo. Lengths in millimetres of the printed photo."""

    name: str
    label: str
    width_mm: float
    height_mm: float
    dpi: int = 300
    """Ours: what photo paper is printed with. It fixes the size in pixels."""
    background: tuple[int, int, int] = _WHITE
    """A plain colour that is accepted. Fills what is transparent or lies outside the photo."""
    head_mm: tuple[float, float] | None = None
    """From the crown of the head to the chin, least and most."""
    top_mm: tuple[float, float] | None = None
    """From the upper edge to the crown, least and most."""
    eyes_mm: tuple[float, float] | None = None
    """From the lower edge to the eyes, least and most."""
    max_kb: int | None = None
    """Size of the file where it is handed in digitally, in units of 1000 bytes."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return millimetres(self.width_mm, self.dpi), millimetres(self.height_mm, self.dpi)


def millimetres(length: float, dpi: int) -> int:
    """Return a length in whole pixels."""
    return round(length / MM_PER_INCH * dpi)


def find_document(name: str) -> Document:
    """Return the document of that name. Raises `InvalidOptionsError`."""
    try:
        return DOCUMENTS[name]
    except KeyError:
        choices = ", ".join(DOCUMENTS)
        problem = Problem("document", Code.DOCUMENT_UNKNOWN, {"choices": choices})
        raise InvalidOptionsError(problem) from None


_ALL = (
    # Trade sizes, as studios in China sell them. No authority.
    Document("cn-1-inch", "China, one inch", 25, 35),
    Document("cn-2-inch", "China, two inch", 35, 49),
    # The consular service of China.
    Document(
        "cn-passport", "China, passport and visa", 33, 48,
        head_mm=(28, 33), top_mm=(3, 5), max_kb=80,
    ),
    # The Schengen visa photo; ICAO Doc 9303 asks for 70 to 80 per cent of the height.
    Document(
        "eu-passport", "Schengen and EU, passport and visa", 35, 45,
        background=_LIGHT_GREY, head_mm=(32, 36),
    ),
    # HM Passport Office.
    Document(
        "uk-passport", "United Kingdom, passport", 35, 45,
        background=_LIGHT_GREY, head_mm=(29, 34),
    ),
    # US Department of State: 2 × 2 inches, head 1 to 1 3/8, eyes 1 1/8 to 1 3/8 from below.
    Document(
        "us-passport", "United States, passport and visa", 50.8, 50.8,
        head_mm=(25.4, 34.925), eyes_mm=(28.575, 34.925),
    ),
    # US Department of State, for the form DS-160: square, 600 to 1200 pixels, 240 kB at the most.
    Document(
        "us-visa-digital", "United States, visa form", 50.8, 50.8,
        head_mm=(25.4, 34.925), eyes_mm=(28.575, 34.925), max_kb=240,
    ),
    # Ministry of Foreign Affairs of Japan: head 34 ± 2, above it 4 ± 2.
    Document("jp-passport", "Japan, passport", 35, 45, head_mm=(32, 36), top_mm=(2, 6)),
    Document("jp-30x40", "Japan, 30 × 40 mm", 30, 40),
    Document("in-35x45", "India, 35 × 45 mm", 35, 45),
    Document("in-2x2", "India, 2 × 2 inches", 50.8, 50.8),
)  # fmt: skip

DOCUMENTS: Mapping[str, Document] = MappingProxyType({entry.name: entry for entry in _ALL})
"""Every document by its name."""
