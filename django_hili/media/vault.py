"""Lays photos down, sealed, and takes them up again. The row is committed before the first byte.

Owns names, writing and reading. Whether something may be read or must go is decided above; but
nothing opens here that is not live, is past its deadline, or whose key is gone. Each opening asks
the row as it is then: the one in hand may have been condemned since it was read.
Clauses C25: HILI-5a, AIART-F2, PIXEL-4.2, MIAO-2.1d, MIAO-7.3b. C17: HILI-4.2. C22: MIAO-5.3.

A row is reserved before anything about the photo is known; its bytes are written in pieces, by
whichever of three ways suits the caller; what the photo turned out to be is said on `publish`:

    media = reserve(kind=…, now=…, expires_at=…)
    write(media, content)                                       bytes in hand
    write_pieces(media, pieces)                                 an iterable of pieces
    async with arriving(media) as pipe: await pipe.push(piece)  pieces that come when they come
    publish(media, job_id=…, photo=…)
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Protocol

from django.db import connections, router
from django.utils import timezone

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import StorageError
from django_hili.media import keys, sealing, sink
from django_hili.media.files import Laid, pieces_of
from django_hili.media.pipe import AsyncPipe, Pipe
from django_hili.media.storages import photo_storage
from django_hili.models import Media, MediaKind, MediaState

CHUNK = 256 * 1024
ROOT = "hili"
"""Our own folder in a storage that may hold other things."""


class Described(Protocol):
    """What is known of a photo besides its bytes."""

    @property
    def content_type(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


def reserve(
    photo: Described | None = None, *, kind: MediaKind, now: dt.datetime, expires_at: dt.datetime,
    job_id: uuid.UUID | None = None, parent_id: uuid.UUID | None = None,
) -> Media:  # fmt: skip
    """Insert the row for a photo that is about to be written. Not readable yet."""
    media = plan(
        photo, kind=kind, now=now, expires_at=expires_at, job_id=job_id, parent_id=parent_id
    )
    media.save(force_insert=True)
    return media


def plan(
    photo: Described | None = None, *, kind: MediaKind, now: dt.datetime, expires_at: dt.datetime,
    job_id: uuid.UUID | None = None, parent_id: uuid.UUID | None = None,
) -> Media:  # fmt: skip
    """Make the row of `reserve` without inserting it, for a caller that inserts many at once."""
    media = Media(
        job_id=job_id,
        parent_id=parent_id,
        kind=kind,
        state=MediaState.WRITING,
        storage=get_settings().storage,
        created_at=now,
        expires_at=expires_at,
    )
    media.name = name_of(media.pk)
    if get_settings().vault.encrypt:
        media.format_number = sealing.SEALED
        media.key_bucket, media.wrapped_key = keys.wrap(
            sealing.new_key(), object_id=media.pk, deadline=expires_at, now=now
        )
    _describe(media, photo)
    return media


def write(media: Media, content: bytes) -> None:
    """Write the bytes of a reserved row. Raises `StorageError`; the row's deadline cleans up."""
    write_pieces(media, [content])


def write_pieces(media: Media, pieces: Iterable[bytes]) -> int:
    """Write a reserved row's bytes piece by piece and return how many there were.

    Reads only as far ahead as the storage does. Raises `StorageError`; what `pieces` raises comes
    out as it is.
    """
    source = _Watched(pieces)
    storage = photo_storage(media.storage)
    try:
        name = storage.save(media.name, Laid(_as_laid(media, source)))
    except Exception:  # noqa: BLE001 - every backend raises errors of its own
        with suppress(Exception):
            storage.delete(media.name)
        raise source.error or StorageError(Code.STORAGE_FAILED) from None
    if name != media.name:
        # A storage that renames would leave a file no row knows.
        storage.delete(name)
        raise StorageError(Code.STORAGE_FAILED)
    media.size = source.size
    return source.size


def arriving(media: Media) -> AsyncPipe:
    """Return a pipe into the storage for an event loop; see `AsyncPipe`."""
    return AsyncPipe(partial(write_pieces, media))


def writing(media: Media) -> Pipe:
    """Return a pipe into the storage for a thread; see `Pipe`."""
    return Pipe(partial(write_pieces, media))


def publish(
    media: Media, *, job_id: uuid.UUID, photo: Described | None = None,
    expires_at: dt.datetime | None = None,
) -> bool:  # fmt: skip
    """Make a written row readable, unless it has been condemned meanwhile. Say whether it is.

    Its size is the one written; `photo` says what it is, where that was not known before; from
    now on it is kept until `expires_at`, where its deadline was a provisional one.
    """
    _describe(media, photo)
    if expires_at is not None:
        media.expires_at = expires_at
        rewrap(media, timezone.now())
    rows = Media.objects.filter(pk=media.pk, state=MediaState.WRITING)
    fields = _WRITTEN if expires_at is None else (*_WRITTEN, *_KEPT)
    values = {name: getattr(media, name) for name in fields}
    return bool(rows.update(state=MediaState.LIVE, job_id=job_id, **values))


def rewrap(media: Media, now: dt.datetime) -> None:
    """Wrap a photo's key anew for the time it still has, in the row in hand alone.

    Raises `StorageError` if it no longer opens.
    """
    if media.format_number != sealing.PLAIN:
        media.key_bucket, media.wrapped_key = keys.wrap(
            _key_of(media, now), object_id=media.pk, deadline=media.expires_at, now=now
        )


def discard(media: Media) -> None:
    """Delete bytes whose row was condemned while they were being written."""
    photo_storage(media.storage).delete(media.name)


def read(media: Media) -> bytes:
    """Return all bytes of a photo. Raises `StorageError` if it is not there or not live."""
    return b"".join(stream(media))


def stream(media: Media, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield a photo's bytes from `start` up to `end` in pieces of at most 256 KiB."""
    sink.refuse_if_behind()
    yield from _open(_as_it_is(media, MediaState.LIVE), start, end)


def stream_claimed(media: Media) -> Iterator[bytes]:
    """Yield the bytes of a row that was read when its job was claimed, to the worker that sends it.

    Asks the row nothing more. A photo that was condemned since never leaves whole: whatever
    condemns a source moves its job, and the barrier asks the job.
    """
    sink.refuse_if_behind()
    yield from _open(media, 0, None)


def stream_unpublished(media: Media) -> Iterator[bytes]:
    """Yield the bytes of a row that is still being written, to the worker that writes it."""
    sink.refuse_if_behind()
    yield from _open(_as_it_is(media, MediaState.WRITING), 0, None)


def _as_it_is(media: Media, state: MediaState) -> Media:
    """Return a row as it is now, if it is in that state; before it is published, with its size."""
    connection = connections[router.db_for_read(Media)]
    was_open = connection.connection is not None
    try:
        row = Media.objects.filter(pk=media.pk, state=state).first()
    finally:
        if not was_open:  # opened for this: storage threads come and go
            connection.close()
    if row is None:
        raise StorageError(Code.SOURCE_GONE)
    row.size = row.size or media.size
    return row


def _open(media: Media, start: int, end: int | None) -> Iterator[bytes]:
    now = timezone.now()
    if media.state == MediaState.CONDEMNED or now >= media.expires_at:
        raise StorageError(Code.SOURCE_GONE)
    end = media.size if end is None else min(end, media.size)
    key = b"" if media.format_number == sealing.PLAIN else _key_of(media, now)
    try:
        opened = photo_storage(media.storage).open(media.name, "rb")
    except OSError:
        raise StorageError(Code.SOURCE_GONE) from None
    with opened:
        if not key:
            yield from pieces_of(opened, start, end, most=CHUNK)
            return
        try:
            yield from sealing.unseal(
                opened, key=key, object_id=media.pk, size=media.size, start=start, end=end
            )
        except sealing.DamagedError:
            raise StorageError(Code.STORED_PHOTO_ALTERED) from None


class _Watched:
    """Counts the bytes that pass, and remembers what their source raised."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.size = 0
        self.error: Exception | None = None
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces:
                if piece:  # an empty one would look like the end
                    self.size += len(piece)
                    yield piece
        except Exception as error:
            self.error = error
            raise


_WRITTEN = ("size", "content_type", "width", "height")
_KEPT = ("expires_at", "key_bucket", "wrapped_key")


def _describe(media: Media, photo: Described | None) -> None:
    if photo is not None:
        media.content_type = photo.content_type
        media.width, media.height = photo.width, photo.height


def _as_laid(media: Media, pieces: Iterable[bytes]) -> Iterable[bytes]:
    if media.format_number == sealing.PLAIN:
        return pieces
    key = _key_of(media, timezone.now())
    return sealing.seal(pieces, key=key, object_id=media.pk)


def _key_of(media: Media, now: dt.datetime) -> bytes:
    if media.wrapped_key is None or media.key_bucket is None:
        raise StorageError(Code.SOURCE_GONE)
    try:
        return keys.unwrap(
            bytes(media.wrapped_key), object_id=media.pk, not_after=media.key_bucket, now=now
        )
    except keys.KeyGoneError:
        raise StorageError(Code.SOURCE_GONE) from None


def name_of(object_id: uuid.UUID) -> str:
    """Return the name an object lies under: its random id, fanned out over 256 folders."""
    return f"{ROOT}/{object_id.hex[:2]}/{object_id.hex}"


def id_of(name: str) -> uuid.UUID | None:
    """Return the id of the object that would lie under a name; None for a name not of ours."""
    with suppress(ValueError):
        object_id = uuid.UUID(hex=name.rpartition("/")[2])
        if name == name_of(object_id):
            return object_id
    return None
