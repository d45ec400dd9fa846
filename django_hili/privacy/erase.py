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

from django.core.files.storage import Storage

from django_hili.media.storages import delete_files, photo_storage
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
        batch = list(page.values_list("storage", "name"))
        if not batch:
            return ErasureReport(erased, remaining)
        after = batch[-1][1]
        gone = _erase_batch(batch)
        erased += gone
        remaining += len(batch) - gone


def _erase_batch(batch: Sequence[tuple[str, str]]) -> int:
    by_storage: dict[str, list[str]] = defaultdict(list)
    for alias, name in batch:
        by_storage[alias].append(name)
    gone = [name for alias, names in by_storage.items() for name in _erase_files(alias, names)]
    rows = Media.objects.filter(name__in=gone, state=MediaState.CONDEMNED)
    # Who listens is told what went; where nobody does, nothing more is read of the rows.
    told = list(rows.values("job_id", "kind", "cause")) if photo_erased.has_listeners(Media) else []
    # No row points at these with a constraint, so nothing has to be collected or cascaded.
    rows._raw_delete(rows.db)  # noqa: SLF001
    for words in told:
        photo_erased.send_robust(sender=Media, **words)
    return len(gone)


def _erase_files(alias: str, names: Sequence[str]) -> list[str]:
    storage = photo_storage(alias)
    tried = delete_files(storage, names)
    if len(tried) < len(names):
        logger.warning("Some condemned photos could not be deleted; they will be tried again.")
    present = _listed(storage, {posixpath.dirname(name) for name in tried})
    return [name for name in tried if name not in present]


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
