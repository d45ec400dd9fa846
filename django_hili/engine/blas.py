"""Owns how many threads numpy's matrix library uses; knows ctypes, no pictures.

The engine runs two tiles at once, each with small matrices. OpenBLAS's own threads would only get
in each other's way, and its thread count can be set in two ways: an environment variable read
before numpy loads, which is not ours to set, or a call. This module makes the call and takes it
back.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


class _Switch(NamedTuple):
    read: ctypes._NamedFuncPointer
    write: ctypes._NamedFuncPointer


@cache
def _switch() -> _Switch | None:
    """Find the thread switch of the OpenBLAS inside numpy's wheel, or None for other libraries."""
    home = Path(np.__file__).parent
    for folder in (home.with_name("numpy.libs"), home / ".libs", home / ".dylibs"):
        for file in sorted(folder.glob("*openblas*")):
            library = ctypes.CDLL(str(file))
            for name in _NAMES:
                if hasattr(library, name.format("set")):
                    return _Switch(
                        getattr(library, name.format("get")), getattr(library, name.format("set"))
                    )
    return None


@dataclass
class _Users:
    """Who keeps the switch down; one library per process, so one count per process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0
    before: int = 0


_users = _Users()


@contextmanager
def single_threaded() -> Iterator[bool]:
    """Keep numpy's matrix products on the calling thread; yield False where that cannot be done.

    Nested and concurrent users share one switch: the last to leave restores the count the first one
    found.
    """
    switch = _switch()
    if switch is None:
        yield False
        return
    with _users.lock:
        if _users.count == 0:
            _users.before = int(switch.read())
            switch.write(1)
        _users.count += 1
    try:
        yield True
    finally:
        with _users.lock:
            _users.count -= 1
            if _users.count == 0:
                switch.write(_users.before)
