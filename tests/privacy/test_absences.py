"""What the policies would allow and this app never does: the absence of each is looked for."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.test import Client
from django.urls import get_resolver
from PIL import Image

import django_hili
from django_hili.engine import pipeline
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media import vault
from django_hili.models import (
    CaseKind,
    JobStatus,
    Media,
    MediaKind,
    PhotoJob,
    SendState,
    Subject,
)
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import cases, exercise, handover
from tests import people, photos
from tests.privacy.test_rights import send
from tests.processes import ROOT, environment, finish
from tests.vendors import charges, vendor_for

PACKAGE = Path(django_hili.__file__).parent
DECLINED_WORDS = {
    "phone", "email", "mail", "password", "birth", "birthday", "first_name", "last_name",
    "full_name", "username", "address", "ip", "ip_address", "user_agent", "device", "device_id",
    "imei", "mac", "location", "latitude", "longitude", "gps", "id_number", "avatar", "landmarks",
    "face", "embedding", "clipboard", "cookie", "profile_score", "advertising_id",
}  # fmt: skip


def field_names():
    for model in apps.get_app_config("django_hili").get_models():
        yield from ((model, item.name) for item in model._meta.get_fields())


@pytest.mark.clause(
    "HILI-1.1", "AIART-1.2.1", "PIXEL-1.1.1", "MIAO-2.1b", "HILI-1.3.2", "MIAO-2.1a", "MIAO-2.1c",
    "PIXEL-1.1.2.2", "AIART-1.2.6", "AIART-1.2.7", "PIXEL-1.1.3", "HILI-1.4",
)  # fmt: skip
def test_no_field_is_about_accounts_devices_places_or_faces():
    for model, name in field_names():
        assert name not in DECLINED_WORDS, f"{model.__name__}.{name}"
        assert not DECLINED_WORDS & set(name.split("_")), f"{model.__name__}.{name}"


@pytest.mark.clause("HILI-1.1", "AIART-1.2.1", "PIXEL-1.1.1", "MIAO-2.1b")
def test_no_table_points_at_the_hosts_user():
    for model in apps.get_app_config("django_hili").get_models():
        for item in model._meta.get_fields():
            if isinstance(item, models.ForeignKey | models.ManyToManyField):
                assert item.related_model._meta.app_label == "django_hili", item


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("HILI-0.4", "PIXEL-1.1.2.1", "PIXEL-4.1b", "MIAO-0.1")
@pytest.mark.parametrize("name", ["url", "photo_url", "album", "location", "name", "device"])
def test_only_a_photo_and_its_operations_are_taken(anna, photo, name):
    client = people.client_of(anna)
    upload = SimpleUploadedFile("p.jpg", photo)
    words = {"photo": upload, "operations": "repair", name: "http://127.0.0.1:1/a.jpg"}
    answer = client.post("/hili/api/v1/jobs/", words)
    assert answer.status_code == 422
    assert name in answer.content.decode()
    assert not PhotoJob.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("HILI-0.4")
def test_an_address_in_the_place_of_a_photo_is_refused(anna):
    client = people.client_of(anna)
    words = {"photo": "http://127.0.0.1:1/a.jpg", "operations": "repair"}
    assert client.post("/hili/api/v1/jobs/", words).status_code == 422
    assert not PhotoJob.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("AIART-1.1", "PIXEL-1.1.2.1")
def test_no_address_shows_a_photo_to_somebody_else(anna, ben, photo, work, client):
    job = people.enhance(photo, operations=["repair"], subject=anna)
    work()
    result = Media.objects.get(job=job, kind=MediaKind.RESULT)
    client.force_login(ben)
    seen = []
    for path in addresses():
        for key in (job.pk, result.pk):
            answer = client.get(path.format(key=key))
            body = b"".join(answer) if answer.streaming else answer.content
            seen.append(answer.status_code)
            assert not answer.get("Content-Type", "").startswith("image/"), path
            assert result.name.encode() not in body, path
    assert 404 in seen


COOKIES = pytest.mark.clause("HILI-2", "AIART-2", "PIXEL-2", "MIAO-4")
FORMS = {"csrftoken"}
"""Django's own guard of forms sets it, with its own name, and only where a page has a form."""


@pytest.fixture
def every_door(settings, anna, photo, work):
    """Anna, what the addresses can be filled in with, and the names of the ones with a form."""
    job = people.enhance(photo, operations=["repair"], subject=anna)
    work()
    case = cases.ask(kind=CaseKind.COMPLAIN, subject_ref=subject_ref_for(anna), text="x")
    made = handover.hand_over(subject_ref=subject_ref_for(anna))
    return {"job_id": job.pk, "pk": job.pk, "case_id": case.pk, "token": made.token, "number": 1,
            "purpose": "enhance", "processor": "hili", "alias": "local"}  # fmt: skip


@COOKIES
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["anonymous", "logged in"])
def test_no_address_of_ours_sets_a_cookie(anna, every_door, who):
    """Every address by every method, forms with their token and without, right and wrong."""
    paths = list(routes(every_door))
    assert len(paths) > 40
    answers, with_form = [], set()
    for path in paths:
        for method in ("get", "head", "options", "post", "put", "patch", "delete"):
            client = Client(raise_request_exception=True)
            if who == "logged in":
                client.force_login(anna)
            before = {name: cookie.value for name, cookie in client.cookies.items()}
            answer = getattr(client, method)(path)
            # Where the test client looks: it keeps cookies apart from the headers of an answer.
            new = {
                name for name, cookie in answer.cookies.items() if before.get(name) != cookie.value
            }
            if b"csrfmiddlewaretoken" in _body(answer):
                with_form.add(path)  # HEAD, which comes next, has no body to see it in
            assert new <= (FORMS if path in with_form else set()), path
            assert "Set-Cookie" not in answer.headers, path
            answers.append(answer.status_code)
    assert 200 in answers
    assert {404, 405} & set(answers)
    if who == "logged in":
        assert answers.count(200) > 40


def _body(answer) -> bytes:
    return b"".join(answer) if answer.streaming else answer.content


def routes(parts):
    """Every address under hili/ with its parts filled in with what there is."""
    for pattern in _walk(get_resolver().url_patterns, "", by_name=True):
        if pattern.startswith("hili/"):
            yield "/" + pattern.format(**parts)


def addresses():
    """Every address under hili/ with its parts filled in by one key."""
    for pattern in _walk(get_resolver().url_patterns, ""):
        if pattern.startswith("hili/"):
            yield "/" + pattern


def _walk(patterns, prefix, *, by_name=False):
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, route, by_name=by_name)
        elif "^" not in route and "(" not in route:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}" if by_name else "{key}", route)
        elif by_name:  # a router's: ^jobs/(?P<pk>[^/.]+)/$
            plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", route)
            yield plain.replace("^", "").replace("$", "").replace("\\Z", "")


@pytest.mark.clause("HILI-1.2c", "AIART-F1", "MIAO-2.1e")
def test_no_recogniser_is_shipped_or_loaded():
    code = (
        "import sys\n"
        "import numpy\n"
        "from django_hili.engine import nets, pipeline\n"
        "from django_hili.engine.cards import models\n"
        "print(*(m for m in sys.modules if m.split('.')[0] in "
        "{'cv2', 'dlib', 'face_recognition', 'mediapipe', 'insightface', 'torch'}))"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
    assert loaded.stdout.split() == []
    nets = [path.stem for path in (PACKAGE / "engine" / "weights").iterdir()]
    assert nets
    assert not [net for net in nets if any(word in net for word in ("face", "land", "recog"))]
    shipped = [path.name for path in PACKAGE.rglob("*") if path.suffix in {".onnx", ".pt", ".dat"}]
    assert shipped == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("PIXEL-3.1", "MIAO-2.1f", "AIART-F1", "AIART-F2", "AIART-F3")
def test_the_source_goes_with_its_job(anna, photo, work, stored):
    job = people.enhance(photo, operations=["repair"], subject=anna)
    assert len(stored()) == 1
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert not Media.objects.filter(kind=MediaKind.SOURCE).exists()
    assert len(stored()) == 1  # the result


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("HILI-API-8", "HILI-3.1.1b", "PIXEL-5.1b")
def test_what_reaches_the_vendor_is_the_photo_and_its_options(settings, anna, work):
    with vendor_for(settings) as vendor:
        people.enhance(photos.seeded_jpeg(), operations=["repair"], subject=anna)
        work()
        assert charges(vendor) == 1
        kept = repr(vendor.control.ledger())
    assert not [word for word in photos.CANARIES.values() if word in kept]


@pytest.mark.clause("MIAO-7.3a")
def test_a_host_without_https_is_told(settings):
    _, output = finish("check", "--deploy", DJANGO_SETTINGS_MODULE="tests.settings")
    assert "security.W004" in output or "security.W012" in output


FACE_WORDS = ("face", "landmark", "embedding", "descriptor", "feature_point", "recogni", "keypoint")


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("HILI-1.2c", "AIART-F1")
def test_no_landmark_leaves_the_call(settings, anna, work, monkeypatch):
    """A spy on what the engine returns, what is laid down, what is answered and what is sent."""
    said, laid = [], []
    real = vault.write_pieces

    def spy(media, pieces):
        content = b"".join(pieces)
        laid.append(content)
        return real(media, [content])

    monkeypatch.setattr(vault, "write_pieces", spy)
    pixels = np.asarray(Image.open(io.BytesIO(photos.seeded_jpeg())).convert("RGB"))
    for operation in ("repair", "sr", "defogging", "scratch"):
        made = pipeline.enhance(pixels, operations=[operation], scale=2, image_type="people")
        assert {field.name for field in dataclasses.fields(made)} == {
            "pixels", "alpha", "steps", "mask",
        }  # fmt: skip
        assert made.pixels.dtype == np.uint8
        said.append(repr(made.steps))
    client = people.client_of(anna)
    job = people.enhance(photos.seeded_jpeg(), operations=["repair"], subject=anna)
    work()
    with vendor_for(settings) as vendor:
        other = people.enhance(photos.seeded_jpeg(), operations=["repair"], subject=anna)
        work()
        said.append(repr(vendor.control.ledger()))
    for pk in (job.pk, other.pk):
        said.append(client.get(f"/hili/api/v1/jobs/{pk}/").content.decode())
        said.append(repr(PhotoJob.objects.filter(pk=pk).values()))
    said.append(client.get("/hili/api/v1/privacy/data/").content.decode())
    assert laid
    for content in laid:  # a picture from its first byte to its last, and nothing behind it
        assert content[:2] == b"\xff\xd8"
        assert content[-2:] == b"\xff\xd9"
        assert not [word for word in FACE_WORDS if word.encode() in content.lower()]
    for words in said:
        assert not [word for word in FACE_WORDS if word in words.lower()], words


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause("MIAO-5.5", "AIART-5.3", "MIAO-8.4")
def test_no_join_leads_back_to_who_has_cancelled(django_user_model, photo, work):
    """Nothing that is left holds the user's key, turned round or not, nor leads to a row of it."""
    user = django_user_model.objects.create_user("zoe", pk=987_654_321)
    job = people.enhance(photo, operations=["repair"], subject=user)
    work()
    send(job, state=SendState.ANSWERED)
    ref = subject_ref_for(user)
    cases.ask(kind=CaseKind.COMPLAIN, subject_ref=ref, text="zoe")
    handover.hand_over(subject_ref=ref)
    key = str(user.pk)
    guesses = [key, key[::-1], f"{user.pk:x}", "zoe",
               *(hashlib.new(name, key.encode()).hexdigest() for name in ("md5", "sha1", "sha256")),
               str(uuid.uuid5(uuid.NAMESPACE_OID, key)).replace("-", "")]  # fmt: skip
    assert traces(guesses) == [key], "the scan sees the one link there is"
    exercise.cancel_account(subject_ref=ref)
    upkeep()
    assert traces(guesses) == []
    assert not Subject.objects.filter(user_key__isnull=False).exists()
    assert not PhotoJob.objects.filter(subject_ref=ref).exists()
    assert ref != uuid.UUID(int=user.pk)


def traces(words):
    """Which of the words stand in any row of ours."""
    rows = []
    with connection.cursor() as cursor:
        for model in apps.get_app_config("django_hili").get_models():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            rows += [repr(row) for row in cursor.fetchall()]
    kept = "\n".join(rows)
    return [word for word in words if word in kept]
