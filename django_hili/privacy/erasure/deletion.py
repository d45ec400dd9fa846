"""Makes jobs and everything stored for them go, at once and whatever state they are in.

The photos are unreadable and the jobs are gone from the commit on; the files are deleted right
after. A worker that still has a job in hand finds its row gone and discards what it made.
Whichever door it came by, each job leaves its receipt, by which a replay deletes it again.
Clauses C30: HILI-6, AIART-5.1, PIXEL-6.2a, MIAO-8.2a. C21: PIXEL-6.2c, MIAO-8.2b.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db import router, transaction
from django.utils import timezone

from django_hili.models import EraseCause, IdempotencyKey, Media, PhotoJob
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.evidence.noting import note, noting


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much went."""

    jobs: int
    photos: int


def delete_with_photos(
    *, job_ids: Collection[uuid.UUID], cause: EraseCause, ground: str = ""
) -> Deleted:
    """Delete these jobs and their photos, and leave a receipt of each job.

    What a replay deletes again has its receipt from the first time.
    """
    ids = list(job_ids)
    media = Media.objects.filter(job_id__in=ids)
    database = router.db_for_write(PhotoJob)
    now = timezone.now()
    with noting():
        # Locked first: of two who delete the same job, the second finds none.
        rows = PhotoJob.objects.using(database).select_for_update().filter(pk__in=ids)
        found = list(rows.order_by("pk").values_list("pk", flat=True))
        photos = condemn(media, cause, now)
        stores.decide_for_jobs(found, cause=cause, now=now)
        IdempotencyKey.objects.all().forget_photos(found)
        jobs = PhotoJob.objects.filter(pk__in=found).delete()[0]
        if cause != EraseCause.REPLAYED:
            for job_id in found:
                note("photo_deleted", job_id, cause=str(cause), ground=ground)
        transaction.on_commit(lambda: erase_condemned(media), using=database, robust=True)
    return Deleted(jobs=jobs, photos=photos)
