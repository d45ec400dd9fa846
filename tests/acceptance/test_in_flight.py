"""Hundreds of photos in flight at once through two plain django-q2 clusters, each paid once."""

from __future__ import annotations

import itertools
import os
import sys
import time

import pytest
from django.db import close_old_connections, connection

from django_hili import queue
from django_hili.models import JobStatus, PhotoJob
from tests.chaos.nemesis import distinct_photos
from tests.chaos.oracle import Oracle
from tests.processes import running, wait_until
from tests.vendors import vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

PHOTOS = int(os.environ.get("HILI_IN_FLIGHT", "500"))


@pytest.fixture(autouse=True)
def _schedule():
    from django_q.brokers import get_broker
    from django_q.models import OrmQ, Schedule

    get_broker().purge_queue()
    queue.ensure_schedule()
    yield
    Schedule.objects.all().delete()
    OrmQ.objects.all().delete()
    get_broker().purge_queue()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite takes one worker at a time")
def test_two_clusters_share_what_is_in_flight(anna, settings, capsys):
    with vendor_for(settings, credit_count=10**6) as vendor:
        # Nothing is done before everything is sent.
        vendor.control.processing(3600)
        oracle = Oracle(vendor)
        for photo in itertools.islice(distinct_photos(3), PHOTOS):
            oracle.hand_in(anna, photo)
        began = time.monotonic()
        words = {"HILI_TEST_VENDOR": vendor.base_url}
        with running("qcluster", **words), running("qcluster", **words):
            wait_until(lambda: under_way() == PHOTOS, timeout=400, what="all to be in flight")
            sent, owners = time.monotonic() - began, workers()
            vendor.control.travel(3500)
            vendor.control.set(lifetime_seconds=7200)
            vendor.control.travel(200)
            wait_until(lambda: done() == PHOTOS, timeout=400, what="all to be done")
        took = time.monotonic() - began
        found = oracle.judge()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{connection.vendor}, broker {os.environ.get('HILI_TEST_BROKER', 'orm')}:"
            f" {PHOTOS} in flight in {owners} workers after {sent:.0f} s, done after {took:.0f} s;"
            f" {found}\n"
        )
    assert found.wrong == []
    assert found.done == found.charged == PHOTOS


def under_way() -> int:
    close_old_connections()
    return PhotoJob.objects.filter(status=JobStatus.PROCESSING).count()


def workers() -> int:
    rows = PhotoJob.objects.filter(status=JobStatus.PROCESSING)
    return rows.values("lease_owner").distinct().count()


def done() -> int:
    close_old_connections()
    return PhotoJob.objects.filter(status=JobStatus.DONE).count()
