"""Finds files without a row and rows without a file, and looks twice before it believes either.

Walks a storage folder by folder, so memory does not grow with what is stored. What the first
look missed stands in the rows, so that the second may be another process's.
Clauses C22: HILI-4.2, MIAO-5.3.
"""

from __future__ import annotations

import datetime as dt
import logging
import posixpath
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.core.files.storage import Storage

from django_hili.conf import get_settings
from django_hili.media.storages import photo_storage
from django_hili.media.vault import ROOT, id_of
from django_hili.models import EraseCause, Media
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.erasure.erase import RECEIPT, condemn, erase_files, erased_among
from django_hili.privacy.evidence.receipts import append_alike

logger = logging.getLogger(__name__)

PAGE = 500

GRACE = dt.timedelta(hours=1)
"""A younger file without a row is left alone: its row may be in an open transaction."""


def sweep_orphans(now: dt.datetime) -> tuple[int, int]:
    """Remove files without a row and condemn rows without a file. Returns how many of each."""
    removed = condemned = 0
    for alias in places():
        removed_here, condemned_here = _look_at(alias, now)
        removed, condemned = removed + removed_here, condemned + condemned_here
    return removed, condemned


def places() -> list[str]:
    """Return the aliases of the storages that photos are in: the one of now, and earlier ones."""
    known = Media.objects.order_by().values_list("storage", flat=True).distinct()
    current = get_settings().storage
    # An alias that is in no setting any more would open the default one's files.
    return [current, *sorted(set(known) & set(settings.STORAGES) - {current})]


def _look_at(alias: str, now: dt.datetime) -> tuple[int, int]:
    storage = photo_storage(alias)
    removed, missing, listed = 0, list[uuid.UUID](), 0
    for folder, names in folders_of(storage):
        rows = dict(rows_in(folder).values_list("name", "pk"))
        listed += len(names)
        unknown = sorted(names - set(rows))
        old = [name for name in unknown if _is_old(storage, name, now)]
        removed += _remove(alias, old)
        live = rows_in(folder).live().filter(storage=alias, created_at__lte=now - GRACE)
        missing += [pk for name, pk in live.values_list("name", "pk") if name not in names]
    if missing and not listed:
        # Every file at once is a storage that is not there, not photos that are gone.
        logger.warning("The photo storage lists no file at all though photos should be in it.")
        return removed, 0
    _note_missing(missing, alias, now)
    gone = Media.objects.live().filter(storage=alias, missed_at__lte=now - GRACE)
    return removed, condemn(gone, EraseCause.ORPHAN, now)


def _note_missing(missing: list[uuid.UUID], alias: str, now: dt.datetime) -> None:
    """Keep, for whichever process looks next, since when a photo's file has been missed."""
    missed = Media.objects.filter(storage=alias).exclude(missed_at=None)
    found = set(missed.values_list("pk", flat=True)) - set(missing)
    for page in _pages(list(found)):
        Media.objects.filter(pk__in=page).update(missed_at=None)
    for page in _pages(missing):
        Media.objects.filter(pk__in=page, missed_at=None).update(missed_at=now)


def _pages(pks: list[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    return (pks[start : start + PAGE] for start in range(0, len(pks), PAGE))


def _remove(alias: str, names: list[str]) -> int:
    """Delete files after a second question for their rows, and leave their receipts."""
    known = set(Media.objects.filter(name__in=names).values_list("name", flat=True))
    gone = erase_files(alias, [name for name in names if name not in known])
    ours = [str(object_id) for name in gone if (object_id := id_of(name)) is not None]
    # A storage that was put back alone brings files that had their receipt the first time.
    known = erased_among(ours)
    ours = [object_id for object_id in ours if object_id not in known]
    append_alike(RECEIPT, {"kind": "file", "cause": EraseCause.ORPHAN.value}, ours)
    return len(gone)


def rows_in(folder: str) -> MediaQuerySet:
    """Return the rows of photos in one folder of the storage."""
    # A range and not a prefix, which not every database answers from the index.
    return Media.objects.filter(name__gt=f"{folder}/", name__lt=f"{folder}0")


def folders_of(storage: Storage) -> Iterator[tuple[str, set[str]]]:
    """Yield every folder there could be, with the names of the files in it."""
    for number in range(256):
        folder = posixpath.join(ROOT, f"{number:02x}")
        try:
            names = storage.listdir(folder)[1]
        except FileNotFoundError:
            names = []
        yield folder, {posixpath.join(folder, name) for name in names}


def _is_old(storage: Storage, path: str, now: dt.datetime) -> bool:
    try:
        return storage.get_modified_time(path) < now - GRACE
    except FileNotFoundError:
        return False
