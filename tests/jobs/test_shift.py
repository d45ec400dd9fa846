"""A shift ends inside the queue's limits, whatever is in hand then."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest

from django_hili import queue, tasks
from django_hili.models import Disclosure, HeldReason, JobStatus, PhotoJob, SendState
from django_hili.providers.local import LocalProvider
from django_hili.providers.remote import MOST_IN_DOUBT
from tests import people, photos
from tests.vendors import charges, vendor_for

TIMEOUT = 15


@pytest.mark.parametrize("timeout", [None, 5, 20, 45, 60, 90, 3600])
@pytest.mark.parametrize("retry", [30, 60, 120, 7200])
def test_a_shift_and_its_end_are_shorter_than_the_queues_limits(settings, timeout, retry):
    settings.Q_CLUSTER = {"orm": "default", "timeout": timeout, "retry": retry}
    times = queue.shift_times()
    longest = (times.cap + times.grace).total_seconds()
    assert times.cap > dt.timedelta(0)
    assert times.cap.total_seconds() < retry / 2
    assert longest < min(retry, timeout or retry)
    if min(retry, timeout or retry) >= 90:
        assert times.grace == dt.timedelta(seconds=30)


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("most", [MOST_IN_DOUBT, 1])
def test_a_shift_does_not_outlive_the_timeout(anna, settings, monkeypatch, most):
    async def never(self, photo, enhancement, report):
        await asyncio.sleep(600)

    monkeypatch.setattr(LocalProvider, "enhance", never)
    with vendor_for(settings, max_in_doubt=most) as vendor:
        local = {"BACKEND": "django_hili.providers.local.LocalProvider"}
        providers = {**settings.HILI["PROVIDERS"], "local": local}
        settings.HILI = {**settings.HILI, "PROVIDERS": providers}
        settings.Q_CLUSTER = {**settings.Q_CLUSTER, "timeout": TIMEOUT, "retry": 60}
        vendor.control.fault("slow", "uploads", seconds=40)
        for _ in range(10):
            people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
        people.enhance(photos.jpeg(), operations=["repair"], subject=anna, provider="local")
        began = time.monotonic()
        tasks.tick()
        assert time.monotonic() - began < TIMEOUT
        # What the vendor had and had not answered is in doubt, and nothing else.
        doubts = PhotoJob.objects.filter(held_reason=HeldReason.SEND_UNKNOWN).count()
        assert charges(vendor) <= doubts <= most
    assert not PhotoJob.objects.exclude(lease_owner="").exists()
    # Photos that had not begun to leave were given back at once.
    assert PhotoJob.objects.filter(provider="hili", status=JobStatus.QUEUED).count() >= 2
    assert not Disclosure.objects.filter(state__in=[SendState.INTENDED, SendState.PASSED]).exists()
    # The photo that no shift is long enough for is not begun for ever.
    job = PhotoJob.objects.get(provider="local")
    assert (job.status, job.attempts) == (JobStatus.QUEUED, 1)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_took_all_the_time_leaves_the_photos_to_the_next_shift(
    anna, settings, monkeypatch
):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "timeout": 1, "retry": 2}
    job, asked = people.enhance(photos.jpeg(), operations=["repair"], subject=anna), []
    monkeypatch.setattr(tasks, "upkeep", lambda: time.sleep(1))
    monkeypatch.setattr(queue, "hand_over", lambda: asked.append(1))
    tasks.tick()
    job.refresh_from_db()
    assert (job.status, job.attempts, asked) == (JobStatus.QUEUED, 0, [1])
