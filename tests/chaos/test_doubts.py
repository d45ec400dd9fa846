"""What a kill leaves in doubt, and what of that the count of credits leaves.

Workers of an account that is this site's alone are killed while their photos are on the way, at a
point of the trip or at any moment; after each kill a worker counts until nothing more is settled.

    HILI_CHAOS_KILLS=40 python -m pytest tests/chaos/test_doubts.py -s
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import sys
import time
from collections import Counter

import pytest

from django_hili.jobs.moves import breakers, reconcile
from django_hili.models import Disclosure, JobStatus, PhotoJob, SendState
from django_hili.providers.remote import MOST_IN_DOUBT
from tests.chaos.nemesis import LEASE, distinct_photos
from tests.chaos.nursery import open_nursery
from tests.chaos.oracle import Oracle
from tests.vendors import vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

SEED = int(os.environ.get("HILI_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = int(os.environ.get("HILI_CHAOS_KILLS", "5"))
PHOTOS = 8


def in_doubt() -> int:
    return Disclosure.objects.filter(state=SendState.UNKNOWN, charged=None).count()


@pytest.mark.parametrize("most", [MOST_IN_DOUBT, 1])
def test_what_the_count_leaves_in_doubt(anna, settings, tmp_path, work, monkeypatch, capsys, most):
    dice, taken = random.Random(SEED), distinct_photos(SEED)
    given = {"exclusive_account": True, "max_in_doubt": most}
    left_by_kill, left_by_count, decided = Counter[int](), Counter[int](), 0
    # The tests' own worker counts without pauses; those that are killed never come to a second.
    monkeypatch.setattr(reconcile, "SETTLE_AFTER", dt.timedelta(0))
    monkeypatch.setattr(breakers, "_pause", lambda *_: 0.0)
    with (
        vendor_for(settings, credit_count=10**6, **given) as vendor,
        open_nursery(
            tmp_path / "workers.log",
            HILI_TEST_VENDOR=vendor.base_url,
            HILI_TEST_LEASE=str(LEASE),
            HILI_TEST_OPTIONS=json.dumps(given),
        ) as nursery,
    ):
        oracle = Oracle(vendor)
        work()
        for _ in range(KILLS):
            before = in_doubt()
            for _ in range(PHOTOS):
                oracle.hand_in(anna, next(taken))
            # As a slow line to the vendor would, this keeps photos past the barrier for a while.
            vendor.control.fault("slow", "uploads", seconds=dice.choice([0.1, 0.4, 0.8]))
            trap = dice.choice(["after_barrier", "after_answer", "after_accepted", ""])
            worker = nursery.spawn(
                "hili_run", crash_at=f"{trap}:{dice.randint(1, 5)}" if trap else ""
            )
            end = time.monotonic() + (8.0 if trap else dice.uniform(0.5, 2.5))
            while worker.is_alive and time.monotonic() < end:
                time.sleep(0.02)
            worker.kill()
            vendor.control.clear_faults()
            time.sleep(LEASE)
            vanished = Disclosure.objects.filter(state=SendState.PASSED).count()
            left_by_kill[vanished] += 1
            for _ in range(4):
                work()
            left = in_doubt() - before
            left_by_count[left] += 1
            decided += vanished > 0 and left == 0
        found = oracle.judge()
        assert not PhotoJob.objects.exclude(status__in=[JobStatus.DONE, JobStatus.HELD]).exists()
    doubtful = sum(left_by_kill.values()) - left_by_kill[0]
    words = (
        f"seed {SEED}, at most {most} in doubt: {KILLS} kills;"
        f" sends in doubt after a kill, and how often: {dict(sorted(left_by_kill.items()))};"
        f" after the count: {dict(sorted(left_by_count.items()))};"
        f" {decided} of {doubtful} kills with doubts settled whole; {found}"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{words}\n")
    assert max(left_by_kill) <= most
    # One doubt alone leaves the numbers one answer; so do several that all went the same way.
    assert left_by_count[1] == 0
    assert most > 1 or decided == doubtful
    assert not found.wrong, found.wrong
