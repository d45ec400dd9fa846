"""The job resource, over HTTP, as a front-end developer meets it."""

from __future__ import annotations

import datetime as dt
import io
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from django_hili.models import JobStatus, Media, PhotoJob
from tests import people, photos

pytestmark = pytest.mark.django_db(transaction=True)
JOBS = "/hili/api/v1/jobs/"


@pytest.fixture
def client_of():
    return people.client_of


def post(client, content, **words):
    file = SimpleUploadedFile("CANARYFILENAME.jpg", content, "image/jpeg")
    return client.post(JOBS, {"photo": file, **words})


@pytest.fixture
def job_of_anna(client_of, anna, photo):
    answer = post(client_of(anna), photo, operations="sr", scale=2)
    return answer.json()["id"]


def test_a_photo_is_accepted_and_can_be_followed(client_of, anna, photo, work):
    client = client_of(anna)
    answer = post(client, photo, operations="sr", scale=2)
    assert answer.status_code == 202
    assert answer["Retry-After"] == "2"
    assert answer["Cache-Control"] == "private, no-store"
    body = answer.json()
    assert body["status"] == "queued"
    assert body["result"] is None
    assert answer["Location"].endswith(f"{JOBS}{body['id']}/")
    work()
    done = client.get(answer["Location"]).json()
    assert done["status"] == "done"
    assert (done["result"]["width"], done["result"]["height"]) == (120, 80)
    assert done["steps"][0]["operation"] == "sr"
    picture = client.get(done["result"]["url"])
    content = b"".join(picture.streaming_content)
    assert picture["Content-Type"] == "image/jpeg"
    assert picture["Cache-Control"] == "private, no-store"
    assert len(content) == int(picture["Content-Length"]) == done["result"]["size"]
    assert Image.open(io.BytesIO(content)).size == (120, 80)
    saved = client.get(done["result"]["url"] + "?download=1")
    assert saved["Content-Disposition"].startswith("attachment")
    b"".join(saved.streaming_content)


def test_operations_may_be_repeated_or_joined(client_of, anna, photo):
    for words in ({"operations": ["sr"]}, {"operations": "sr"}):
        assert post(client_of(anna), photo, scale=2, **words).status_code == 202


def test_deleting_is_at_once(client_of, anna, job_of_anna, stored):
    client = client_of(anna)
    assert client.delete(f"{JOBS}{job_of_anna}/").status_code == 204
    assert client.get(f"{JOBS}{job_of_anna}/").status_code == 404
    assert stored() == {}
    assert not Media.objects.exists()


def test_cancelling_ends_the_job_and_says_what_it_cost(client_of, anna, job_of_anna, stored):
    client = client_of(anna)
    answer = client.post(f"{JOBS}{job_of_anna}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["charged"] is False
    assert stored() == {}
    again = client.post(f"{JOBS}{job_of_anna}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "job_changed")


def test_another_persons_job_is_not_there(client_of, anna, ben, job_of_anna, work):
    work()
    client = client_of(ben)
    assert client.get(JOBS).json()["results"] == []
    post(client, photos.jpeg(), operations="sr", scale=2)
    for method, address in (
        ("get", f"{JOBS}{job_of_anna}/"),
        ("get", f"{JOBS}{job_of_anna}/result/"),
        ("delete", f"{JOBS}{job_of_anna}/"),
        ("post", f"{JOBS}{job_of_anna}/cancel/"),
        ("put", f"{JOBS}{job_of_anna}/"),
        ("patch", f"{JOBS}{job_of_anna}/"),
    ):
        answer = getattr(client, method)(address)
        assert answer.status_code in ({405} if method in {"put", "patch"} else {404}), address
    assert [job["id"] for job in client.get(JOBS).json()["results"]] != [job_of_anna]
    assert PhotoJob.objects.get(pk=job_of_anna).status == JobStatus.DONE


def test_a_job_that_never_was_looks_the_same_as_anothers(client_of, ben, job_of_anna):
    client = client_of(ben)
    never = client.get(f"{JOBS}{uuid.uuid4()}/")
    others = client.get(f"{JOBS}{job_of_anna}/")
    assert never.json() == others.json()
    assert client.get(f"{JOBS}not-an-id/").status_code == 404


def test_without_a_login_nothing_is_told(job_of_anna, photo, stored):
    before = stored()
    for method, address in (
        ("get", JOBS), ("post", JOBS), ("get", f"{JOBS}{job_of_anna}/"),
        ("get", f"{JOBS}{job_of_anna}/result/"), ("delete", f"{JOBS}{job_of_anna}/"),
    ):  # fmt: skip
        assert getattr(Client(), method)(address).status_code in {401, 403}
    assert post(Client(), photo, preset="photo-4x").status_code in {401, 403}
    assert stored() == before


STATUS = {"photo_not_an_image": 415, "photo_format_unsupported": 415}


@pytest.mark.parametrize("code", photos.BAD_PHOTOS)
def test_bad_photos_are_problems(client_of, anna, code, stored):
    answer = post(client_of(anna), photos.BAD_PHOTOS[code], preset="photo-4x")
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.status_code == body["status"] == STATUS.get(code, 422)
    assert body["code"] == code
    assert body["type"].endswith(f"#{code}")
    assert body["detail"].endswith(".")
    assert stored() == {}
    assert not PhotoJob.objects.exists()


def test_no_photo_is_a_problem(client_of, anna):
    answer = client_of(anna).post(JOBS, {"preset": "photo-4x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "photo_missing")


@pytest.mark.parametrize(
    ("words", "field", "code"),
    [
        ({"operations": "beautify"}, "operations", "operation_unknown"),
        ({"operations": "sr", "scale": 3}, "scale", "scale_unsupported"),
        ({"operations": "sr", "scale": "big"}, "scale", "invalid"),
        ({"preset": "wedding"}, "preset", "preset_unknown"),
        ({"preset": "photo-4x", "provider": "moon"}, "provider", "provider_unknown"),
        ({}, "operations", "operation_missing"),
    ],
)
def test_bad_words_are_problems_with_their_field(
    client_of, anna, photo, stored, words, field, code
):
    answer = post(client_of(anna), photo, **words)
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert [(error["field"], error["code"]) for error in errors] == [(field, code)]
    assert stored() == {}


def test_a_file_over_the_cap_is_refused_without_holding_it(settings, client_of, anna, stored):
    settings.HILI = {"LIMITS": {"MAX_BYTES": 100_000}}
    answer = post(client_of(anna), b"\xff\xd8\xff" + b"x" * 5_000_000, preset="photo-4x")
    assert (answer.status_code, answer.json()["code"]) == (413, "photo_too_large")
    assert stored() == {}


def test_no_upload_ever_becomes_a_plain_temporary_file(client_of, anna, tmp_path, monkeypatch):
    from django.core.files import uploadedfile

    def refuse(*args, **options):
        raise AssertionError("a plain temporary file was opened")

    monkeypatch.setattr(uploadedfile.TemporaryUploadedFile, "__init__", refuse)
    monkeypatch.setattr(uploadedfile.tempfile, "NamedTemporaryFile", refuse)
    large = photos.png(1400, 1400)
    assert len(large) > 2.6e6
    assert post(client_of(anna), large, operations="sr", scale=2).status_code == 202


def test_a_result_not_ready_or_gone_says_so(client_of, anna, job_of_anna, work):
    from django.utils import timezone

    from django_hili.privacy.erasure.sweep import sweep

    client = client_of(anna)
    early = client.get(f"{JOBS}{job_of_anna}/result/")
    assert (early.status_code, early.json()["code"]) == (409, "job_not_done")
    work()
    sweep(timezone.now() + dt.timedelta(days=31))
    late = client.get(f"{JOBS}{job_of_anna}/result/")
    assert (late.status_code, late.json()["code"]) == (410, "result_gone")
    assert client.get(f"{JOBS}{job_of_anna}/").json()["result"] is None


def test_a_failed_job_tells_why(client_of, anna, job_of_anna):
    PhotoJob.objects.filter(pk=job_of_anna).update(status="failed", code="engine_crashed")
    error = client_of(anna).get(f"{JOBS}{job_of_anna}/").json()["error"]
    assert error["code"] == "engine_crashed"
    assert error["detail"].startswith("This photo could not be processed.")


def test_sentences_follow_the_language(client_of, anna):
    answer = client_of(anna).post(JOBS, {"preset": "photo-4x"}, headers={"Accept-Language": "en"})
    assert answer.json()["detail"] == "No photo was sent. Choose a file and try again."


def test_a_list_costs_two_queries_of_ours(client_of, anna, photo, django_assert_num_queries):
    client = client_of(anna)
    for _ in range(5):
        post(client, photo, operations="sr", scale=2)
    # Session and user are the host's; subject and page are ours.
    with django_assert_num_queries(4):
        assert len(client.get(JOBS).json()["results"]) == 5


def test_the_list_has_pages(client_of, anna, photo):
    client = client_of(anna)
    job = PhotoJob.objects.get(pk=post(client, photo, operations="sr", scale=2).json()["id"])
    columns = {f.attname: getattr(job, f.attname) for f in PhotoJob._meta.concrete_fields}
    PhotoJob.objects.bulk_create(PhotoJob(**{**columns, "id": uuid.uuid4()}) for _ in range(60))
    first = client.get(JOBS).json()
    second = client.get(first["next"]).json()
    ids = {job["id"] for page in (first, second) for job in page["results"]}
    assert (len(first["results"]), len(second["results"]), len(ids)) == (50, 11, 61)


def test_nothing_internal_is_in_an_answer(client_of, anna, job_of_anna, work):
    work()
    text = client_of(anna).get(f"{JOBS}{job_of_anna}/").content.decode()
    media = Media.objects.get(job_id=job_of_anna)
    for hidden in (media.name, str(media.pk), "CANARYFILENAME", "token", "lease", "subject"):
        assert hidden not in text


API = "/hili/api/v1/"
PLACES = ("jobs/", "batches/", "estimate/", "providers/", "presets/", "providers/local/")


@pytest.mark.parametrize("place", PLACES)
def test_a_browser_and_whoever_asks_what_is_possible_get_an_answer(client_of, anna, place):
    client = client_of(anna)
    asked = client.options(f"{API}{place}")
    assert (asked.status_code, asked["Content-Type"]) == (200, "application/json")
    seen = client.get(f"{API}{place}", headers={"accept": "text/html"})
    assert seen.status_code == (405 if place == "estimate/" else 200)
    assert "json" in seen["Content-Type"]


def test_options_tell_what_a_request_may_hold(client_of, anna, job_of_anna):
    client = client_of(anna)

    def words(place):
        return set(client.options(f"{API}{place}").json()["actions"]["POST"])

    assert {"operations", "scale", "people_agreed"} <= words("jobs/")
    assert "max_credits" in words("batches/")
    assert "photos" in words("estimate/")
    assert words(f"jobs/{job_of_anna}/release/") == {"accept_possible_charge"}
    assert words(f"jobs/{job_of_anna}/hold/") == set()


def test_whoever_takes_nothing_but_pictures_gets_the_result(client_of, anna, job_of_anna, work):
    work()
    result = f"{JOBS}{job_of_anna}/result/"
    taken = client_of(anna).get(result, headers={"accept": "image/jpeg"})
    assert (taken.status_code, taken["Content-Type"]) == (200, "image/jpeg")
    b"".join(taken.streaming_content)
