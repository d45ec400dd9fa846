"""A job belongs to one worker at a time, and to nobody for longer than a lease."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connections
from django.utils import timezone

from django_hili.jobs.moves import claim
from django_hili.jobs.submit import plan, submit
from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import ACTIVE, ENDED, TRANSITIONS
from tests import people, photos

LEASE = dt.timedelta(seconds=60)


def take(worker, *, now=None, limit=10, only=None, early=()):
    now = now or timezone.now()
    return claim.claim(
        worker=worker, limit=limit, lease=LEASE, now=now, only=only, early=early, provider="local"
    )


@pytest.mark.django_db
def test_a_claimed_job_is_nobody_elses(anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    assert [taken.pk for taken in take("one")] == [job.pk]
    assert take("two") == []


@pytest.mark.django_db
def test_a_job_with_a_head_start_waits_for_who_knows_of_it(anna, photo):
    wish = plan(preset="photo-4x")
    who = people.agree(anna)
    job = submit(photo, enhancement=wish, subject=who, people_agreed=True, head_start=LEASE)
    assert take("one") == []
    assert not claim.has_work(now=timezone.now())
    assert claim.has_work(now=timezone.now(), early=[job.pk])
    first = take("two", early=[job.pk])
    assert [taken.pk for taken in first] == [job.pk]
    # Once tried, it keeps to its hour like every other.
    claim.put_off(job=first[0], until=timezone.now() + LEASE)
    PhotoJob.objects.update(attempts=1)
    assert take("two", early=[job.pk]) == []
    assert len(take("one", now=timezone.now() + LEASE)) == 1


@pytest.mark.django_db
def test_a_silent_workers_job_is_taken_over_with_a_new_token(anna, photo):
    people.enhance(photo, preset="photo-4x", subject=anna)
    first = take("one")[0]
    later = timezone.now() + LEASE
    second = take("two", now=later)[0]
    assert second.token == first.token + 1
    assert second.attempts == 2
    claim.report(job=first, stage="sr", percent=50)
    second.refresh_from_db()
    assert second.percent is None


@pytest.mark.django_db
def test_a_heartbeat_keeps_a_job(anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    take("one")
    half = timezone.now() + LEASE / 2
    assert claim.keep(worker="one", lease=LEASE, now=half, in_hand=[job.pk]) == 1
    assert take("two", now=timezone.now() + LEASE) == []


@pytest.mark.django_db
def test_a_heartbeat_lets_go_of_what_is_in_nobodys_hand(anna, photo):
    people.enhance(photo, preset="photo-4x", subject=anna)
    take("one")
    now = timezone.now()
    assert claim.keep(worker="one", lease=LEASE, now=now, in_hand=[]) == 1  # perhaps on its way
    later = now + LEASE * 0.7
    assert claim.keep(worker="one", lease=LEASE, now=later, in_hand=[]) == 0
    assert len(take("two", now=now + LEASE * 1.1)) == 1


@pytest.mark.django_db
def test_a_job_not_yet_due_waits(anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    PhotoJob.objects.filter(pk=job.pk).update(due_at=timezone.now() + LEASE)
    assert take("one") == []
    assert claim.has_unfinished()
    assert len(take("one", now=timezone.now() + LEASE)) == 1


@pytest.mark.django_db
def test_the_longest_waiting_comes_first(anna, photo):
    jobs = [people.enhance(photo, preset="photo-4x", subject=anna) for _ in range(3)]
    assert [take("one", limit=1)[0].pk for _ in jobs] == [job.pk for job in jobs]


@pytest.mark.django_db
def test_a_released_job_is_as_if_never_touched(anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    assert claim.release(job=take("one")[0], now=timezone.now())
    job.refresh_from_db()
    assert (job.status, job.attempts, job.lease_owner) == (JobStatus.QUEUED, 0, "")


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_get_the_same_job(anna):
    for n in range(20):
        people.enhance(photos.jpeg(20 + n, 20), preset="photo-4x", subject=anna)
    taken = {"one": [], "two": [], "three": []}
    start = threading.Barrier(len(taken))

    def grab(worker):
        start.wait()
        while jobs := take(worker, limit=2):
            taken[worker] += [job.pk for job in jobs]
        connections.close_all()

    threads = [threading.Thread(target=grab, args=(worker,)) for worker in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [pk for pks in taken.values() for pk in pks]
    assert len(everything) == len(set(everything)) == 20


def test_the_table_of_transitions_is_closed():
    assert set(TRANSITIONS) == set(JobStatus)
    assert all(not TRANSITIONS[status] for status in ENDED)
    assert set(ACTIVE).isdisjoint(ENDED)
    reachable = set().union(*TRANSITIONS.values())
    assert reachable == set(JobStatus)


@pytest.mark.django_db
def test_a_step_that_is_not_in_the_table_is_a_bug(anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    with pytest.raises(ValueError, match="never goes"):
        PhotoJob.objects.move(job.pk, JobStatus.DONE, JobStatus.QUEUED)
    assert not PhotoJob.objects.move(job.pk, JobStatus.PROCESSING, JobStatus.FAILED)
