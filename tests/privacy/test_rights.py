"""Rights of people: what is held, deletion, cancelling, and people who are simply gone."""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from django_hili.exceptions import InvalidOptionsError
from django_hili.models import (
    AgeBand,
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    Disclosure,
    EraseCause,
    Handover,
    Media,
    PhotoJob,
    SendState,
    Subject,
    VendorCopy,
)
from django_hili.privacy.audit.datamap import TABLES
from django_hili.privacy.consent.subjects import known_subject_ref, subject_ref_for
from django_hili.privacy.erasure.vanished import cancel_vanished, vanished_subjects
from django_hili.privacy.rights import cases, exercise, handover, holdings
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)
RIGHT = ("HILI-6", "AIART-5.1", "MIAO-8.1")
CANCEL = ("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")


@pytest.fixture
def enhanced(photo, work):
    """Have photos of these users enhanced; return the jobs."""

    def enhance(*users):
        jobs = [people.enhance(photo, operations=["sr"], scale=2, subject=user) for user in users]
        work()
        return jobs

    return enhance


def send(job, **columns):
    """Write a row of the ledger, as if the job's photo had left."""
    words = {
        "job_id": job.pk, "provider": "hili", "processor_policy": "p", "region": "CN",
        "items": ["photo"],
        "operations": ["sr"], "basis": "consent", "token": 1, "size": 1000,
        "intended_at": timezone.now(), **columns,
    }  # fmt: skip
    names = {field.name for field in Disclosure._meta.concrete_fields}
    if "subject_ref" in names:
        words["subject_ref"] = job.subject_ref
    return Disclosure.objects.create(**words)


@pytest.mark.clause(*RIGHT, "PIXEL-6.1")
def test_a_person_sees_what_the_map_hands_out_and_nothing_of_others(anna, ben, enhanced):
    job, other = enhanced(anna, ben)
    cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=job.subject_ref, text="It was late.")
    held = holdings.held_about(subject_ref_for(anna))
    assert [row["id"] for row in held["photojob"]] == [job.pk]
    assert [row["request"] for row in held["case"]] == ["It was late."]
    assert len(held["media"]) == 1
    for name, rows in held.items():
        labels = {label.removeprefix("sealed_") for label in TABLES[name].exported}
        assert all(set(row) == labels for row in rows), name
    text = repr(held)
    for hidden in (other.pk, other.subject_ref, job.subject_ref, Media.objects.get(job=job).name):
        assert str(hidden) not in text


@pytest.mark.clause("PIXEL-6.2a", "MIAO-8.2a", *RIGHT)
@pytest.mark.parametrize("ground", exercise.DeletionGround)
def test_every_ground_leads_to_erasure_of_ones_own_photos_alone(
    anna, ben, enhanced, stored, ground
):
    _, kept = enhanced(anna, ben)
    people.enhance(b"".join([_photo()]), operations=["sr"], scale=2, subject=anna)
    result = exercise.delete_photos(subject_ref=subject_ref_for(anna), ground=ground)
    assert (result.deleted.jobs, result.deleted.photos, result.pending) == (2, 2, ())
    assert list(PhotoJob.objects.values_list("pk", flat=True)) == [kept.pk]
    assert len(stored()) == 1


def _photo() -> bytes:
    from tests.photos import jpeg

    return jpeg()


@pytest.mark.clause(*RIGHT)
def test_another_persons_photo_cannot_be_deleted(anna, ben, enhanced, stored):
    (job,) = enhanced(anna)
    result = exercise.delete_photos(subject_ref=subject_ref_for(ben), job_ids=[job.pk])
    assert result.deleted.jobs == 0
    assert len(stored()) == 1


@pytest.mark.clause("HILI-API-6", "PIXEL-6.2b")
def test_deleting_says_which_copies_providers_still_have(anna, enhanced):
    job, other = enhanced(anna, anna)
    now = timezone.now()
    due = now + timezone.timedelta(minutes=40)
    send(job, state=SendState.ANSWERED, vendor_due_at=due)
    send(job, state=SendState.UNKNOWN)
    send(job, state=SendState.INTENDED)
    send(job, state=SendState.RECONCILED, charged=False)
    past = now - timezone.timedelta(minutes=1)
    send(job, state=SendState.ANSWERED, vendor_due_at=past, outcome=VendorCopy.CONFIRMED)
    send(job, state=SendState.ANSWERED, vendor_due_at=past, outcome=VendorCopy.STILL_SERVED)
    send(other, state=SendState.ANSWERED, vendor_due_at=due)
    result = exercise.delete_photos(subject_ref=job.subject_ref, job_ids=[job.pk])
    assert result.pending == (
        exercise.PendingCopy("hili", "CN", due, VendorCopy.PENDING),
        exercise.PendingCopy("hili", "CN", None, VendorCopy.PENDING),
        exercise.PendingCopy("hili", "CN", None, VendorCopy.STILL_SERVED),
    )
    assert Disclosure.objects.count() == 7, "what was sent stays written down"


@pytest.fixture
def estate(anna, ben, enhanced):
    """Anna with one of everything, and Ben."""
    job, waiting = enhanced(anna)[0], None
    waiting = people.enhance(_photo(), operations=["sr"], scale=2, subject=anna)
    ref = job.subject_ref
    people.enhance(_photo(), operations=["sr"], scale=2, subject=ben)
    cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text="CANARYWORDS")
    handover.hand_over(subject_ref=ref)
    assert waiting.subject_ref == ref
    return ref


def assert_nothing_of(ref, stored):
    assert not PhotoJob.objects.filter(subject_ref=ref).exists()
    assert len(stored()) == 1, "Ben's is still there"
    assert not Subject.objects.exclude(user_key=None).filter(ref=ref).exists()
    assert not Handover.objects.exists()
    assert {case.state for case in Case.objects.of(ref)} == {CaseState.CLOSED}
    assert not Case.objects.of(ref).exclude(sealed_request=None, sealed_answer=None).exists()


@pytest.mark.clause(*CANCEL)
def test_cancelling_ends_everything_at_once(anna, estate, stored):
    result = exercise.cancel_account(subject_ref=estate)
    assert (result.deleted.jobs, result.deleted.photos) == (2, 2)
    assert_nothing_of(estate, stored)
    assert known_subject_ref(anna) is None
    cancelled = Case.objects.get(kind=CaseKind.CANCEL)
    assert (cancelled.state, cancelled.outcome) == (CaseState.CLOSED, CaseOutcome.GRANTED)
    assert cancelled.closed_at - cancelled.received_at < timezone.timedelta(days=15)
    assert subject_ref_for(anna) != estate, "who comes back is somebody new"


@pytest.mark.clause(*CANCEL)
def test_nothing_is_half_cancelled(anna, estate, stored, monkeypatch):
    before = stored()

    def fail(*args, **options):
        raise RuntimeError

    monkeypatch.setattr(exercise, "_forget_cases", fail)
    with pytest.raises(RuntimeError):
        exercise.cancel_account(subject_ref=estate)
    assert stored() == before
    assert known_subject_ref(anna) == estate
    assert not Case.objects.filter(kind=CaseKind.CANCEL).exists()


def by_orm(user):
    user.delete()


def by_queryset(user):
    type(user).objects.filter(pk=user.pk).delete()


def by_admin(user):
    model_admin = admin.site._registry[type(user)]
    model_admin.delete_model(RequestFactory().post("/"), user)


def by_sql(user):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE username = %s", [user.username])


@pytest.mark.clause(*CANCEL)
@pytest.mark.parametrize("delete", [by_orm, by_queryset, by_admin, by_sql])
def test_a_user_deleted_in_any_way_is_found_and_closed(anna, estate, stored, delete):
    assert list(vanished_subjects()) == []
    delete(anna)
    cancel_vanished()
    assert list(vanished_subjects()) == []
    assert_nothing_of(estate, stored)


@pytest.mark.clause(*CANCEL)
def test_one_who_cannot_be_cancelled_stands_in_nobodys_way(anna, ben, monkeypatch, caplog):
    first, _ = sorted(subject_ref_for(user) for user in (anna, ben))
    for user in (anna, ben):
        by_sql(user)
    real = exercise.cancel_account

    def fail(*, subject_ref):
        if subject_ref == first:
            raise RuntimeError("CANARYWORDS")
        return real(subject_ref=subject_ref)

    monkeypatch.setattr("django_hili.privacy.erasure.vanished.cancel_account", fail)
    assert cancel_vanished() == 1
    assert list(vanished_subjects()) == [first]
    assert "RuntimeError" in caplog.text
    assert "CANARYWORDS" not in caplog.text
    monkeypatch.undo()
    assert cancel_vanished() == 1
    assert list(vanished_subjects()) == []


@pytest.mark.clause(*CANCEL)
@pytest.mark.parametrize("delete", [by_orm, by_queryset, by_admin])
def test_what_sends_a_signal_needs_no_sweep(anna, estate, stored, delete):
    delete(anna)
    assert_nothing_of(estate, stored)


def test_a_look_at_many_people_asks_in_pages(monkeypatch, django_assert_num_queries, anna):
    from django_hili.privacy.erasure import vanished

    subject_ref_for(anna)
    # In this order: a page of keys that no user can have would need no query.
    keys = ("not a key", "9001", "9002", "9003")
    gone = {
        Subject.objects.create(ref=uuid.UUID(int=number), user_key=key).ref
        for number, key in enumerate(keys, start=1)
    }
    Subject.objects.create(user_key=None)
    monkeypatch.setattr(vanished, "PAGE", 2)
    with django_assert_num_queries(7):
        assert set(vanished.vanished_subjects()) == gone


def test_a_rollback_of_the_hosts_takes_the_cancelling_along(anna, estate, stored):
    from django.db import transaction

    with transaction.atomic():
        anna.delete()
        transaction.set_rollback(True)
    assert PhotoJob.objects.filter(subject_ref=estate).count() == 2
    assert len(stored()) == 3


def test_deleting_is_recorded_with_its_cause(anna, enhanced):
    seen = []
    from django_hili.signals import photo_erased

    (job,) = enhanced(anna)

    def listen(sender, cause, **_):
        seen.append(cause)

    photo_erased.connect(listen)
    try:
        exercise.delete_photos(subject_ref=subject_ref_for(anna), job_ids=[job.pk, uuid.uuid4()])
    finally:
        photo_erased.disconnect(listen)
    assert seen == [EraseCause.REQUESTED]


@pytest.mark.clause("HILI-6", "AIART-5.1", "MIAO-8.1")
def test_what_is_known_of_a_person_can_be_corrected(anna, enhanced, stored):
    enhanced(anna)
    exercise.correct(subject=anna, region="FR")
    assert Subject.objects.get(user_key=str(anna.pk)).region == "FR"
    with pytest.raises(InvalidOptionsError):
        exercise.correct(subject=anna, region="Atlantis")
    done = exercise.correct(subject=anna, age_band=AgeBand.MINOR)
    assert done.photos == 1, "nobody agreed for a minor"
    assert stored() == {}
    assert Subject.objects.get(user_key=str(anna.pk)).region == "FR"
