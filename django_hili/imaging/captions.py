"""Finds a typeface that can write a caption.

Owns the search among the typefaces installed here. Knows no sheet and no photo.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_INSTALLED = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf", "FreeSans.ttf",
    "NotoSansArabic-Regular.ttf", "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf", "AppleSDGothicNeo.ttc",
    "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "arial.ttf", "unifont.otf", "unifont.ttf",
)  # fmt: skip
"""File names of widespread typefaces; Pillow looks for them where the system keeps its own."""
_NO_LETTER = "\U0010ffff"
"""No typeface has it, so it is drawn as whatever stands for a missing letter."""


def font_for(caption: str, size: int) -> Font | None:
    """Return the first typeface that has every letter of `caption`, or None."""
    own = ImageFont.load_default(size)
    if _has(own, caption):
        return own
    return next((font for font in _installed(size) if _has(font, caption)), None)


@lru_cache(maxsize=4)
def _installed(size: int) -> tuple[Font, ...]:
    found = []
    for name in _INSTALLED:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return tuple(found)


def _has(font: Font, caption: str) -> bool:
    missing = _drawn(font, _NO_LETTER)
    return all(letter == " " or _drawn(font, letter) != missing for letter in set(caption))


def _drawn(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
