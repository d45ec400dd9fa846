"""The one path by which stored bytes go: condemned in the caller's transaction, then erased.

A row is its own outbox. Condemning makes a photo unreadable from the commit on and takes its key
out of the row in the same update, so that a decision and its key cannot be torn apart. Erasing
deletes the file and looks again by listing, not by the answer of the delete; only then one
transaction lets the row go and leaves the receipt. A crash at any point leaves a row from which
the next run goes on, and however often it runs there is one receipt.
Clauses C22: HILI-4.2, HILI-7b, AIART-7.2, PIXEL-4.4a, MIAO-5.3, MIAO-5.5, MIAO-9.3.
"""

from __future__ import annotations

import datetime as dt
import logging
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.files.storage import Storage
from django.db import router, transaction
from django.utils import timezone

from django_hili.exceptions import StorageError
from django_hili.media.storages import delete_files, photo_storage
from django_hili.models import EraseCause, Media, MediaKind, MediaState, Receipt
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.erasure import stores
from django_hili.privacy.evidence.receipts import append_alike, hold_chain
from django_hili.signals import photo_erased

logger = logging.getLogger(__name__)

BATCH = 1000
RECEIPT = "erased"
_ENDS_A_RESULT = frozenset(
    {
        EraseCause.EXPIRED,
        EraseCause.DELIVERED,
        EraseCause.WITHDRAWN,
        EraseCause.MINOR,
        # A store of the site may have been put back together with the database.
        EraseCause.REPLAYED,
    }
)


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What one run of `erase_condemned` did."""

    erased: int
    remaining: int
    """Files that were still there after they had been deleted; tried again by the next run."""


def condemn(media: MediaQuerySet, cause: EraseCause, now: dt.datetime) -> int:
    """Make photos unreadable from this commit on, and shred their keys. Returns how many."""
    rows = media.filter(state__in=[MediaState.WRITING, MediaState.LIVE])
    return rows.update(
        state=MediaState.CONDEMNED,
        condemned_at=now,
        cause=cause,
        wrapped_key=None,
        key_bucket=None,
    )


def erase_condemned(media: MediaQuerySet | None = None) -> ErasureReport:
    """Erase every condemned photo, or those of `media`. Safe to run twice and side by side.

    While the database is older than its receipts, files go and rows stay: first replay.
    """
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
        gone = _let_go(_delete_files(batch))
        erased += gone
        remaining += len(batch) - gone
        if len(batch) < BATCH:
            return ErasureReport(erased, remaining)


def erase_files(alias: str, names: Sequence[str]) -> list[str]:
    """Delete files and return the names that are not listed any more, whatever was answered."""
    storage = photo_storage(alias)
    tried = delete_files(storage, names)
    if len(tried) < len(names):
        logger.warning("Some condemned photos could not be deleted; they will be tried again.")
    present = _listed(storage, {posixpath.dirname(name) for name in tried})
    return [name for name in tried if name not in present]


def reference_of(name: str) -> str:
    """Return the id of the object that lay under a name, as receipts write it."""
    digits = name.rpartition("/")[2]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def erased_among(object_ids: Iterable[str]) -> set[str]:
    """Return those of the objects that have a receipt of their erasure."""
    found = Receipt.objects.filter(kind=RECEIPT, object_id__in=list(object_ids))
    return set(found.values_list("object_id", flat=True))


def _delete_files(batch: Sequence[tuple[str, str]]) -> list[str]:
    by_storage: dict[str, list[str]] = defaultdict(list)
    for alias, name in batch:
        by_storage[alias].append(name)
    return [name for alias, names in by_storage.items() for name in erase_files(alias, names)]


def _let_go(names: Sequence[str]) -> int:
    """Delete the rows of files that are gone and leave their receipts, in one transaction."""
    if not names:
        return 0
    try:
        found = _replace_by_receipts(names)
    except StorageError as error:
        logger.warning("Condemned photos wait for their receipts: %s.", error.code)
        return 0
    _tell(found)
    return len(found)


def _replace_by_receipts(names: Sequence[str]) -> list[tuple[Any, ...]]:
    database = router.db_for_write(Media)
    with transaction.atomic(using=database):
        # First the chain, so that of two who come with the same rows one finds none.
        is_replaying = hold_chain().replay_from is not None
        rows = Media.objects.using(database).filter(name__in=names, state=MediaState.CONDEMNED)
        columns = ["name", "kind", "cause"]
        if photo_erased.has_listeners(Media) or stores.registered():
            columns.append("job_id")
        found = list(rows.order_by("name").values_list(*columns))
        # No row points at these with a constraint, so nothing has to be collected or cascaded.
        rows._raw_delete(database)  # noqa: SLF001
        _reach_stores(found)
        _leave_receipts(_without_receipt(found) if is_replaying else found)
    return found


def _reach_stores(found: Iterable[tuple[Any, ...]]) -> None:
    """Have the site's stores erase what they made of a result that is gone."""
    if not stores.registered():
        return
    for _, kind, cause, *job_ids in found:
        # A deleted job's stores were told with its own deletion, while its row was there.
        if kind == MediaKind.RESULT and cause in _ENDS_A_RESULT:
            stores.decide_for_jobs(job_ids, cause=EraseCause(cause), now=timezone.now())


def _without_receipt(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out what an older copy brought back, and what has its receipt from the first time."""
    known = erased_among(reference_of(name) for name, *_ in found)
    return [row for row in found if reference_of(row[0]) not in known]


def _leave_receipts(found: Iterable[tuple[Any, ...]]) -> None:
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, kind, cause, *_ in found:
        alike[kind, cause].append(reference_of(name))
    for (kind, cause), object_ids in alike.items():
        # What comes back with a restored copy has its receipt from the first time.
        if cause != EraseCause.REPLAYED:
            append_alike(RECEIPT, {"kind": kind, "cause": cause}, object_ids)


def _tell(found: Iterable[tuple[Any, ...]]) -> None:
    """Tell who listens; where nobody does, nothing more was read."""
    for _, kind, cause, *job_ids in found:
        for job_id in job_ids:
            photo_erased.send_robust(sender=Media, job_id=job_id, kind=kind, cause=cause)


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
