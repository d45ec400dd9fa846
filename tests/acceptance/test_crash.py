"""kill -9 at every named step: the job ends done, once, with one result and nothing left over."""

from __future__ import annotations

import os
import re
import signal

import pytest

from django_hili.jobs.queries import result_of
from django_hili.models import JobStatus, Media, MediaKind, PhotoJob
from django_hili.privacy.rights.exercise import delete_photos
from tests import people, photos
from tests.processes import ROOT, engine_processes, finish, running, wait_until
from tests.receipts import check_the_end

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
LEASE = {"HILI_TEST_LEASE": "1"}
_REMOTE = {"remote.py", "outbound.py", "inbound.py"}
POINTS = [
    "after_claim", "before_enhance", "after_enhance", "after_reserve", "after_write",
    "after_commit", "after_complete",
]  # fmt: skip


def test_every_crash_point_is_tried():
    rooms = (ROOT / "django_hili" / "jobs").rglob("*.py")
    local = "".join(room.read_text() for room in rooms if room.name not in _REMOTE)
    assert set(re.findall(r'crash_point\("(\w+)"\)', local)) == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_step(anna, photo, stored, point):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    code, _ = finish("hili_run", "--until-idle", HILI_CRASH_AT=point, **LEASE)
    assert code == -signal.SIGKILL
    code, output = finish("hili_run", "--until-idle", **LEASE)
    assert code == 0, output
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert job.attempts == (1 if point in {"after_commit", "after_complete"} else 2)
    assert list(stored()) == [result_of(job).name]
    assert list(Media.objects.values_list("kind", flat=True)) == [MediaKind.RESULT]
    result = result_of(job)
    delete_photos(subject_ref=job.subject_ref)
    check_the_end(sources=1, known=[result.pk])


def test_killed_while_the_engine_computes(anna, stored):
    job = people.enhance(photos.jpeg(900, 700), operations=["sr"], scale=4, subject=anna)
    with running("hili_run", **LEASE) as worker:
        wait_until(
            lambda: PhotoJob.objects.filter(pk=job.pk, percent__gt=0).exists(), what="progress"
        )
        os.kill(worker.pid, signal.SIGKILL)
        code, output = finish("hili_run", "--until-idle", **LEASE)
    assert code == 0, output
    job.refresh_from_db()
    assert (job.status, job.attempts) == (JobStatus.DONE, 2)
    assert list(stored()) == [result_of(job).name]
    wait_until(lambda: not engine_processes(), what="the orphaned engine to end")


def test_a_stop_ends_in_order(anna, stored):
    job = people.enhance(photos.jpeg(400, 300), operations=["sr"], scale=4, subject=anna)
    with running("hili_run") as worker:
        wait_until(
            lambda: PhotoJob.objects.filter(pk=job.pk, status="processing").exists(), what="work"
        )
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert "1 enhanced" in output.decode()
    job.refresh_from_db()
    assert (job.status, job.attempts) == (JobStatus.DONE, 1)
    assert not engine_processes()
