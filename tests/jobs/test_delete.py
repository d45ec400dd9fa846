"""Deleting: gone at once, whatever the job was doing."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_hili.exceptions import LostLeaseError, StorageError
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.moves import claim, finish
from django_hili.media import vault
from django_hili.models import EraseCause, Media, PhotoJob
from django_hili.privacy.erasure import vanished
from django_hili.privacy.erasure.sweep import sweep_thoroughly
from django_hili.providers.base import EnhancedPhoto
from django_hili.signals import photo_erased
from tests import people
from tests.host.models import Headshot, Portrait

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_waiting_job_and_its_source_are_gone(anna, photo, stored):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    assert len(stored()) == 1
    assert delete_jobs(job_ids=[job.pk]) == 1
    assert not PhotoJob.objects.exists()
    assert not Media.objects.exists()
    assert stored() == {}


def test_a_job_being_worked_on_leaves_nothing_behind(anna, photo, stored):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
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
    from django_hili.privacy.erasure.erase import condemn

    job = people.enhance(photo, preset="photo-4x", subject=anna)
    condemn(Media.objects.filter(job=job), EraseCause.REQUESTED, timezone.now())
    with pytest.raises(StorageError):
        vault.read(Media.objects.get(job=job))


def portrait_of(person, photo):
    portrait = Portrait.objects.create(owner=person, title="Anna")
    portrait.image.save("a.jpg", ContentFile(photo))
    return portrait


def test_what_was_made_of_a_hosts_row_goes_with_it(anna, photo, stored):
    portrait = portrait_of(anna, photo)
    people.enhance(portrait.image, preset="photo-4x", subject=anna)
    portrait.delete()
    assert not PhotoJob.objects.exists()
    assert stored() == {}


def test_erasure_is_announced(anna, photo):
    heard = []

    def listen(sender, job_id, kind, cause, **_):
        heard.append((job_id, kind, cause))

    photo_erased.connect(listen)
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    delete_jobs(job_ids=[job.pk])
    photo_erased.disconnect(listen)
    assert heard == [(job.pk, "source", EraseCause.REQUESTED)]


def test_a_storage_that_keeps_the_file_keeps_the_row(anna, photo, stored, monkeypatch):
    """Absence is looked at: the answer of a delete is not believed."""
    from django_hili.privacy.erasure.sweep import sweep

    job = people.enhance(photo, preset="photo-4x", subject=anna)
    monkeypatch.setattr("django_hili.media.storages.os.unlink", lambda *_: None)
    delete_jobs(job_ids=[job.pk])
    assert Media.objects.count() == 1
    assert sweep().remaining == 1
    monkeypatch.undo()
    report = sweep()
    assert (report.erased, report.remaining) == (1, 0)
    assert stored() == {}


def test_a_row_deleted_as_its_proxy_takes_what_was_made_along(anna, photo, stored):
    portrait = portrait_of(anna, photo)
    people.enhance(portrait.image, preset="photo-4x", subject=anna)
    Headshot.objects.filter(pk=portrait.pk).delete()
    assert not PhotoJob.objects.exists()
    assert stored() == {}


def test_a_row_gone_without_a_signal_is_found_by_the_hourly_look(anna, photo, stored):
    kept, gone = portrait_of(anna, photo), portrait_of(anna, photo)
    stays = people.enhance(kept.image, preset="photo-4x", subject=anna)
    people.enhance(gone.image, preset="photo-4x", subject=anna)
    by_itself = people.enhance(photo, preset="photo-4x", subject=anna)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM host_portrait WHERE id = %s", [gone.pk])
    now = timezone.now()
    sweep_thoroughly(now)  # the site's own transaction may still be open
    assert PhotoJob.objects.count() == 3
    sweep_thoroughly(now + vanished.GRACE)
    assert set(PhotoJob.objects.values_list("pk", flat=True)) == {stays.pk, by_itself.pk}
    assert len(stored()) == 2


def test_a_look_at_many_rows_asks_in_pages(anna, photo, monkeypatch):
    portrait = portrait_of(anna, photo)
    stays = people.enhance(portrait.image, preset="photo-4x", subject=anna)
    others = [people.enhance(photo, preset="photo-4x", subject=anna) for _ in range(3)]
    lost = PhotoJob.objects.filter(pk__in=[job.pk for job in others])
    lost.update(target_model="host.portrait", target_pk="9001")
    left_site = people.enhance(photo, preset="photo-4x", subject=anna)
    PhotoJob.objects.filter(pk=left_site.pk).update(target_model="left.site", target_pk="1")
    other_key = people.enhance(photo, preset="photo-4x", subject=anna)
    PhotoJob.objects.filter(pk=other_key.pk).update(target_model="host.portrait", target_pk="a-b")
    monkeypatch.setattr(vanished, "PAGE", 3)
    later = timezone.now() + vanished.GRACE
    found = set(vanished.jobs_of_vanished_rows(later))
    assert found == {job.pk for job in others}
    assert stays.pk not in found


def test_the_sites_other_rows_are_deleted_as_without_us():
    """A receiver for every model would have Django fetch each row before it deletes it."""
    for number in range(5):
        Session.objects.create(session_key=str(number), expire_date=timezone.now())
    with CaptureQueriesContext(connection) as asked:
        Session.objects.all().delete()
    assert [query["sql"].split()[0] for query in asked if "FROM" in query["sql"]] == ["DELETE"]


def test_a_row_with_a_file_and_no_job_costs_one_question(anna, photo):
    Portrait.objects.create(owner=anna, title="a").delete()  # tables have been looked at
    portrait = portrait_of(anna, photo)
    with CaptureQueriesContext(connection) as asked:
        portrait.delete()
    ours = [query["sql"] for query in asked if "django_hili_" in query["sql"]]
    assert len(ours) == 1
