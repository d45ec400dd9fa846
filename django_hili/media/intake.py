"""Takes a photo in: whatever was handed over becomes checked bytes without metadata.

Owns reading under a cap and the refusal of what is not a photo. Stores nothing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from django.core.files.base import ContentFile

from django_hili.codes import Code
from django_hili.conf import MIB, get_settings
from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.clean import CleanPhoto, clean
from django_hili.imaging.marking import marked

PhotoInput = bytes | os.PathLike[str] | IO[bytes] | Any
"""Bytes, a path object, or anything with `read()`: an open file, an upload, a model's file."""


def take_in(photo: PhotoInput) -> CleanPhoto:
    """Read, check and clean a photo. Raises `InvalidPhotoError`; nothing has been stored then.

    The mark that a model made it stays in the bytes, in a packet of ours: one of three words.
    """
    limits = get_settings().limits
    cleaned = clean(_read(photo, limits.max_bytes), max_megapixels=limits.max_megapixels)
    return replace(cleaned, content=marked(cleaned)) if cleaned.mark else cleaned


def clean_file(photo: PhotoInput, *, name: str = "photo") -> ContentFile[bytes]:
    """Return a photo without metadata, for a site that stores uploads in a field of its own.

    The file is called `name` with the right suffix, whatever the upload was called.
    """
    cleaned = take_in(photo)
    return ContentFile(cleaned.content, f"{name}.{cleaned.content_type.removeprefix('image/')}")


def _read(photo: PhotoInput, limit: int) -> bytes:
    if photo is None or photo == "":
        raise InvalidPhotoError(Code.PHOTO_MISSING)
    if isinstance(photo, bytes):
        content = photo
    elif isinstance(photo, os.PathLike):
        with Path(photo).open("rb") as opened:
            content = opened.read(limit + 1)
    else:
        content = _read_file(photo, limit)
    if len(content) > limit:
        raise InvalidPhotoError(Code.PHOTO_TOO_LARGE, limit=limit // MIB)
    return content


def _read_file(photo: Any, limit: int) -> bytes:
    """Read an open file, or a model's file that may be closed, and leave it as it was found."""
    if not photo and hasattr(photo, "field"):  # an empty FileField
        raise InvalidPhotoError(Code.PHOTO_MISSING)
    was_closed = getattr(photo, "closed", False)
    if was_closed and hasattr(photo, "open"):
        photo.open("rb")
    elif hasattr(photo, "seek"):
        photo.seek(0)
    try:
        content: bytes = photo.read(limit + 1)
    finally:
        if was_closed:
            photo.close()
    return content
