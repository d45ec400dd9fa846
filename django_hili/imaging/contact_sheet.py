"""A sheet of photos before and after, for people to look through.

Owns its layout. Takes and gives pixels and bytes; knows no files and no jobs. Small copies
are all it keeps, so a sheet of hundreds of photos stays small in memory.
"""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw, ImageFont

from django_hili.imaging.captions import font_for
from django_hili.imaging.encode import SourceType, encode_jpeg, mark_of, strongest

_CELL = 256
_GAP = 12
_CAPTION = 22
_PAIR_WIDTH = 2 * _CELL + 3 * _GAP
_PAIR_HEIGHT = _CELL + _CAPTION + 2 * _GAP
_MOST_ROWS = 200
"""A JPEG has 65 535 rows of pixels at the most."""
_CAPTION_LETTERS = 56
_CAPTION_SIZE = 14
_QUALITY = 90


class ContactSheet:
    """Collects pairs and lays them out."""

    def __init__(self) -> None:
        self._pairs: list[tuple[bytes, bytes, str]] = []
        self._marks: set[SourceType] = set()
        self.numbered: list[tuple[int, str]] = []
        """Number and caption of each pair whose caption no typeface here can write."""

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, before: bytes, after: bytes, *, caption: str) -> None:
        """Add a photo. Both are decoded here, so what came from outside has to be rebuilt first."""
        self._pairs.append((_small(before), _small(after), caption))
        if mark := mark_of(after):
            self._marks.add(mark)
        if font_for(_shortened(caption), _CAPTION_SIZE) is None:
            self.numbered.append((len(self._pairs), caption))

    def encode(self) -> bytes:
        """Return the sheet as JPEG, with the strongest of the marks that the photos carry."""
        mark = strongest(*self._marks)
        return encode_jpeg(self.draw(), mark=mark, quality=_QUALITY)

    def draw(self) -> Image.Image:
        """Return the sheet, every pair beside each other with its caption below."""
        count = max(len(self._pairs), 1)
        columns = max(2 if count > 1 else 1, math.ceil(count / _MOST_ROWS))
        rows = math.ceil(count / columns)
        sheet = Image.new("RGB", (columns * _PAIR_WIDTH, rows * _PAIR_HEIGHT), "white")
        pen = ImageDraw.Draw(sheet)
        for index, (before, after, caption) in enumerate(self._pairs):
            left = index % columns * _PAIR_WIDTH + _GAP
            top = index // columns * _PAIR_HEIGHT + _GAP
            _paste(sheet, before, left, top)
            _paste(sheet, after, left + _CELL + _GAP, top)
            shown = _shortened(caption)
            font = font_for(shown, _CAPTION_SIZE)
            if font is None:  # a number that the list explains, never a row of empty boxes
                shown, font = f"#{index + 1}", ImageFont.load_default(_CAPTION_SIZE)
            pen.text((left, top + _CELL + 3), shown, fill="#333333", font=font)
        return sheet


def _shortened(caption: str) -> str:
    return caption if len(caption) <= _CAPTION_LETTERS else "…" + caption[-_CAPTION_LETTERS:]


def _small(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as opened:
        opened.draft("RGB", (2 * _CELL, 2 * _CELL))
        image = opened.convert("RGBA")
    # Small photos are shown as large as the others, pixel by pixel, so that sizes compare.
    factor = _CELL / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.NEAREST)
    paper = Image.new("RGB", image.size, "#dddddd")
    paper.paste(image, mask=image.getchannel("A"))
    buffer = io.BytesIO()
    paper.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _paste(sheet: Image.Image, small: bytes, left: int, top: int) -> None:
    with Image.open(io.BytesIO(small)) as opened:
        sheet.paste(
            opened, (left + (_CELL - opened.width) // 2, top + (_CELL - opened.height) // 2)
        )
