"""Policies and consents over HTTP, and what an upload without consent meets."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from django_hili.models import Consent, Media, PhotoJob, PolicyVersion, Subject
from django_hili.privacy.audit.clauses import all_clauses
from django_hili.privacy.consent.policies import publish
from tests import people, photos

pytestmark = pytest.mark.django_db(transaction=True)
API = "/hili/api/v1/"
JOBS, POLICIES, CONSENTS = f"{API}jobs/", f"{API}privacy/policies/", f"{API}privacy/consents/"
CONSENT_FIRST = pytest.mark.clause("HILI-1.2a", "AIART-0.1", "PIXEL-0.1", "MIAO-0.3")


def logged_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def everything(tmp: Path) -> tuple[dict[str, int], set[str]]:
    """Rows of our tables, and files in the temp folder and below the site's own."""
    with connection.cursor() as cursor:
        counts = {}
        for model in (PhotoJob, Media, Subject, Consent, PolicyVersion):
            cursor.execute(f"SELECT COUNT(*) FROM {model._meta.db_table}")
            counts[model.__name__] = cursor.fetchone()[0]
    from django.conf import settings

    files = {
        str(path)
        for root in (tmp, Path(settings.BASE_DIR))
        for path in root.rglob("*")
        if path.is_file() and "sqlite3" not in path.name
    }
    return counts, files


def upload(size: int = 0) -> dict[str, object]:
    content = photos.png(1400, 1400) if size else photos.jpeg()
    file = SimpleUploadedFile("a.jpg", content, "image/jpeg")
    return {"operations": "sr", "scale": 2, "photo": file, "people_agreed": "true"}


@CONSENT_FIRST
@pytest.mark.parametrize("authentication", ["session", "session_csrf", "header"])
@pytest.mark.parametrize("size", [0, 1], ids=["small", "large"])
def test_an_upload_without_consent_leaves_everything_as_it_was(
    anna, tmp_path, monkeypatch, authentication, size
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept: list[int] = []
    from django_hili.media import uploads

    whole = uploads.SealedUploadHandler.receive_data_chunk
    monkeypatch.setattr(
        uploads.SealedUploadHandler,
        "receive_data_chunk",
        lambda self, raw, start: kept.append(len(raw)) or whole(self, raw, start),
    )
    client = Client(enforce_csrf_checks=authentication == "session_csrf")
    headers = {}
    if authentication == "header":
        words = base64.b64encode(b"anna:anna").decode()
        headers = {"Authorization": f"Basic {words}"}
    else:
        client.force_login(anna)
        client.cookies["csrftoken"] = token = "x" * 32
        headers = {"X-CSRFToken": token}
    before = everything(tmp_path)
    answer = client.post(JOBS, upload(size), headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "age_needed"
    assert everything(tmp_path) == before
    assert kept == []  # not a byte was kept, not even in memory
    people.agree(anna)
    assert client.post(JOBS, upload(size), headers=headers).status_code == 202
    assert kept


@CONSENT_FIRST
@pytest.mark.clause("MIAO-0.2", "HILI-0.2")
def test_a_refusal_shows_what_could_be_agreed_to(anna):
    client = logged_in(anna)
    body = client.post(JOBS, upload()).json()
    assert set(body["clauses"]) <= set(all_clauses())
    assert body["clauses"]
    (notice,) = body["notices"]
    assert notice["purpose"] == "enhance"
    assert any("privacy@example.org" in line for line in notice["text"])
    assert client.get(body["policy"]).status_code == 200
    answer = client.post(
        body["consents"],
        {"purpose": "enhance", "version": body["version"], "notice": notice["hash"],
         "age_band": "adult"},
        content_type="application/json",
    )  # fmt: skip
    assert answer.status_code == 201, answer.content
    assert client.get(answer["Location"]).json() == answer.json()
    assert client.get(f"{CONSENTS}research/").status_code == 404
    assert client.post(JOBS, upload()).status_code == 202


@CONSENT_FIRST
@pytest.mark.parametrize("left_out", ["version", "notice", "purpose"])
def test_nothing_about_a_consent_has_a_default(anna, left_out):
    client = logged_in(anna)
    notice = client.get(CONSENTS).json()["notices"][0]
    words = {"purpose": "enhance", "version": 1, "notice": notice["hash"], "age_band": "adult"}
    del words[left_out]
    assert client.post(CONSENTS, words).status_code == 422
    assert not Consent.objects.exists()


@pytest.mark.clause("AIART-1.2.3b", "MIAO-2.2d")
@pytest.mark.parametrize("word", [None, "false", ""])
def test_an_upload_says_that_everybody_shown_has_agreed(anna, stored, word):
    client = logged_in(people.agree(anna))
    data = upload()
    del data["people_agreed"]
    if word is not None:
        data["people_agreed"] = word
    answer = client.post(JOBS, data)
    assert answer.status_code in {403, 422}
    assert stored() == {}
    if word is None:
        assert answer.json()["code"] == "people_not_agreed"
        assert answer.json()["notices"][0]["key"] == "other_people"


def test_nobody_names_their_own_ground_over_http(anna):
    client = logged_in(anna)
    for words in ({"basis": "no_personal_data"}, {"basis": "attestation", "reason": "mine"}):
        assert client.post(JOBS, {**upload(), **words}).status_code == 403


@pytest.mark.clause("HILI-6", "AIART-5.4", "PIXEL-6.3", "MIAO-8.3")
def test_taking_back_is_one_call_without_words(anna, stored):
    client = people.client_of(anna)
    assert client.post(JOBS, upload()).status_code == 202
    given = {event["purpose"] for event in client.get(CONSENTS).json()["given"]}
    assert given >= {"enhance"}
    answer = client.delete(f"{CONSENTS}enhance/")
    assert answer.json() == {"cancelled": 1, "photos": 1}
    assert stored() == {}
    assert client.delete(f"{CONSENTS}enhance/").status_code == 404
    assert client.post(JOBS, upload()).status_code == 403
    (last,) = [e for e in client.get(CONSENTS).json()["given"] if e["purpose"] == "enhance"]
    assert last["action"] == "withdraw"


@pytest.mark.clause("HILI-1.2b", "AIART-1.2.3a")
def test_who_agrees_to_nothing_keeps_every_right(anna):
    client = logged_in(anna)
    for address in ("jobs/", "privacy/data/", "privacy/consents/", "privacy/requests/"):
        assert client.get(API + address).status_code == 200, address
    assert client.delete(f"{API}privacy/photos/").status_code == 200


@pytest.mark.clause("MIAO-10.3", "HILI-8b", "AIART-8", "MIAO-10.2", "PIXEL-0.2")
def test_every_version_is_readable_without_a_login(settings):
    stranger = Client()
    listed = stranger.get(POLICIES).json()
    assert listed["current"] == 1  # a draft, as long as nothing is published
    assert not PolicyVersion.objects.exists()
    assert stranger.get(f"{POLICIES}1/").json()["text"].startswith("# Privacy policy")
    publish()
    settings.HILI = {"PRIVACY": {**settings.HILI["PRIVACY"], "CONTACT": "new@example.org"}}
    publish()
    listed = stranger.get(POLICIES).json()
    assert [line["number"] for line in listed["results"]] == [2, 1]
    assert listed["current"] == 2
    assert "privacy@example.org" in stranger.get(f"{POLICIES}1/").json()["text"]
    second = stranger.get(f"{POLICIES}2/").json()
    assert second["change_kinds"] == ["contact"]
    assert "new@example.org" in second["text"]
    assert stranger.get(f"{POLICIES}3/").status_code == 404


@pytest.mark.clause("HILI-FR-1")
def test_one_language_counts_and_says_so():
    publish()
    body = Client().get(f"{POLICIES}1/?language=fr").json()
    assert body["authoritative_language"] == "en"
    assert body["language"] == "fr"
    assert body["text"].startswith("# Politique")
    assert "fait foi" in body["text"]
    assert body["authoritative_text"].startswith("# Privacy policy")
    chosen = Client().get(f"{POLICIES}1/", headers={"Accept-Language": "ja"}).json()
    assert chosen["language"] == "ja"


def test_consents_are_a_persons_own(anna, ben):
    people.agree(anna)
    assert logged_in(ben).get(CONSENTS).json()["given"] == []
    assert Client().get(CONSENTS).status_code in {401, 403}
    assert logged_in(ben).delete(f"{CONSENTS}enhance/").status_code == 404
    assert "csrftoken" not in logged_in(anna).get(CONSENTS).cookies
