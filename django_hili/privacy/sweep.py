"""The pass that enforces deadlines on stored bytes and rows, and removes what was left behind.

Owns expiry, rows whose job has vanished and files without a row. Jobs that have to end are
ended above, in `jobs`. Idempotent; may run in several workers at once.
"""

from __future__ import annotations

import datetime as dt
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.storage import Storage
from django.db.models import Exists, OuterRef
from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.media.storages import photo_storage
from django_hili.media.vault import ROOT
from django_hili.models import Disclosure, EraseCause, Media, PhotoBatch, PhotoJob
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.erase import condemn, erase_condemned

ORPHAN_GRACE = dt.timedelta(hours=1)
"""A younger file without a row is left alone: its row may be in an open transaction."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one sweep did."""

    expired: int
    left_behind: int
    erased: int
    remaining: int
    rows_deleted: int


def sweep(now: dt.datetime | None = None) -> SweepReport:
    """Condemn what is past its deadline, erase what is condemned, drop rows that are due."""
    now = now or timezone.now()
    expired = condemn(Media.objects.all().expired(now), EraseCause.EXPIRED, now)
    left_behind = condemn(_without_job(now), EraseCause.ORPHAN, now)
    report = erase_condemned()
    _forget_handles(now)
    return SweepReport(
        expired=expired,
        left_behind=left_behind,
        erased=report.erased,
        remaining=report.remaining,
        rows_deleted=_drop_rows(now),
    )


def sweep_orphan_files(now: dt.datetime | None = None) -> int:
    """Delete files that no row knows and that are older than the grace time. Returns how many.

    Walks all of our own folder in the storage, so it belongs into an hourly pass.
    """
    now = now or timezone.now()
    storage = photo_storage(get_settings().storage)
    removed = 0
    for folder, names in _folders(storage):
        paths = {posixpath.join(folder, name) for name in names}
        known = set(Media.objects.filter(name__in=paths).values_list("name", flat=True))
        for path in sorted(paths - known):
            if _is_old(storage, path, now) and not Media.objects.filter(name=path).exists():
                storage.delete(path)
                removed += 1
    return removed


def _without_job(now: dt.datetime) -> MediaQuerySet:
    job = PhotoJob.objects.filter(pk=OuterRef("job_id"))
    return Media.objects.filter(~Exists(job), created_at__lte=now - ORPHAN_GRACE)


def _forget_handles(now: dt.datetime) -> None:
    """Blank the vendor's handles whose photo the vendor has deleted. Clauses C19: HILI-API-3."""
    past = Disclosure.objects.filter(vendor_due_at__lte=now).exclude(handle="")
    past.update(handle="", vendor_words="")


def _drop_rows(now: dt.datetime) -> int:
    stored = Media.objects.filter(job_id=OuterRef("pk"))
    jobs = PhotoJob.objects.filter(~Exists(stored), expires_at__lte=now)
    dropped = jobs.delete()[0]
    members = PhotoJob.objects.filter(batch_id=OuterRef("pk"))
    return dropped + PhotoBatch.objects.filter(~Exists(members), expires_at__lte=now).delete()[0]


def _folders(storage: Storage) -> Iterator[tuple[str, list[str]]]:
    try:
        folders, _ = storage.listdir(ROOT)
    except FileNotFoundError:
        return
    for folder in folders:
        path = posixpath.join(ROOT, folder)
        yield path, storage.listdir(path)[1]


def _is_old(storage: Storage, path: str, now: dt.datetime) -> bool:
    try:
        return storage.get_modified_time(path) < now - ORPHAN_GRACE
    except FileNotFoundError:
        return False
