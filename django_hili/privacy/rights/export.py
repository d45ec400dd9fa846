"""A person's copy: one archive with their photos, their data and a list of what is in it.

Owns the archive's form. It is written while it is sent and stored nowhere; photos are opened one
after the other, a piece at a time. It holds what the data map hands out, of one person.
Clauses C29: HILI-6, AIART-5.1, AIART-3.1c, PIXEL-6.1, MIAO-8.1, MIAO-8.5.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.exceptions import StorageError
from django_hili.media import vault
from django_hili.models import Media
from django_hili.privacy.evidence.noting import note
from django_hili.privacy.rights.holdings import held_about, photos_about

FORMAT: Final = 1
"""Of the archive; said in its manifest."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Entries carry no time of their own: when a photo was made stands in data.json."""


def export(*, subject_ref: uuid.UUID, now: dt.datetime | None = None) -> Iterator[bytes]:
    """Return the archive's bytes, piece by piece. The receipt is left before the first.

    A photo that cannot be read does not stand in the way of the rest: the manifest names it, with
    its code. Raises `StorageError` while the database is older than its receipts.
    """
    now = now or timezone.now()
    note("data_exported", subject_ref)
    return _pieces(subject_ref, now)


def _pieces(subject_ref: uuid.UUID, now: dt.datetime) -> Iterator[bytes]:
    sink = _Sink()
    entries: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        data = {"format": FORMAT, "made_at": now, "held": held_about(subject_ref)}
        yield from _write(archive, sink, entries, "data.json", [_json(data)])
        for media in photos_about(subject_ref).iterator():
            try:
                yield from _photo(archive, sink, entries, media)
            except StorageError as error:
                missing.append(_missed(media, error))
        manifest = {
            "format": FORMAT, "made_at": now, "contact": get_settings().privacy.contact,
            "entries": entries, "missing": missing,
        }  # fmt: skip
        yield from _write(archive, sink, [], "manifest.json", [_json(manifest)])
    yield sink.take()


def _photo(
    archive: zipfile.ZipFile, sink: _Sink, entries: list[dict[str, Any]], media: Media
) -> Iterator[bytes]:
    pieces = vault.stream(media)
    first = next(pieces, b"")  # before the entry begins: what is gone has none
    yield from _write(archive, sink, entries, _name_of(media), _after(first, pieces))


def _missed(media: Media, error: StorageError) -> dict[str, Any]:
    """What the manifest says of a photo that could not be read, or not to its end."""
    return {
        "name": _name_of(media), "size": media.size, "code": error.code,
        "detail": error.sentence,
    }  # fmt: skip


def _name_of(media: Media) -> str:
    suffix = media.content_type.removeprefix("image/").replace("jpeg", "jpg")
    return f"photos/{media.kind}-{media.pk}.{suffix}"


def _write(
    archive: zipfile.ZipFile, sink: _Sink, entries: list[dict[str, Any]], name: str,
    pieces: Iterable[bytes],
) -> Iterator[bytes]:  # fmt: skip
    """Write one entry and note its size and hash; yield what the archive has grown by."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o600 << 16
    sha256, size = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=True) as entry:
        for piece in pieces:
            sha256.update(piece)
            size += len(piece)
            entry.write(piece)
            yield sink.take()
    yield sink.take()
    entries.append({"name": name, "size": size, "sha256": sha256.hexdigest()})


def _after(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _json(value: object) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1).encode()


class _Sink(io.RawIOBase):
    """What an archive is written to: holds the bytes until they are taken."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._at = 0

    def writable(self) -> bool:
        """Say yes; and to seeking, by default, no."""
        return True

    def write(self, data: Any) -> int:
        """Hold the bytes."""
        self._held += data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how many bytes there have been."""
        return self._at

    def take(self) -> bytes:
        """Return what came since the last time."""
        taken, self._held = bytes(self._held), bytearray()
        return taken
