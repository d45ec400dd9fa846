"""A vendor that is stopped for ten minutes: nobody storms it, nothing fails, all goes on after.

The gate stops it for less; `make chaos` for ten minutes (HILI_OUTAGE_SECONDS).
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time

import pytest
from django.db import close_old_connections

from django_hili.models import JobStatus, PhotoJob
from tests.chaos.cuts import Wire
from tests.chaos.nemesis import distinct_photos
from tests.chaos.oracle import Oracle
from tests.processes import running, wait_until
from tests.vendors import vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

SECONDS = float(os.environ.get("HILI_OUTAGE_SECONDS", "25"))
READY, WAITING = 15, 40
MOST_A_MINUTE = 40
"""Requests in any minute of the outage, from one worker, whatever waits."""
MOST_IN_DOUBT = 4
"""Photos that were between the barrier and the answer when the vendor stopped, and no more."""


@pytest.mark.parametrize("ready", [READY, 0], ids=["results-wait", "nothing-under-way"])
def test_an_outage_is_waited_out(anna, settings, capsys, ready):
    given = {"timeouts": {"read": 2.0, "connect": 2.0}} if SECONDS < 120 else {}
    with vendor_for(settings, **given) as vendor:
        wire = Wire(vendor.port)
        address = f"http://127.0.0.1:{wire.port}"
        oracle = Oracle(vendor)
        photos = distinct_photos(1)
        words = {"HILI_TEST_VENDOR": address, "HILI_TEST_OPTIONS": json.dumps(given)}
        try:
            with running("hili_run", **words):
                # Done while the vendor is away: worked on before, and not told until then.
                vendor.control.processing(SECONDS / 2)
                for photo in itertools.islice(photos, ready):
                    oracle.hand_in(anna, photo)
                wait_until(lambda: worked_on(vendor) == ready, what="the vendor's work")
                vendor.control.processing(1)
                # New photos have every chance to overtake results that come slowly.
                if ready:
                    vendor.control.fault("slow", "download", seconds=1, times=ready)
                vendor.pause()
                for photo in itertools.islice(photos, WAITING):
                    oracle.hand_in(anna, photo)
                wire.asked_at.clear()
                wire.connected_at.clear()
                time.sleep(SECONDS)
                asked, connected = list(wire.asked_at), list(wire.connected_at)
                failed = PhotoJob.objects.filter(status=JobStatus.FAILED).count()
                vendor.resume()
                back = time.monotonic()
                wait_until(lambda: not unfinished(), timeout=420, what="all to end")
                took = time.monotonic() - back
        finally:
            wire.close()
        found = oracle.judge()
        events = [entry for entry in vendor.control.ledger()[ready:] if is_new(entry, oracle)]
        order = [entry["event"] for entry in events]
    ready_first = len(list(itertools.takewhile(lambda event: event == "downloaded", order)))
    most = most_in_a_minute([at for at, _ in asked])
    report = (
        f"\nstopped for {SECONDS:.0f} s with {ready} photos at the vendor and {WAITING} waiting:"
        f" {len(asked)} requests, {most} in the busiest minute, {len(connected)} connections,"
        f" {failed} failed; back: {ready_first} results before the first new photo, all over"
        f" after {took:.0f} s; {found}\n"
    )
    with capsys.disabled():
        sys.stdout.write(report)
    assert failed == 0
    assert found.wrong == []
    assert most <= MOST_A_MINUTE
    assert ready_first == ready


def is_new(entry, oracle) -> bool:
    """Whether it came from somebody awake: what lay in the vendor's buffers is in doubt, held."""
    job_id = oracle.job_of.get(entry.get("sha256"))
    return job_id is None or not PhotoJob.objects.filter(pk=job_id, status=JobStatus.HELD).exists()


def worked_on(vendor) -> int:
    return sum(picture["code"] == 1 for picture in vendor.control.pictures().values())


def unfinished() -> int:
    close_old_connections()
    states = [JobStatus.DONE, JobStatus.FAILED, JobStatus.HELD]
    return PhotoJob.objects.exclude(status__in=states).count()


def most_in_a_minute(moments: list[float]) -> int:
    return max((sum(at <= each < at + 60 for each in moments) for at in moments), default=0)
