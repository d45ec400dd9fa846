"""Owns the list of what the engine can do; knows names and reasons, and loads without numpy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

AVAILABLE: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "sr": None,
        "repair": None,
        "scratch": None,
        "defogging": None,
        "bg": None,
        "colour": "needs_model",
    }
)
"""Operation -> None when the engine does it, else the code of the reason why not.

`colour` needs a learned colour model: colouring from another photo measured worse than leaving the
photo grey.
"""

SCALES: Final = (2, 4, 8)
IMAGE_TYPES: Final = ("people", "cartoon", "landscape", "portrait", "text")
