"""Rights over HTTP: each has an address, each is one's own, none is kept by a cache."""

from __future__ import annotations

import io
import json
import uuid
import zipfile

import pytest
from django.test import Client
from django.utils import timezone

from django_hili.models import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    ExtensionReason,
    Handover,
    PhotoJob,
    RefusalGround,
    SendState,
)
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.rights import cases
from tests import people
from tests.privacy.test_rights import send

pytestmark = pytest.mark.django_db(transaction=True)
API = "/hili/api/v1/privacy/"


@pytest.fixture
def client_of():
    def log_in(user) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def job(anna, photo, work):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    return job


def post(client, address, **words):
    return client.post(API + address, words, content_type="application/json")


@pytest.mark.clause("HILI-6", "AIART-5.1", "PIXEL-6.1", "MIAO-8.1")
def test_a_person_reads_what_is_held(client_of, anna, ben, job):
    body = client_of(anna).get(API + "data/").json()
    assert [row["id"] for row in body["held"]["photojob"]] == [str(job.pk)]
    assert "privacy@example.org" in body["appeal"]
    assert client_of(ben).get(API + "data/").json()["held"] == {}
    assert known_subject_ref(ben) is None, "looking makes nobody known"


@pytest.mark.clause("HILI-6", "MIAO-8.1", "MIAO-8.5")
def test_a_person_takes_a_copy(client_of, anna, job):
    answer = client_of(anna).get(API + "copy/")
    assert answer["Content-Type"] == "application/zip"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert json.loads(archive.read("data.json"))["held"]["photojob"][0]["id"] == str(job.pk)


@pytest.mark.clause("MIAO-8.5")
def test_a_link_hands_a_copy_to_somebody_without_a_login(client_of, anna, job):
    made = post(client_of(anna), "handover/")
    assert made.status_code == 201
    stranger = Client(enforce_csrf_checks=True)
    address = made.json()["url"].removeprefix("http://testserver")
    looked = stranger.get(address)
    assert (looked.status_code, looked["Referrer-Policy"]) == (200, "no-referrer")
    assert looked["Cache-Control"] == "private, no-store"
    assert not looked.cookies
    taken = stranger.post(address)
    assert taken["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(taken.streaming_content)))
    assert "manifest.json" in archive.namelist()
    for again in (stranger.get(address), stranger.post(address)):
        assert again.status_code == 410
        assert "has been used" in again.content.decode()


@pytest.mark.clause("MIAO-8.5")
def test_a_link_can_be_taken_back(client_of, anna, ben, job):
    address = post(client_of(anna), "handover/").json()["url"]
    assert client_of(ben).delete(API + "handover/").status_code == 204
    assert Client().get(address).status_code == 200
    assert client_of(anna).delete(API + "handover/").status_code == 204
    assert Client().post(address).status_code == 410


@pytest.mark.clause("HILI-6", "HILI-API-6", "AIART-5.1", "PIXEL-6.2a", "PIXEL-6.2b")
def test_deleting_a_photo_answers_with_copies_elsewhere(client_of, anna, ben, job, stored):
    due = timezone.now() + timezone.timedelta(minutes=50)
    send(job, state=SendState.ANSWERED, vendor_due_at=due)
    address = f"{API}photos/{job.pk}/"
    assert client_of(ben).delete(address).status_code == 404
    answer = client_of(anna).delete(
        address, {"ground": "breach"}, content_type="application/json"
    ).json()  # fmt: skip
    assert answer["deleted"] == {"jobs": 1, "photos": 1}
    (copy,) = answer["pending"]
    assert (copy["provider"], copy["region"]) == ("hili", "CN")
    assert copy["until"].startswith(due.strftime("%Y-%m-%dT%H:%M"))
    assert stored() == {}
    assert client_of(anna).delete(address).status_code == 404


def test_a_ground_that_is_not_listed_is_a_problem(client_of, anna, job, stored):
    answer = client_of(anna).delete(
        API + "photos/", {"ground": "because"}, content_type="application/json"
    )
    assert answer.status_code == 422
    assert len(stored()) == 1


@pytest.mark.clause("HILI-6", "AIART-5.1", "MIAO-8.2a")
def test_deleting_all_photos(client_of, anna, job, stored):
    assert client_of(anna).delete(API + "photos/").json()["deleted"]["jobs"] == 1
    assert stored() == {}
    assert known_subject_ref(anna) is not None, "the person is still known"


@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_cancelling(client_of, anna, job, stored):
    client = client_of(anna)
    post(client, "requests/", kind="complain", text="Too slow.")
    post(client, "handover/")
    assert client.delete(API + "account/").json()["deleted"]["jobs"] == 1
    assert stored() == {}
    assert known_subject_ref(anna) is None
    assert not PhotoJob.objects.exists()
    assert not Handover.objects.exists()
    assert client.get(API + "requests/").json()["results"] == []


@pytest.mark.clause("HILI-6", "HILI-9", "AIART-5.5", "AIART-5.6a", "MIAO-8.0")
def test_a_complaint_is_taken_in_followed_and_answered(client_of, anna, ben):
    client = client_of(anna)
    made = post(client, "requests/", kind="complain", text="Too slow.")
    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["request"], body["answer"]) == ("verified", "Too slow.", "")
    case = Case.objects.get()
    assert case.due_at - case.received_at == timezone.timedelta(days=15)
    address = made["Location"]
    assert client_of(ben).get(address).status_code == 404
    assert client_of(ben).patch(address, {"text": "x"}, "application/json").status_code == 404
    better = client.patch(address, {"text": "Much too slow."}, "application/json").json()
    assert better["request"] == "Much too slow."
    cases.extend(case_id=case.pk, reason=ExtensionReason.COMPLEX,
                 until=case.due_at + timezone.timedelta(days=20))  # fmt: skip
    assert client.get(address).json()["extension"] == {
        "code": "complex", "detail": "The request is complex.",
    }  # fmt: skip
    cases.close(case_id=case.pk, outcome=CaseOutcome.REFUSED, ground=RefusalGround.TRADE_SECRET)
    closed = client.get(address).json()
    assert closed["ground"]["code"] == "trade_secret"
    assert "privacy@example.org" in closed["answer"]
    late = client.patch(address, {"text": "Later"}, "application/json")
    assert (late.status_code, late.json()["code"]) == (409, "case_changed")
    assert len(client.get(API + "requests/").json()["results"]) == 1


@pytest.mark.clause("HILI-7c", "AIART-7.3", "PIXEL-7.4")
def test_a_guardian_can_ask_and_a_login_is_no_proof_of_that(client_of, anna):
    body = post(client_of(anna), "requests/", kind="guardian", text="About my child.").json()
    assert body["state"] == "received"
    case = Case.objects.get(kind=CaseKind.GUARDIAN)
    assert case.verified_at is None
    verified = cases.verify(case_id=case.pk)
    assert verified.state == CaseState.VERIFIED
    assert verified.due_at - verified.verified_at == timezone.timedelta(days=15), "the same clock"


def test_requests_that_cannot_be_taken_are_problems(client_of, anna):
    client = client_of(anna)
    for words, code in (
        ({"kind": "complain"}, "text_missing"),
        ({"kind": "complain", "text": "x" * 4001}, "text_too_long"),
        ({"kind": "authority", "text": "x"}, "option_invalid"),
        ({"kind": "delete"}, "option_invalid"),
    ):
        answer = post(client, "requests/", **words)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    for _ in range(cases.MAX_OPEN):
        post(client, "requests/", kind="complain", text="again")
    answer = post(client, "requests/", kind="complain", text="again")
    assert (answer.status_code, answer.json()["code"]) == (429, "requests_too_many")
    assert client.delete(API + "photos/").status_code == 200


@pytest.mark.clause("HILI-6", "PIXEL-3.4")
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", "data/"), ("get", "copy/"), ("post", "handover/"), ("delete", "handover/"),
        ("delete", "photos/"), ("delete", f"photos/{uuid.UUID(int=7)}/"), ("delete", "account/"),
        ("get", "requests/"), ("post", "requests/"), ("get", f"requests/{uuid.UUID(int=7)}/"),
        ("patch", f"requests/{uuid.UUID(int=7)}/"),
    ],
)  # fmt: skip
def test_nobody_uses_a_right_without_a_login(method, address, job, stored):
    before = stored()
    answer = getattr(Client(), method)(API + address)
    assert answer.status_code in {401, 403}
    assert answer["Cache-Control"] == "private, no-store"
    assert stored() == before
