"""Deadlines are kept, by the clock and whatever happened behind our back."""

from __future__ import annotations

import datetime as dt
import json
import os
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from django_hili.codes import Code
from django_hili.jobs.worker.upkeep import look, upkeep
from django_hili.media.storages import photo_storage
from django_hili.models import JobStatus, Media, PhotoBatch, PhotoJob
from django_hili.privacy.erasure.sweep import sweep, sweep_orphan_files
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def done(anna, photo, work):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    job.refresh_from_db()
    return job


@pytest.mark.clause("PIXEL-3.1", "MIAO-7.7")
def test_a_result_is_gone_at_its_deadline_and_not_before(done, stored):
    deadline = Media.objects.get(job=done).expires_at
    assert sweep(deadline - dt.timedelta(seconds=1)).erased == 0
    assert len(stored()) == 1
    report = sweep(deadline)
    assert (report.expired, report.erased, report.remaining) == (1, 1, 0)
    assert stored() == {}
    assert PhotoJob.objects.filter(pk=done.pk).exists()


def test_a_jobs_row_is_gone_at_its_deadline(done):
    assert sweep(done.expires_at).rows_deleted == 1
    assert not PhotoJob.objects.exists()


def test_a_source_never_taken_up_is_gone_after_an_hour(anna, photo, stored):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    upkeep(timezone.now() + HOUR - dt.timedelta(minutes=1))
    assert len(stored()) == 1
    upkeep(timezone.now() + HOUR)
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.SOURCE_EXPIRED)
    assert stored() == {}


def test_a_job_deleted_in_raw_sql_leaves_nothing_for_long(done, stored):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_hili_photojob")
    sweep(timezone.now() + 2 * HOUR)
    assert stored() == {}
    assert not Media.objects.exists()


def test_an_upload_that_stopped_half_way_is_cleaned_up(photo, stored):
    from django_hili.imaging.clean import clean
    from django_hili.media import vault
    from django_hili.models import MediaKind

    now = timezone.now()
    media = vault.reserve(
        clean(photo, max_megapixels=1), kind=MediaKind.SOURCE, now=now, expires_at=now + HOUR
    )
    vault.write(media, photo)
    sweep(now + HOUR / 2)
    assert len(stored()) == 1
    sweep(now + HOUR)
    assert stored() == {}
    assert not Media.objects.exists()


def test_a_file_without_a_row_is_removed_once_it_is_old(done, stored):
    from django.core.files.base import ContentFile

    storage = photo_storage()
    orphan = storage.save("hili/ab/ab" + "0" * 30, ContentFile(b"left behind"))
    foreign = storage.save("other/readme", ContentFile(b"not ours"))
    assert sweep_orphan_files() == 0
    old = (timezone.now() - 2 * HOUR).timestamp()
    for name in stored():
        os.utime(storage.path(name), (old, old))
    assert sweep_orphan_files() == 1
    assert not storage.exists(orphan)
    assert storage.exists(foreign)
    assert storage.exists(Media.objects.get(job=done).name)


def test_a_sweep_twice_is_a_sweep_once(done):
    deadline = Media.objects.get(job=done).expires_at
    sweep(deadline)
    assert sweep(deadline).erased == 0


def test_an_empty_batch_goes_at_its_deadline():
    batch = PhotoBatch.objects.create(expires_at=timezone.now())
    sweep()
    assert not PhotoBatch.objects.filter(pk=batch.pk).exists()


def test_everything_stored_has_a_deadline(done):
    for model in (PhotoJob, Media, PhotoBatch):
        assert not model._meta.get_field("expires_at").null


def test_a_dry_run_says_what_upkeep_would_make_go_and_touches_nothing(
    done, anna, photo, stored, monkeypatch
):
    waiting = people.enhance(photo, preset="photo-4x", subject=anna)
    batch = people.enhance_many([photo], subject=anna, operations=["sr"], scale=2).batch
    left = people.enhance(photo, preset="photo-4x", subject=anna)
    PhotoJob.objects.filter(pk=left.pk).delete()
    later = timezone.now() + dt.timedelta(days=400)
    for now, sizes in ((timezone.now(), (0, 0, 0)), (later, (2, 4, 1))):
        before = stored(), PhotoJob.objects.count(), Media.objects.filter(state="live").count()
        monkeypatch.setattr("django_hili.jobs.worker.upkeep.timezone.now", lambda now=now: now)
        call_command("hili_privacy", "sweep", "--dry-run", "--json", stdout=(out := StringIO()))
        would = json.loads(out.getvalue())
        assert before == (
            stored(),
            PhotoJob.objects.count(),
            Media.objects.filter(state="live").count(),
        )
        assert (would["jobs_ended"], would["erased"], would["rows_deleted"]) == sizes
    report = upkeep(later)
    assert (would["erased"], would["rows_deleted"]) == (report.erased, report.rows_deleted)
    assert would["keys_destroyed"] == report.keys_destroyed > 0
    assert PhotoJob.objects.filter(status="failed").count() == would["jobs_ended"]
    assert PhotoBatch.objects.filter(pk=batch.pk).exists()  # its job has only ended now
    ended = PhotoJob.objects.get(pk=waiting.pk).expires_at + dt.timedelta(seconds=1)
    monkeypatch.setattr("django_hili.jobs.worker.upkeep.timezone.now", lambda: ended)
    assert look().rows_deleted == upkeep().rows_deleted == 3
