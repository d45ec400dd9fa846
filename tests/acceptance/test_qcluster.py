"""The plain django-q2 worker: `qcluster`, as a site starts it."""

from __future__ import annotations

import os

import pytest

from django_hili import queue
from django_hili.jobs.queries import result_of
from django_hili.models import JobStatus, PhotoJob
from tests import people, photos
from tests.processes import kill_group, running, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture(autouse=True)
def _schedule():
    from django_q.brokers import get_broker
    from django_q.models import OrmQ, Schedule

    queue.ensure_schedule()
    yield
    Schedule.objects.all().delete()
    OrmQ.objects.all().delete()
    if os.environ.get("HILI_TEST_BROKER") == "redis":
        get_broker().purge_queue()


def status_of(job: PhotoJob) -> str:
    return PhotoJob.objects.values_list("status", flat=True).get(pk=job.pk)


def test_jobs_are_done_by_a_plain_qcluster(anna, photo, stored):
    from django_q.models import Failure, Success

    with running("qcluster"):
        jobs = [people.enhance(photo, operations=["sr"], scale=2, subject=anna) for _ in range(3)]
        wait_until(
            lambda: all(status_of(job) == JobStatus.DONE for job in jobs), what="three results"
        )
        late = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
        wait_until(lambda: status_of(late) == JobStatus.DONE, what="a fourth result")
        # The sources are deleted right behind the commit that ends a job.
        wait_until(lambda: len(stored()) == 4, what="the sources to be gone")
    assert not Failure.objects.exists()
    assert not Success.objects.filter(func=queue.SHIFT).exists()


def test_a_job_whose_wake_up_was_lost_is_found_by_the_schedule(anna, photo):
    from django_q.brokers import get_broker

    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    get_broker().purge_queue()
    with running("qcluster"):
        wait_until(lambda: status_of(job) == JobStatus.DONE, what="the schedule to find it")


def test_kill_9_of_the_cluster_in_mid_job(anna, stored):
    job = people.enhance(photos.jpeg(900, 700), operations=["sr"], scale=4, subject=anna)
    with running("qcluster", HILI_TEST_LEASE="1") as cluster:
        wait_until(
            lambda: PhotoJob.objects.filter(pk=job.pk, percent__gt=0).exists(), what="progress"
        )
        kill_group(cluster)
    assert status_of(job) == JobStatus.PROCESSING
    with running("qcluster", HILI_TEST_LEASE="1"):
        wait_until(lambda: status_of(job) == JobStatus.DONE, timeout=150, what="the second worker")
        # The source is erased right after the job has ended.
        wait_until(lambda: list(stored()) == [result_of(job).name], what="the source to be gone")
    job.refresh_from_db()
    assert job.attempts == 2
