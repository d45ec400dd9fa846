"""A photo is checked wholly before anything of it is stored."""

from __future__ import annotations

import uuid

import pytest
from django.core.files.base import ContentFile
from django.db import transaction

import django_hili
from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, InvalidPhotoError, PrivacyRefusedError
from django_hili.models import Basis, JobStatus, Media, MediaKind, MediaState, PhotoJob
from tests import people, photos
from tests.host.models import Portrait

pytestmark = pytest.mark.django_db

NOTHING_TO_DO = [
    ({"operations": ["beautify"]}, Code.OPERATION_UNKNOWN),
    ({"operations": ["sr"], "scale": 3}, Code.SCALE_UNSUPPORTED),
    ({"operations": ["colour"]}, Code.OPERATION_UNAVAILABLE),
    ({"operations": ["sr"], "scale": 2, "provider": "moon"}, Code.PROVIDER_UNKNOWN),
    ({"preset": "wedding"}, Code.PRESET_UNKNOWN),
    ({"preset": "photo-4x", "operations": ["sr"]}, Code.PRESET_AND_OPERATIONS),
    ({"preset": "photo-4x", "scale": 2}, Code.PRESET_AND_OPERATIONS),
]


def nothing_is_stored(stored) -> bool:
    return not (PhotoJob.objects.exists() or Media.objects.exists() or stored())


def test_a_job_and_its_source(anna, photo, stored):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    media = Media.objects.get(job=job)
    assert job.status == JobStatus.QUEUED
    assert job.basis == Basis.CONSENT
    assert (media.kind, media.state) == (MediaKind.SOURCE, MediaState.LIVE)
    assert list(stored()) == [media.name]
    assert (media.expires_at - media.created_at).total_seconds() == 3600


@pytest.mark.parametrize("code", photos.BAD_PHOTOS)
def test_bad_photos_leave_nothing(anna, code, stored):
    with pytest.raises(InvalidPhotoError) as refusal:
        people.enhance(photos.BAD_PHOTOS[code], preset="photo-4x", subject=anna)
    assert refusal.value.code == code
    assert nothing_is_stored(stored)


@pytest.mark.parametrize(("words", "code"), NOTHING_TO_DO)
def test_impossible_wishes_leave_nothing(anna, photo, words, code, stored):
    with pytest.raises(InvalidOptionsError) as refusal:
        people.enhance(photo, subject=anna, **words)
    assert refusal.value.code == code
    assert nothing_is_stored(stored)


def test_a_result_over_the_limit_is_refused_before_storing(anna, stored):
    with pytest.raises(InvalidOptionsError) as refusal:
        people.enhance(photos.jpeg(900, 10), operations=["sr"], scale=8, subject=anna)
    assert refusal.value.code == Code.RESULT_TOO_LARGE
    assert nothing_is_stored(stored)


def test_a_result_longer_than_a_jpeg_can_be_is_refused_before_storing(settings, anna, stored):
    settings.HILI = {"LIMITS": {"MAX_RESULT_SIDE": 100_000}}
    long = photos.png(3, 32_751)
    for wish, limit in ((None, 65_500), ("jpeg", 65_500)):
        with pytest.raises(InvalidOptionsError) as refusal:
            people.enhance(long, operations=["sr"], scale=2, format=wish, subject=anna)
        assert refusal.value.code == Code.RESULT_TOO_LARGE
        assert f"larger than {limit} pixels" in refusal.value.sentence
    assert nothing_is_stored(stored)
    assert people.enhance(long, operations=["sr"], scale=2, format="png", subject=anna)


def test_a_file_over_the_cap_is_refused(settings, anna, photo, stored):
    settings.HILI = {"LIMITS": {"MAX_BYTES": len(photo) - 1}}
    with pytest.raises(InvalidPhotoError) as refusal:
        people.enhance(photo, preset="photo-4x", subject=anna)
    assert refusal.value.code == Code.PHOTO_TOO_LARGE
    assert nothing_is_stored(stored)


def test_no_photo_at_all_is_refused(anna):
    for nothing in (None, "", Portrait().image):
        with pytest.raises(InvalidPhotoError) as refusal:
            people.enhance(nothing, preset="photo-4x", subject=anna)
        assert refusal.value.code == Code.PHOTO_MISSING


def test_sixteen_bits_work_with_a_warning(anna):
    job = people.enhance(photos.sixteen_bit_grey_png(), preset="photo-4x", subject=anna)
    assert job.warnings == [Code.WARN_SIXTEEN_BIT]


def test_a_models_file_is_remembered_and_left_as_it_was(anna, photo):
    portrait = Portrait.objects.create(owner=anna, title="Anna")
    portrait.image.save("CANARYFILENAME.jpg", ContentFile(photo))
    job = people.enhance(portrait.image, preset="photo-4x", subject=anna)
    assert (job.target_model, job.target_pk, job.target_field) == (
        "host.portrait", str(portrait.pk), "image",
    )  # fmt: skip
    portrait.refresh_from_db()
    with portrait.image.open() as opened:
        assert opened.read() == photo


def test_an_unsaved_user_is_no_subject(django_user_model, photo, stored):
    with pytest.raises(InvalidOptionsError) as refusal:
        people.enhance(photo, preset="photo-4x", subject=django_user_model())
    assert refusal.value.code == Code.SUBJECT_UNKNOWN
    assert nothing_is_stored(stored)


def test_without_a_person_the_operator_attests(photo):
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", basis="attestation")
    assert refusal.value.code == Code.BASIS_MISSING
    assert not PhotoJob.objects.exists()
    attested = {"basis": "attestation", "reason": "A signed form."}
    job = django_hili.enhance(photo, preset="photo-4x", **attested)
    assert (job.basis, job.basis_reason) == (Basis.ATTESTATION, "A signed form.")
    assert job.subject_ref is None


@pytest.mark.django_db(transaction=True)
def test_the_queue_is_told_in_the_jobs_own_transaction(anna, photo):
    from django_q.models import OrmQ

    with transaction.atomic():
        people.enhance(photo, preset="photo-4x", subject=anna)
        transaction.set_rollback(True)
    assert OrmQ.objects.count() == PhotoJob.objects.count() == 0
    people.enhance(photo, preset="photo-4x", subject=anna)
    assert OrmQ.objects.count() == PhotoJob.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_another_broker_is_told_after_the_commit(settings, anna, photo, monkeypatch):
    told = []
    monkeypatch.setattr("django_q.tasks.async_task", lambda *words, **options: told.append(words))
    settings.Q_CLUSTER = {"redis": "redis://127.0.0.1"}
    with transaction.atomic():
        people.enhance(photo, preset="photo-4x", subject=anna)
        assert told == []
    assert told == [("django_hili.tasks.shift",)]


@pytest.mark.django_db(transaction=True)
def test_the_queue_holds_nothing_of_the_photo(anna, photo):
    from django_q.models import OrmQ

    job = people.enhance(photo, preset="photo-4x", subject=anna)
    task = OrmQ.objects.get().task
    assert task["args"] == ()
    assert task["kwargs"] == {}
    assert str(job.pk) not in str(task)
    assert not task["save"]


@pytest.mark.django_db(transaction=True)
def test_a_broken_queue_loses_nothing(anna, photo, monkeypatch):
    def broken(*args, **options):
        raise ConnectionError

    monkeypatch.setattr("django_q.tasks.async_task", broken)
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    assert PhotoJob.objects.get(pk=job.pk).status == JobStatus.QUEUED


def test_a_site_can_add_presets(settings, anna, photo):
    settings.HILI = {"PRESETS": {"shop": {"label": "Shop", "operations": ["sr"], "scale": 4}}}
    job = people.enhance(photo, preset="shop", subject=anna)
    assert (job.preset, job.operations, job.scale) == ("shop", ["sr"], 4)


def test_ids_are_random():
    assert PhotoJob().pk != PhotoJob().pk
    assert isinstance(PhotoJob().pk, uuid.UUID)
