"""The end of the service: nothing is taken, everybody is told, nothing is left."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import StorageError, WrongStateError
from django_hili.media import vault
from django_hili.models import (
    Case,
    CaseKind,
    Closure,
    Handover,
    Media,
    Message,
    MessageState,
    PhotoJob,
    Receipt,
    Subject,
)
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import stores, winddown
from django_hili.privacy.erasure.winddown import wind_down
from django_hili.privacy.rights import cases, handover
from django_hili.signals import message_queued
from tests.people import enhance

pytestmark = pytest.mark.django_db(transaction=True)
CLOSING = pytest.mark.clause("AIART-4.1b", "PIXEL-8.2", "MIAO-5.4")


@pytest.fixture
def estate(anna, ben, photo, work):
    """Two people with photos done and waiting, a request, a link."""
    for user in (anna, ben):
        enhance(photo, operations=["sr"], scale=2, subject=user)
    work()
    enhance(photo, operations=["sr"], scale=2, subject=anna)
    ref = subject_ref_for(anna)
    cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text="CANARYWORDS")
    handover.hand_over(subject_ref=ref)
    return ref


@CLOSING
def test_nothing_is_left_but_receipts(estate, anna, ben, stored):
    live = Media.objects.live().first()
    report = wind_down()
    assert (report.photos, report.jobs, report.messages) == (3, 3, 2)
    assert report.is_empty
    assert stored() == {}
    for model in (Media, PhotoJob, Case, Handover):
        assert not model.objects.exists(), model
    assert not Subject.objects.exclude(user_key=None).exists()
    with pytest.raises(StorageError):
        vault.read(live)
    steps = [receipt.facts for receipt in Receipt.objects.filter(kind="wind_down")]
    for step in ("intake_closed", "condemned", "empty"):
        assert f'{{"step":"{step}"}}' in steps
    assert Receipt.objects.filter(kind="erased").count() >= 3


@CLOSING
def test_no_photo_is_taken_any_more(estate, anna, photo, stored):
    wind_down()
    with pytest.raises(WrongStateError) as error:
        enhance(photo, operations=["sr"], scale=2, subject=anna)
    assert error.value.code == Code.SERVICE_ENDED
    client = Client()
    client.force_login(anna)
    answer = client.post("/hili/api/v1/jobs/", {"preset": "photo-4x"})
    assert answer.json()["code"] == "service_ended"
    assert stored() == {}
    assert not PhotoJob.objects.exists()


@CLOSING
def test_everybody_is_told_before_the_link_to_them_is_cut(estate, anna, ben):
    told = []

    def deliver(sender, user_key, kind, text, **_):
        told.append((user_key, kind, Subject.objects.exclude(user_key=None).count()))
        assert "deleted" in text
        return user_key == str(anna.pk)

    message_queued.connect(deliver)
    try:
        wind_down()
        assert sorted(told) == sorted([
            (str(anna.pk), "wind_down", 2), (str(ben.pk), "wind_down", 2),
        ])  # fmt: skip
        waiting = Message.objects.get(state=MessageState.QUEUED)
        assert waiting.user_key == str(ben.pk), "who was not reached is tried again"
    finally:
        message_queued.disconnect(deliver)


@CLOSING
def test_it_goes_on_where_it_stopped(estate, stored, monkeypatch):
    def crash(*args, **options):
        raise RuntimeError

    monkeypatch.setattr(winddown, "destroy_all_keys", crash)
    with pytest.raises(RuntimeError):
        wind_down()
    assert Closure.objects.is_closed()
    monkeypatch.undo()
    assert wind_down().is_empty
    again = wind_down()
    assert (again.messages, again.photos, again.jobs) == (0, 0, 0)
    assert stored() == {}
    assert Message.objects.count() == 2
    assert Receipt.objects.filter(kind="wind_down").count() == 3


@CLOSING
def test_stores_of_the_site_are_reached_and_waited_for(estate, anna):
    copies = {"thumbnail"}
    stores.register(
        "thumbs", erase=lambda scope: copies.clear(), find=lambda scope: iter(copies)
    )  # fmt: skip
    stores.register("stuck", erase=lambda scope: None, find=lambda scope: iter([1]))
    try:
        report = wind_down()
        assert not report.is_empty
        assert copies == set()
        stores.register("stuck", erase=lambda scope: None, find=lambda scope: iter(()))
        assert wind_down(now=timezone.now() + timezone.timedelta(hours=7)).is_empty
    finally:
        for name in ("thumbs", "stuck"):
            stores.unregister(name)


def test_a_service_that_goes_on_takes_photos(anna, photo):
    winddown.refuse_if_ended()
    assert enhance(photo, operations=["sr"], scale=2, subject=anna)
