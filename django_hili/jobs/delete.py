"""Makes a job and everything stored for it go, at once and whatever state it is in.

Clauses C30: HILI-6, AIART-5.1, PIXEL-6.2a, MIAO-8.2a.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django_hili.models import EraseCause, PhotoJob
from django_hili.privacy.erasure.deletion import delete_with_photos


def delete_jobs(*, job_ids: Collection[uuid.UUID], cause: EraseCause = EraseCause.REQUESTED) -> int:
    """Delete these jobs and their photos. Returns how many jobs there were."""
    return delete_with_photos(job_ids=job_ids, cause=cause).jobs


def delete_jobs_of_target(*, model_labels: Collection[str], pk: str) -> int:
    """Delete the jobs of a host's row that is gone, whichever of its models they came from."""
    jobs = PhotoJob.objects.filter(target_model__in=model_labels, target_pk=pk)
    ids = list(jobs.values_list("pk", flat=True))
    return delete_jobs(job_ids=ids) if ids else 0
