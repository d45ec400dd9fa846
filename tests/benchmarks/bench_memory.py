"""G4: what a worker's memory grows by, with thousands in flight and with photos of 20 MB."""

from __future__ import annotations

import datetime as dt
import os
import uuid

import pytest
from django.utils import timezone
from PIL import Image

from django_hili.jobs.worker import inbound
from django_hili.jobs.worker.remote import FETCH_SLOTS
from django_hili.media import pipe, sealing
from django_hili.models import Disclosure, JobStatus, PhotoJob, SendState
from django_hili.models.provider_state import SEND_SLOTS
from django_hili.privacy.erasure.vendor_copies import seal_handle
from tests import photos
from tests.benchmarks.pipeline import lay_out, measure, rows_of
from tests.benchmarks.vendor import running_vendor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
FLYING = int(os.environ.get("HILI_BENCH_FLYING", "5000"))
LARGE = int(os.environ.get("HILI_BENCH_LARGE", "100"))
SLOTS = SEND_SLOTS + FETCH_SLOTS
PIECE = inbound.HELD_BYTES + pipe.ROOM * sealing.SEGMENT
"""What one slot holds of a photo: what of a result may stay in memory, and what waits for the
vault. A send holds less: the segments that are read with one call."""


def test_many_in_flight(say):
    with running_vendor(photo=photos.jpeg()) as vendor:
        idle = measure("run", vendor=vendor.base_url, seconds=3)
        let_fly(FLYING)
        ours = measure("run", vendor=vendor.base_url, seconds=12)
    assert ours["in_flight"] == FLYING
    ratio = ours["memory"] / idle["memory"]
    say("G4", f"{FLYING} in flight: {ratio:.2f} of an idle worker's memory "
        f"({ours['memory']:.0f} against {idle['memory']:.0f} MB; goal 1.5)")  # fmt: skip


def let_fly(count: int) -> None:
    """Photos that a worker which fell silent has left with the vendor."""
    now = timezone.now()
    jobs = list(rows_of(count, now))
    for job in jobs:
        job.status, job.token, job.lease_until = JobStatus.PROCESSING, 1, now
    PhotoJob.objects.bulk_create(jobs, batch_size=100)
    due_at = now + dt.timedelta(hours=1)
    sends = [
        Disclosure(
            job_id=job.pk, provider=job.provider, processor_policy="none on record",
            items=["photo"], operations=job.operations, basis=job.basis, token=1, size=1,
            state=SendState.ANSWERED, charged=True, intended_at=now, answered_at=now,
            vendor_due_at=due_at,
        )
        for job in jobs
    ]  # fmt: skip
    for row in sends:
        row.handle = seal_handle(uuid.uuid4().hex, send_id=row.pk, due_at=due_at, now=now)
    Disclosure.objects.bulk_create(sends, batch_size=100)


def large_photo() -> bytes:
    """A JPEG of some 20 MB: noise cannot be coded any shorter."""
    side = 4050
    noise = Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))
    return photos.saved(noise, "JPEG", quality=95)


def test_large_photos(say):
    small, large = photos.jpeg(), large_photo()
    with running_vendor(photo=small) as vendor:
        lay_out(LARGE, small)
        before = measure("run", vendor=vendor.base_url, heaps=1)
    with running_vendor(photo=large) as vendor:
        lay_out(LARGE, large)
        ours = measure("run", vendor=vendor.base_url, heaps=1, timeout=900)
    assert ours["done"] == LARGE
    grown, goal = ours["peak"] - before["peak"], SLOTS * PIECE / 1024**2
    say("G4", f"{LARGE} photos of {len(large) / 1e6:.0f} MB out and in: +{grown:.1f} MB at the "
        f"peak over as many of 1 KB ({ours['peak']:.0f} MB; goal {goal:.0f}: {SLOTS} slots of "
        f"{PIECE // 1024} KiB)")  # fmt: skip
    assert grown <= goal
