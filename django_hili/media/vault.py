"""Lays photos down and takes them up again. The row is committed before the first byte.

Owns names, writing and reading. Whether something may be read or must go is decided above.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Iterator

from django.core.files.base import ContentFile

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import StorageError
from django_hili.imaging.clean import CleanPhoto
from django_hili.media.storages import photo_storage
from django_hili.models import Media, MediaKind, MediaState
from django_hili.providers.base import EnhancedPhoto

CHUNK = 256 * 1024
ROOT = "hili"
"""Our own folder in a storage that may hold other things."""


def reserve(
    photo: CleanPhoto | EnhancedPhoto, *, kind: MediaKind, now: dt.datetime,
    expires_at: dt.datetime, job_id: uuid.UUID | None = None, parent_id: uuid.UUID | None = None,
) -> Media:  # fmt: skip
    """Insert the row for a photo that is about to be written. Not readable yet."""
    return Media.objects.create(
        job_id=job_id,
        parent_id=parent_id,
        kind=kind,
        state=MediaState.WRITING,
        storage=get_settings().storage,
        name=_random_name(),
        content_type=photo.content_type,
        size=len(photo.content),
        width=photo.width,
        height=photo.height,
        created_at=now,
        expires_at=expires_at,
    )


def write(media: Media, content: bytes) -> None:
    """Write the bytes of a reserved row. Raises `StorageError`; the row's deadline cleans up."""
    try:
        name = photo_storage(media.storage).save(media.name, ContentFile(content))
    except Exception:  # noqa: BLE001 - every backend raises errors of its own
        raise StorageError(Code.STORAGE_FAILED) from None
    if name != media.name:
        # A storage that renames would leave a file no row knows.
        photo_storage(media.storage).delete(name)
        raise StorageError(Code.STORAGE_FAILED)


def publish(media: Media, *, job_id: uuid.UUID) -> bool:
    """Make a written row readable, unless it has been condemned meanwhile. Say whether it is."""
    rows = Media.objects.filter(pk=media.pk, state=MediaState.WRITING)
    return bool(rows.update(state=MediaState.LIVE, job_id=job_id))


def discard(media: Media) -> None:
    """Delete bytes whose row was condemned while they were being written."""
    photo_storage(media.storage).delete(media.name)


def read(media: Media) -> bytes:
    """Return all bytes of a photo. Raises `StorageError` if it is not there or not live."""
    return b"".join(stream(media))


def stream(media: Media) -> Iterator[bytes]:
    """Yield a photo in pieces of at most 256 KiB."""
    if media.state != MediaState.LIVE:
        raise StorageError(Code.SOURCE_GONE)
    try:
        opened = photo_storage(media.storage).open(media.name, "rb")
    except OSError:
        raise StorageError(Code.SOURCE_GONE) from None
    with opened:
        while piece := opened.read(CHUNK):
            yield piece


def _random_name() -> str:
    """128 random bits, fanned out over 256 folders. No suffix: a name says nothing."""
    name = secrets.token_hex(16)
    return f"{ROOT}/{name[:2]}/{name}"
