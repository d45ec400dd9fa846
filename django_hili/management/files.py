"""What the shell's commands share: which files are meant, where results go, a bar.

Owns paths and the terminal. Knows no job and no pixel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from django_hili.codes import Code, sentence

RESULT_SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".mpo", ".heic", ".avif"}
)
"""What is looked for in a folder. Those that cannot be read are told, not passed over."""
_BAR = 24


@dataclass(frozen=True, slots=True)
class Task:
    """One photo and the file its result goes to."""

    photo: Path
    out: Path
    clashes: bool = False
    """Another photo of this run has the same result file."""
    mask_out: Path | None = None
    """Where the mask goes of what scratch has filled; None where it is not wanted."""

    def problem(self, *, may_overwrite: bool) -> str | None:
        """Say why this cannot be done, from the file system alone."""
        if not self.photo.is_file() or not os.access(self.photo, os.R_OK):
            return _told(Code.PHOTO_MISSING)
        files = [self.out] if self.mask_out is None else [self.out, self.mask_out]
        if self.clashes:
            return _told(Code.RESULT_CLASHES)
        if any(file.exists() for file in files) and not may_overwrite:
            return _told(Code.RESULT_EXISTS)
        return None


def one_result(photo: Path, out: Path) -> Task:
    """Return the task of one photo with a file for its result. Raises `CommandError`."""
    if not photo.is_file():
        raise CommandError(f"There is no file {photo}.")
    if out.suffix.lower() not in RESULT_SUFFIXES:
        raise CommandError(f"--out must end in {', '.join(RESULT_SUFFIXES)}.")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {out.parent}. Make it first.")
    if out.exists() and out.samefile(photo):
        raise CommandError("--out is the photo itself. Give the result another name.")
    return Task(photo, out)


def with_masks(tasks: list[Task]) -> list[Task]:
    """Have each task write the mask beside its result: photo.jpg and photo.jpg.mask.png."""
    outs = {task.out for task in tasks}
    masked = []
    for task in tasks:
        mask_out = task.out.with_name(f"{task.out.name}.mask.png")
        clashes = task.clashes or mask_out in outs
        masked.append(replace(task, mask_out=mask_out, clashes=clashes))
    return masked


def check_sheet(sheet: Path | None, *suffixes: str, may_overwrite: bool) -> None:
    """Look at where a sheet shall go before anything is done. Raises `CommandError`."""
    if sheet is None:
        return
    if sheet.suffix.lower() not in suffixes:
        raise CommandError(f"The sheet must end in {', '.join(suffixes)}.")
    if not sheet.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {sheet.parent}. Make it first.")
    if sheet.exists() and not may_overwrite:
        raise CommandError(_told(Code.RESULT_EXISTS))


def name_results(photos: list[Path], folder: Path, *, with_alpha: bool) -> list[Task]:
    """Return a task for each photo, subfolders kept, with its result in `folder`.

    A PNG becomes a PNG, and so does everything `with_alpha`, which a JPEG would lose.
    """
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}. Make it first.")
    tasks: list[Task] = []
    taken: set[Path] = set()
    for photo, place in _found(photos, folder):
        suffix = ".png" if with_alpha or photo.suffix.lower() == ".png" else ".jpg"
        out = folder / place.with_suffix(suffix)
        tasks.append(Task(photo, out, clashes=out in taken))
        taken.add(out)
    if not tasks:
        raise CommandError("There are no photos in there.")
    return tasks


def _found(photos: list[Path], folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each photo with its place below the folder it was found in."""
    results = folder.resolve()
    for path in photos:
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        for found in sorted(path.rglob("*")):
            place = found.relative_to(path)
            is_hidden = any(part.startswith(".") for part in place.parts)
            if is_hidden or found.suffix.lower() not in PHOTO_SUFFIXES or not found.is_file():
                continue
            if results not in found.resolve().parents:
                yield found, place


def _told(code: Code) -> str:
    return f"{sentence(code)} [{code.value}]"


def write(out: Path, content: bytes) -> None:
    """Write beside the goal and move into place, so that no half-written file is ever seen."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(content)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


class ProgressBar:
    """One line on a terminal; nothing where standard error is not one."""

    def __init__(self, stream: Any, *, is_drawn: bool) -> None:
        self._stream = stream
        self._is_drawn = is_drawn
        self._last = 0.0

    def show(self, stage: str, fraction: float) -> None:
        """Draw the bar, ten times a second at most."""
        now = time.monotonic()
        if not self._is_drawn or (now - self._last < 0.1 and fraction < 1):  # noqa: PLR2004
            return
        self._last = now
        filled = round(_BAR * fraction)
        bar = "█" * filled + "░" * (_BAR - filled)
        self._draw(f"\r{stage:10} {bar} {fraction:4.0%}")

    def clear(self) -> None:
        """Leave an empty line for what follows."""
        if self._is_drawn:
            self._draw("\r" + " " * (_BAR + 20) + "\r")

    def _draw(self, words: str) -> None:
        """Write in plain letters: what a command writes to standard error is bold and red."""
        self._stream.write(words, str, "")
        self._stream.flush()


class UnderWay:
    """How much is done of the photos that are being worked on, as their stages tell it."""

    def __init__(self, stages: int) -> None:
        self._stages = max(stages, 1)
        self._told: dict[object, dict[str, float]] = {}

    def tell(self, photo: object, stage: str, fraction: float) -> None:
        """Take note of how far one stage of a photo has come; the stages before it are done."""
        told = self._told.setdefault(photo, {})
        if stage not in told:
            told |= dict.fromkeys(told, 1.0)
        told[stage] = max(fraction, told.get(stage, 0.0))

    def end(self, photo: object) -> None:
        """Forget a photo that is done or has failed."""
        self._told.pop(photo, None)

    def photos(self) -> float:
        """Return the sum of all of them, in photos."""
        shares = (sum(stages.values()) / self._stages for stages in self._told.values())
        return sum(min(share, 1.0) for share in shares)
