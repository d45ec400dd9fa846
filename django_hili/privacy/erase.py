"""The one path by which stored bytes go: condemned in the caller's transaction, then erased.

Condemning makes a photo unreadable from the commit on. Erasing deletes the file, looks again
by listing (not by the answer of the delete) and only then lets the row go, so a crash at any
point leaves a row from which the next run goes on. Clauses C22: HILI-4.2, MIAO-5.3.
"""

from __future__ import annotations

import datetime as dt
import logging
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
        batch = list(rows.filter(name__gt=after).order_by("name")[:BATCH])
        if not batch:
            return ErasureReport(erased, remaining)
        after = batch[-1].name
        gone = _erase_batch(batch)
        erased += len(gone)
        remaining += len(batch) - len(gone)


def _erase_batch(batch: Sequence[Media]) -> list[Media]:
    by_storage: dict[str, list[Media]] = defaultdict(list)
    for media in batch:
        by_storage[media.storage].append(media)
    gone: list[Media] = []
    for alias, rows in by_storage.items():
        gone += _erase_files(alias, rows)
    Media.objects.filter(pk__in=[media.pk for media in gone]).delete()
    for media in gone:
        photo_erased.send_robust(
            sender=Media, job_id=media.job_id, kind=media.kind, cause=media.cause
        )
    return gone


def _erase_files(alias: str, rows: Iterable[Media]) -> list[Media]:
    storage = photo_storage(alias)
    tried = []
    for media in rows:
        try:
            storage.delete(media.name)
        except Exception:  # noqa: BLE001 - any backend, any error: the row stays and says so
            logger.warning("A condemned photo could not be deleted; it will be tried again.")
            continue
        tried.append(media)
    present = _listed(alias, {posixpath.dirname(media.name) for media in tried})
    return [media for media in tried if media.name not in present]


def _listed(alias: str, folders: Iterable[str]) -> set[str]:
    """Return the names of all files the storage lists in `folders`."""
    storage = photo_storage(alias)
    names: set[str] = set()
    for folder in folders:
        try:
            files = storage.listdir(folder)[1]
        except FileNotFoundError:
            continue
        names.update(posixpath.join(folder, name) for name in files)
    return names
