"""kill -9 of the worker at every named step of a photo's trip to the vendor, and its lease run out.

The oracle is the vendor's own ledger, which no worker can write: nothing is charged twice, and
what may have been charged is held, never sent again on a guess.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from django_hili.jobs.queries import result_of
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    Media,
    PhotoJob,
    SendState,
)
from django_hili.privacy.rights.exercise import delete_photos
from tests import people, photos
from tests.processes import ROOT, finish, running_python, wait_until
from tests.receipts import check_the_end
from tests.vendors import charges, vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

FREE = ["after_claim", "after_intend", "mid_body", "before_barrier"]
IN_DOUBT = ["after_barrier", "after_answer"]
PAID = ["after_accepted", "after_fetch", "after_reserve", "after_write"]
FINISHED = ["after_commit", "after_complete"]

ROOMS = ("remote.py", "outbound.py", "inbound.py")


@pytest.fixture
def vendor(settings):
    """A sandbox that outlives the workers."""
    with vendor_for(settings) as sandbox:
        yield sandbox


def run_worker(vendor, **extra) -> int:
    code, _ = finish(
        "hili_run", "--until-idle", HILI_TEST_VENDOR=vendor.base_url, HILI_TEST_LEASE="1", **extra
    )
    return code


def test_every_remote_crash_point_is_tried():
    rooms = [ROOT / "django_hili" / "jobs" / "worker" / name for name in ROOMS]
    text = "".join(room.read_text() for room in rooms)
    named = set(re.findall(r'crash_point\("(\w+)"\)', text))
    assert named <= {*FREE, *IN_DOUBT, *PAID}


@pytest.mark.parametrize("point", [*FREE, *IN_DOUBT, *PAID, *FINISHED])
def test_killed_at_a_named_step(anna, vendor, stored, point):
    job = people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
    assert run_worker(vendor, HILI_CRASH_AT=point) == -signal.SIGKILL
    assert run_worker(vendor) == 0
    job.refresh_from_db()
    if point in IN_DOUBT:
        assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.SEND_UNKNOWN)
        assert Disclosure.objects.get().state == SendState.UNKNOWN
        assert charges(vendor) <= 1
        delete_photos(subject_ref=job.subject_ref)
        check_the_end(sources=1)
        return
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1
    assert list(stored()) == [result_of(job).name]
    assert Media.objects.count() == 1
    paid = Disclosure.objects.filter(charged=True)
    assert paid.count() == 1
    unpaid = Disclosure.objects.exclude(pk__in=paid)
    assert set(unpaid.values_list("state", "charged")) <= {(SendState.REFUSED, False)}
    result = result_of(job)
    delete_photos(subject_ref=job.subject_ref)
    check_the_end(sources=1, known=[result.pk])


def pause_and_overtake(vendor, anna, guard: str = "") -> PhotoJob:
    """Freeze a worker right before its barrier, let another do the job, then thaw the first."""
    job = people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
    words = (
        ("-m", "tests.chaos.without", guard, "hili_run") if guard else ("-m", "django", "hili_run")
    )
    options = {"HILI_TEST_VENDOR": vendor.base_url, "HILI_TEST_LEASE": "1"}
    for _ in range(5):
        with running_python(*words, HILI_PAUSE_AT="before_barrier", **options) as paused:
            wait_until(lambda: state_of(paused.pid) == "T", what="the worker to freeze")
            if is_locked():
                continue  # its other thread was in the midst of a statement: nobody can overtake
            assert run_worker(vendor) == 0
            os.kill(paused.pid, signal.SIGCONT)
            wait_until(lambda: is_settled(vendor, guard), what="the thawed worker to go on")
            paused.send_signal(signal.SIGTERM)
            paused.wait(timeout=60)
        job.refresh_from_db()
        return job
    pytest.fail("every worker froze with the database locked")


def is_locked() -> bool:
    """Whether somebody holds SQLite's one lock; other databases have none."""
    if connection.vendor != "sqlite":
        return False
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=1.0)) as other:
        try:
            other.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return True
    return False


def is_settled(vendor, guard: str) -> bool:
    return (
        charges(vendor) >= 2 if guard else vendor.control.counts().get("bodies_cut_short", 0) >= 1
    )


def state_of(pid: int) -> str:
    return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0]


def test_a_worker_paused_past_its_lease_never_completes_its_upload(anna, vendor, stored):
    job = pause_and_overtake(vendor, anna)
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1
    assert list(stored()) == [result_of(job).name]


def test_without_the_token_check_the_same_pause_is_paid_twice(anna, vendor):
    pause_and_overtake(vendor, anna, guard="token")
    assert charges(vendor) >= 2


def test_without_the_barrier_the_same_pause_is_paid_twice(anna, vendor):
    pause_and_overtake(vendor, anna, guard="barrier")
    assert charges(vendor) >= 2


def test_without_the_barrier_a_worker_killed_before_it_is_paid_twice(anna, vendor):
    people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
    careless = run_without("barrier", vendor, HILI_CRASH_AT="before_barrier")
    assert careless == -signal.SIGKILL
    wait_until(lambda: charges(vendor) == 1, what="the vendor to accept the photo")
    assert run_worker(vendor) == 0
    assert charges(vendor) == 2


def test_without_the_ledger_a_killed_worker_is_paid_twice(anna, vendor):
    people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
    assert run_worker(vendor, HILI_CRASH_AT="after_answer") == -signal.SIGKILL
    assert charges(vendor) == 1
    run_without("ledger", vendor)
    assert charges(vendor) == 2


def run_without(guard: str, vendor, **extra) -> int:
    options = {"HILI_TEST_VENDOR": vendor.base_url, "HILI_TEST_LEASE": "1", **extra}
    words = ("-m", "tests.chaos.without", guard, "hili_run", "--until-idle")
    with running_python(*words, **options) as careless:
        return careless.wait(timeout=90)
