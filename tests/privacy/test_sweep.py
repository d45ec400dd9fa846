"""Deadlines are kept, by the clock and whatever happened behind our back."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from django.db import connection
from django.utils import timezone

import django_hili
from django_hili.codes import Code
from django_hili.jobs.upkeep import upkeep
from django_hili.media.storages import photo_storage
from django_hili.models import JobStatus, Media, PhotoBatch, PhotoJob
from django_hili.privacy.sweep import sweep, sweep_orphan_files

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def done(anna, photo, work):
    job = django_hili.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    job.refresh_from_db()
    return job


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
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna)
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
