"""What a shell's command was told about scratch masks: one drawn by hand, or that they are wanted.

Owns reading the drawn one and holding it against its photo. Knows no pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from django_hili.codes import Code, sentence
from django_hili.conf import get_settings
from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.clean import CleanPhoto
from django_hili.jobs.worker.masks import Masks
from django_hili.management.files import Task
from django_hili.media import intake
from django_hili.providers.registry import capabilities_of
from django_hili.vocabulary import Enhancement


@dataclass(frozen=True, slots=True)
class Masking:
    """What is to happen about masks."""

    masks: Masks
    is_asked_for: bool
    drawn: bytes | None = None
    """What scratch shall fill, drawn by hand; None where it shall find out."""


def read_masking(options: dict[str, Any], tasks: list[Task], planned: Enhancement) -> Masking:
    """Read the options `mask` and `save_mask`. Raises `InvalidOptionsError` or `CommandError`."""
    path: Path | None = options["mask"]
    if path is None and not options["save_mask"]:
        return Masking(Masks(), is_asked_for=False)
    planned.check_mask(capabilities_of(options["provider"] or get_settings().default_provider))
    drawn = None if path is None else _read(path, tasks)
    return Masking(Masks(), is_asked_for=True, drawn=drawn)


def _read(path: Path, tasks: list[Task]) -> bytes:
    if len(tasks) != 1:
        raise CommandError(f"--mask is drawn for one photo, and these are {len(tasks)}.")
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    try:
        mask = intake.take_in(path)
    except InvalidPhotoError as error:
        raise CommandError(f"{path}: {error}") from None
    try:
        photo = intake.take_in(tasks[0].photo)
    except (InvalidPhotoError, OSError):
        return mask.content  # what is wrong with the photo is told by the photo's own trip
    if _size(mask) != _size(photo):
        problem = f"{sentence(Code.MASK_SIZE_WRONG)} [{Code.MASK_SIZE_WRONG}]"
        raise CommandError(f"{path} is {_size(mask)}, the photo {_size(photo)}. {problem}")
    return mask.content


def _size(photo: CleanPhoto) -> str:
    return f"{photo.width}×{photo.height}"
