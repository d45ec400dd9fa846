"""The one path by which stored bytes go: condemned in the caller's transaction, then erased.

Condemning makes a photo unreadable from the commit on. Erasing deletes the file, looks again
by listing (not by the answer of the delete) and only then lets the row go, so a crash at any
point leaves a row from which the next run goes on. Clauses C22: HILI-4.2, MIAO-5.3.
"""

from __future__ import annotations

import datetime as dt
import logging
import posixpath
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.core.files.storage import Storage

from django_hili.media.storages import photo_storage
from django_hili.models import EraseCause, Media, MediaState
from django_hili.models.media import MediaQuerySet
from django_hili.signals import photo_erased

logger = logging.getLogger(__name__)

BATCH = 1000


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What one run of `erase_condemned` did."""

    erased: int
    remaining: int
    """Files that were still there after they had been deleted; tried again by the next run."""


def condemn(media: MediaQuerySet, cause: EraseCause, now: dt.datetime) -> int:
    """Make photos unreadable from this commit on. Returns how many."""
    rows = media.filter(state__in=[MediaState.WRITING, MediaState.LIVE])
    return rows.update(state=MediaState.CONDEMNED, condemned_at=now, cause=cause)


def erase_condemned(media: MediaQuerySet | None = None) -> ErasureReport:
    """Erase every condemned photo, or those of `media`. Safe to run twice and side by side."""
    rows = (media if media is not None else Media.objects.all()).to_erase()
    erased = remaining = 0
    after = ""
    while True:
        # By name, so that one listing of a folder answers for many files of a batch.
        page = rows.filter(name__gt=after).order_by("name")[:BATCH]
        batch = [_Doomed(*row) for row in page.values_list(*_Doomed._fields)]
        if not batch:
            return ErasureReport(erased, remaining)
        after = batch[-1].name
        gone = _erase_batch(batch)
        erased += gone
        remaining += len(batch) - gone


class _Doomed(NamedTuple):
    """What erasing needs to know of a row."""

    id: uuid.UUID
    job_id: uuid.UUID | None
    kind: str
    storage: str
    name: str
    cause: str


def _erase_batch(batch: Sequence[_Doomed]) -> int:
    by_storage: dict[str, list[_Doomed]] = defaultdict(list)
    for row in batch:
        by_storage[row.storage].append(row)
    gone = [row for alias, rows in by_storage.items() for row in _erase_files(alias, rows)]
    rows = Media.objects.filter(pk__in=[row.id for row in gone], state=MediaState.CONDEMNED)
    # No row points at these with a constraint, so nothing has to be collected or cascaded.
    rows._raw_delete(rows.db)  # noqa: SLF001
    if photo_erased.has_listeners(Media):
        for row in gone:
            photo_erased.send_robust(
                sender=Media, job_id=row.job_id, kind=row.kind, cause=row.cause
            )
    return len(gone)


def _erase_files(alias: str, rows: Iterable[_Doomed]) -> list[_Doomed]:
    storage = photo_storage(alias)
    tried = []
    for row in rows:
        try:
            storage.delete(row.name)
        except Exception:  # noqa: BLE001 - any backend, any error: the row stays and says so
            logger.warning("A condemned photo could not be deleted; it will be tried again.")
            continue
        tried.append(row)
    present = _listed(storage, {posixpath.dirname(row.name) for row in tried})
    return [row for row in tried if row.name not in present]


def _listed(storage: Storage, folders: Iterable[str]) -> set[str]:
    """Return the names of all files the storage lists in `folders`."""
    names: set[str] = set()
    for folder in folders:
        try:
            files = storage.listdir(folder)[1]
        except FileNotFoundError:
            continue
        names.update(posixpath.join(folder, name) for name in files)
    return names
