"""Own the sandbox's folder: which file belongs to a picture; must not know rows.

All files of one picture start with its id, so that forgetting it is a handful of unlinks.
"""

from __future__ import annotations

import contextlib
import getpass
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from django.conf import settings

SOURCE: Final = "source"
RESULT: Final = "result"
PREVIEW: Final = "preview"
ICON: Final = "icon"
_KINDS: Final = (SOURCE, RESULT, PREVIEW, ICON)


def folder() -> Path:
    """Return the private folder of this sandbox, made on first use."""
    return _made(getattr(settings, "HILI_SANDBOX", {}).get("FOLDER", ""))


@cache
def _made(wanted: str) -> Path:
    default = Path(tempfile.gettempdir()) / f"hili-sandbox-{getpass.getuser()}"
    path = Path(wanted) if wanted else default
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def path_of(mdf: str, kind: str) -> Path:
    """Return where a picture's file is, or would be."""
    return folder() / f"{mdf}.{kind}"


def write(mdf: str, kind: str, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none."""
    path = path_of(mdf, kind)
    half_written = path.with_suffix(f".{kind}.part")
    half_written.write_bytes(content)
    half_written.replace(path)


def remove(mdf: str) -> None:
    """Delete every file of a picture."""
    for kind in _KINDS:
        with contextlib.suppress(FileNotFoundError):
            path_of(mdf, kind).unlink()
