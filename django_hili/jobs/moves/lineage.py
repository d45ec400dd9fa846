"""Which job does which other one again, so that one wish is not paid for twice by a double click.

Owns the lock on the ended job and the rule: the same choices go again once, unless that failed.
"""

from __future__ import annotations

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import ENDED
from django_hili.vocabulary import Enhancement


def claim_repeat(*, job: PhotoJob, enhancement: Enhancement) -> None:
    """Lock an ended job that is about to go again. To be called in a transaction.

    Raises `WrongStateError` if it has not ended, or goes again with the same choices already.
    """
    # The write locks the row: of two clicks, the second waits here and sees what the first made.
    if not PhotoJob.objects.filter(pk=job.pk, status__in=ENDED).update(lease_owner=""):
        raise WrongStateError(Code.JOB_CHANGED)
    newer = PhotoJob.objects.filter(again_of=job.pk)
    newer = newer.exclude(status__in=[JobStatus.FAILED, JobStatus.CANCELLED])
    if any(other.enhancement == enhancement for other in newer):
        raise WrongStateError(Code.JOB_REPEATED)
