"""The pass that enforces deadlines on stored bytes, keys and rows, and removes what is left over.

Owns the order; each step is its own module's. Jobs that have to end are ended above, in `jobs`.
Idempotent; may run in several workers at once.
Clauses C16, C17, C21: HILI-4.2, AIART-4.1a, PIXEL-3.1, MIAO-5.2, MIAO-7.7, MIAO-8.2b.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.utils import timezone

from django_hili.media.keys import destroy_past_keys
from django_hili.models import EraseCause, Media, PhotoJob
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.audit.residue.files import drop_old_plants
from django_hili.privacy.erasure import orphans, replay, rows, stores
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.erasure.orphans import GRACE as ORPHAN_GRACE
from django_hili.privacy.erasure.renewal import renew_keys, shorten_keys
from django_hili.privacy.erasure.tend import tend
from django_hili.privacy.erasure.vanished import (
    cancel_vanished,
    delete_cut_off,
    delete_jobs_of_vanished_rows,
    drop_messages,
)
from django_hili.privacy.erasure.vendor_copies import settle_without_asking
from django_hili.privacy.evidence.receipts import copy_all

__all__ = [
    "ORPHAN_GRACE", "SweepReport", "sweep", "sweep_orphan_files", "sweep_thoroughly", "without_job",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one sweep did."""

    expired: int
    left_behind: int
    erased: int
    remaining: int
    rows_deleted: int
    keys_renewed: int = 0
    keys_destroyed: int = 0
    copies_settled: int = 0
    """Sends whose vendor's copy needed, or found, nobody to ask."""
    elsewhere: int = 0
    """Erasures that stores of the site finished."""
    elsewhere_left: int = 0
    """Erasures that they could not finish; tried again later."""


def sweep(now: dt.datetime | None = None) -> SweepReport:
    """Condemn what is past its deadline, erase what is condemned, drop rows that are due."""
    now = now or timezone.now()
    expired = condemn(Media.objects.all().expired(now), EraseCause.EXPIRED, now)
    left_behind = condemn(without_job(now), EraseCause.ORPHAN, now)
    report = erase_condemned()
    copies_settled = settle_without_asking(now)
    elsewhere, elsewhere_left = stores.erase_elsewhere(now)
    tend(now)
    # What a process that died right after a commit has left out must not wait for the next event.
    copy_all()
    return SweepReport(
        expired=expired,
        left_behind=left_behind,
        erased=report.erased,
        remaining=report.remaining,
        rows_deleted=rows.drop_due(now),
        keys_renewed=renew_keys(now),
        keys_destroyed=destroy_past_keys(now),
        copies_settled=copies_settled,
        elsewhere=elsewhere,
        elsewhere_left=elsewhere_left,
    )


def sweep_thoroughly(now: dt.datetime | None = None) -> int:
    """Look at everything there is, once an hour. Returns how much was found out of place."""
    now = now or timezone.now()
    found = sum(orphans.sweep_orphans(now)) + shorten_keys(now) + drop_old_plants(now)
    if not replay.is_needed():  # what a restored copy says of people is old
        found += cancel_vanished(now) + delete_cut_off() + delete_jobs_of_vanished_rows(now)
        found += drop_messages() + rows.drop_consents(now) + rows.drop_subjects(now)
    return found


def sweep_orphan_files(now: dt.datetime | None = None) -> int:
    """Delete files that no row knows and that are older than the grace time. Returns how many."""
    return orphans.sweep_orphans(now or timezone.now())[0]


def without_job(now: dt.datetime) -> MediaQuerySet:
    """Return the photos that no job has any more."""
    job = PhotoJob.objects.filter(pk=OuterRef("job_id"))
    return Media.objects.filter(~Exists(job), created_at__lte=now - ORPHAN_GRACE)
