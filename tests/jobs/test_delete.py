"""Deleting: gone at once, whatever the job was doing."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

import django_hili
from django_hili.exceptions import LostLeaseError, StorageError
from django_hili.jobs import claim, finish
from django_hili.jobs.delete import delete_jobs
from django_hili.media import vault
from django_hili.models import EraseCause, Media, PhotoJob
from django_hili.providers.base import EnhancedPhoto
from django_hili.signals import photo_erased
from tests.host.models import Portrait

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_waiting_job_and_its_source_are_gone(anna, photo, stored):
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna)
    assert len(stored()) == 1
    assert delete_jobs(job_ids=[job.pk]) == 1
    assert not PhotoJob.objects.exists()
    assert not Media.objects.exists()
    assert stored() == {}


def test_a_job_being_worked_on_leaves_nothing_behind(anna, photo, stored):
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna)
    now = timezone.now()
    mine = claim.claim(
        worker="w", limit=1, lease=dt.timedelta(minutes=1), now=now, provider="local"
    )[0]
    result = EnhancedPhoto(photo, "image/jpeg", 60, 40)
    media = finish.begin_storing(job=mine, result=result, now=now)
    delete_jobs(job_ids=[job.pk])
    vault.write(media, photo)  # the worker does not know yet
    with pytest.raises(LostLeaseError):
        finish.complete(job=mine, media=media, result=result, now=now)
    assert stored() == {}
    assert not Media.objects.exists()


def test_a_condemned_photo_cannot_be_read(anna, photo):
    from django_hili.privacy.erase import condemn

    job = django_hili.enhance(photo, preset="photo-4x", subject=anna)
    condemn(Media.objects.filter(job=job), EraseCause.REQUESTED, timezone.now())
    with pytest.raises(StorageError):
        vault.read(Media.objects.get(job=job))


def test_what_was_made_of_a_hosts_row_goes_with_it(anna, photo, stored):
    from django.core.files.base import ContentFile

    portrait = Portrait.objects.create(owner=anna, title="Anna")
    portrait.image.save("a.jpg", ContentFile(photo))
    django_hili.enhance(portrait.image, preset="photo-4x", subject=anna)
    portrait.delete()
    assert not PhotoJob.objects.exists()
    assert stored() == {}


def test_erasure_is_announced(anna, photo):
    heard = []

    def listen(sender, job_id, kind, cause, **_):
        heard.append((job_id, kind, cause))

    photo_erased.connect(listen)
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna)
    delete_jobs(job_ids=[job.pk])
    photo_erased.disconnect(listen)
    assert heard == [(job.pk, "source", EraseCause.REQUESTED)]


def test_a_storage_that_keeps_the_file_keeps_the_row(anna, photo, stored, monkeypatch):
    """Absence is looked at: the answer of a delete is not believed."""
    from django_hili.privacy.sweep import sweep

    job = django_hili.enhance(photo, preset="photo-4x", subject=anna)
    monkeypatch.setattr("django_hili.media.storages.os.unlink", lambda *_: None)
    delete_jobs(job_ids=[job.pk])
    assert Media.objects.count() == 1
    assert sweep().remaining == 1
    monkeypatch.undo()
    report = sweep()
    assert (report.erased, report.remaining) == (1, 0)
    assert stored() == {}
