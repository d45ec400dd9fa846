"""G7: a claim of a hundred rows, against raw SQL. G13: what a kill leaves in doubt. G11: waking."""

from __future__ import annotations

import datetime as dt
import os
import random
import statistics
import time

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from django_hili.jobs.moves import claim
from django_hili.models import Disclosure, JobStatus, PhotoJob, SendState
from tests import photos
from tests.benchmarks.conftest import compare
from tests.benchmarks.pipeline import lay_out, rows_of
from tests.benchmarks.vendor import running_vendor
from tests.processes import kill_group, running, start, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
LEASE = dt.timedelta(seconds=60)
KILLS = int(os.environ.get("HILI_BENCH_KILLS", "6"))
WAKES = int(os.environ.get("HILI_BENCH_WAKES", "24"))
INTERVAL = settings.Q_CLUSTER["poll"]


def test_a_claim_of_a_hundred(say):
    if not connection.features.can_return_columns_from_insert:
        pytest.skip("the raw claim needs UPDATE … RETURNING")
    PhotoJob.objects.bulk_create(rows_of(10_000, timezone.now()), batch_size=100)
    skip = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    names = [field.column for field in PhotoJob._meta.concrete_fields]
    table = PhotoJob._meta.db_table

    def raw() -> None:
        now = timezone.now()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET status = 'processing', token = token + 1, "
                "attempts = attempts + 1, lease_owner = 'raw', lease_until = %s, started_at = %s "
                f"WHERE id IN (SELECT id FROM {table} WHERE provider = 'hili' AND "
                f"status = 'queued' AND due_at <= %s ORDER BY due_at LIMIT 100{skip}) "
                f"RETURNING {', '.join(names)}",
                [now + LEASE, now, now],
            )
            assert len(cursor.fetchall()) == 100

    def ours() -> None:
        taken = claim.claim(
            worker="ours", limit=100, lease=LEASE, now=timezone.now(), provider="hili", adopts=()
        )
        assert len(taken) == 100

    our, limit = compare(ours, raw, rounds=40)
    say("G7", f"a claim of 100 rows: {our / limit:.2f} of raw SQL ({our * 1e3:.1f} against "
        f"{limit * 1e3:.1f} ms; goal 1.2)")  # fmt: skip


def test_what_a_kill_leaves_in_doubt(say):
    photo = photos.jpeg(300, 200)
    found, chance = [], random.Random(5)
    with running_vendor(photo=photo, seconds=(600, 600)) as vendor:
        for _ in range(KILLS):
            lay_out(200, photo)
            before = Disclosure.objects.count()
            worker = start("hili_run", HILI_TEST_VENDOR=vendor.base_url)
            try:
                wait_until(lambda n=before: Disclosure.objects.count() > n, what="the first send")
                time.sleep(chance.uniform(0.02, 0.6))
            finally:
                kill_group(worker)
                worker.communicate()
            found.append(Disclosure.objects.filter(state=SendState.PASSED).count())
            Disclosure.objects.all().delete()
            PhotoJob.objects.all().delete()
    say("G13", f"sends in doubt per kill -9: {max(found)} at most of {KILLS} kills in mid-upload "
        f"({statistics.mean(found):.1f} on average; goal 4)")  # fmt: skip


def test_from_idle_to_accepted(say, tmp_path):
    from django_q.tasks import async_task

    from django_hili import queue

    photo, chance = photos.jpeg(300, 200), random.Random(11)
    broker, ours = [], []
    with (
        running_vendor(photo=photo) as vendor,
        running("qcluster", HILI_TEST_VENDOR=vendor.base_url),
    ):
        for number in range(WAKES + 2):
            mark = tmp_path / str(number)
            # A broker that is asked at intervals is met at any moment of one, by both alike.
            time.sleep(chance.uniform(0.3, 0.3 + INTERVAL))
            asked = time.time()
            async_task("tests.benchmarks.pipeline.touch", str(mark), save=False)
            wait_until(mark.exists, what="the queue")
            broker.append(float(mark.read_text() or time.time()) - asked)
            lay_out(1, photo)
            time.sleep(chance.uniform(0.3, 0.3 + INTERVAL))
            asked = time.time()
            queue.hand_over()
            wait_until(lambda n=number: len(vendor.books()["at"]) > n, what="the vendor")
            ours.append(max(vendor.books()["at"].values()) - asked)
            wait_until(
                lambda: not PhotoJob.objects.exclude(status=JobStatus.DONE).exists(), what="the end"
            )
    # The first two find a queue that is still starting.
    wait, whole = statistics.mean(broker[2:]), statistics.mean(ours[2:])
    say("G11", f"from a job to the vendor's acceptance: {whole * 1e3:.0f} ms, the broker's own "
        f"{wait * 1e3:.0f} ms, so + {(whole - wait) * 1e3:.0f} ms (goal 25)")  # fmt: skip
