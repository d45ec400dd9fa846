"""Owns what each image type means to the operations; knows figures only, no pixels and no numpy.

Each figure was chosen by measuring on pictures of that kind, and stands in docs/engine/types.md
beside what the other types' figures would have reached there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Manner:
    """How the operations treat pictures of one type."""

    is_drawn: bool = False
    """Lettering and drawings: enlarged by the net that learned them, and repaired as soon as they
    were a JPEG, since on their flat ground nothing hides its ripples.
    """
    repair_at_most: float = 0.9
    """Share of the repair net's correction. A tenth of the grain stays: without any, skin looks
    painted. Grass and gravel are themselves like grain.
    """
    haze: tuple[float, float] = (0.14, 0.24)
    """From no haze to full correction, as light in the dark channel. Thin haze measured 0.2; clear
    landscapes up to 0.06, but a light backdrop, a page and a pale drawing up to 0.14.
    """
    surest_line: float = 12.5
    """Log-odds that a line must reach to be a scratch."""


MANNERS: Final[Mapping[str, Manner]] = MappingProxyType(
    {
        "people": Manner(),
        "portrait": Manner(surest_line=11.0),
        "landscape": Manner(repair_at_most=0.8, haze=(0.075, 0.22), surest_line=11.0),
        "cartoon": Manner(is_drawn=True, repair_at_most=1.0, surest_line=11.0),
        "text": Manner(is_drawn=True, repair_at_most=0.8, surest_line=11.0),
    }
)
