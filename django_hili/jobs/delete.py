"""Makes a job and everything stored for it go, at once and whatever state it is in.

The photos are unreadable and the job is gone from the commit on; the files are deleted right
after. A worker that still has the job in hand finds its row gone and discards what it made.
Clauses C30: HILI-6, AIART-5.1, PIXEL-6.2a, MIAO-8.2a.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import router, transaction
from django.utils import timezone

from django_hili.models import EraseCause, Media, PhotoJob
from django_hili.privacy.erase import condemn, erase_condemned


def delete_jobs(*, job_ids: Collection[uuid.UUID], cause: EraseCause = EraseCause.REQUESTED) -> int:
    """Delete these jobs and their photos. Returns how many jobs there were."""
    media = Media.objects.filter(job_id__in=list(job_ids))
    database = router.db_for_write(PhotoJob)
    with transaction.atomic(using=database):
        condemn(media, cause, timezone.now())
        deleted = PhotoJob.objects.filter(pk__in=list(job_ids)).delete()[0]
        transaction.on_commit(lambda: erase_condemned(media), using=database, robust=True)
    return deleted


def delete_jobs_of_target(*, model_label: str, pk: str) -> int:
    """Delete the jobs of a host's row that is gone."""
    jobs = PhotoJob.objects.filter(target_model=model_label, target_pk=pk)
    return delete_jobs(job_ids=list(jobs.values_list("pk", flat=True)))
