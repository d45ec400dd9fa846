"""Owns giving freed memory back to the system; knows ctypes, no pictures.

What worker threads have freed, the C library keeps for its next use: some tens of megabytes that
would count against the process's limit while the result is encoded.
"""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Ask the C library to return what it holds; does nothing where it has no such call."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
