"""A worker that was overtaken while it fetched leaves the other's result alone."""

from __future__ import annotations

import pytest
from django.utils import timezone

from django_hili.exceptions import LostLeaseError
from django_hili.jobs.moves import finish
from django_hili.jobs.queries import result_of
from django_hili.models import JobStatus, PhotoJob
from tests import people


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_a_failed_fetch_takes_nothing_from_who_finished_meanwhile(anna, photo, work):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    stale = PhotoJob.objects.get(pk=job.pk)
    stale.token, stale.status = 1, JobStatus.FETCHING
    PhotoJob.objects.filter(pk=job.pk).update(token=1)
    work()
    with pytest.raises(LostLeaseError):
        finish.back_to_processing(job=stale, now=timezone.now())
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert result_of(job)
