"""Asking again costs little: an answer that has not changed is not sent again."""

from __future__ import annotations

import pytest

from django_hili.codes import Code, sentence
from django_hili.jobs.cancel import cancel_job
from django_hili.models import JobStatus, PhotoJob
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)
API = "/hili/api/v1/"


@pytest.fixture
def job(anna, photo):
    return people.enhance(photo, operations=["sr"], scale=2, subject=anna)


@pytest.fixture
def batch(anna, photo):
    return people.enhance_many([photo, photo], operations=["sr"], scale=2, subject=anna).batch


def end(job):
    cancel_job(job_id=job.pk)


def end_all(batch):
    for job in batch.jobs.all():
        cancel_job(job_id=job.pk)


@pytest.fixture(params=["job", "batch"])
def followed(request):
    """Something to follow: its address, and what ends it."""
    row = request.getfixturevalue(request.param)
    if request.param == "job":
        return f"{API}jobs/{row.pk}/", lambda: end(row)
    return f"{API}batches/{row.pk}/", lambda: end_all(row)


def test_what_looks_the_same_is_not_sent_again(anna, followed):
    address, ends = followed
    client = people.client_of(anna)
    first = client.get(address)
    etag = first["ETag"]
    assert (first.status_code, first["Retry-After"]) == (200, "2")
    for known in (etag, f'"x", {etag}', etag.removeprefix("W/"), "*"):
        again = client.get(address, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert (again["ETag"], again["Retry-After"]) == (etag, "2")
        assert again["Cache-Control"] == "private, no-store"
        assert "Content-Type" not in again
    ends()
    changed = client.get(address, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert "Retry-After" not in changed
    kept = client.get(address, headers={"If-None-Match": changed["ETag"]})
    assert kept.status_code == 304
    assert "Retry-After" not in kept


@pytest.mark.parametrize(
    "change",
    [
        {"status": JobStatus.HELD, "held_reason": "on_request"},
        {"stage": "enhancing"},
        {"percent": 5},
        {"status": JobStatus.FAILED, "code": "engine_crashed"},
        {"warnings": ["photo_damaged"]},
    ],
)
def test_whatever_the_answer_shows_is_in_the_validator(anna, job, change):
    client, address = people.client_of(anna), f"{API}jobs/{job.pk}/"
    etag = client.get(address)["ETag"]
    PhotoJob.objects.filter(pk=job.pk).update(**change)
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200


def test_what_the_answer_does_not_show_is_not(anna, job):
    client, address = people.client_of(anna), f"{API}jobs/{job.pk}/"
    etag = client.get(address)["ETag"]
    PhotoJob.objects.filter(pk=job.pk).update(token=9, lease_owner="somebody")
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_a_warning_is_told_in_words_and_a_providers_own_by_its_code(anna, job):
    PhotoJob.objects.filter(pk=job.pk).update(warnings=["soft_at_x8", "their_own_word"])
    told = people.client_of(anna).get(f"{API}jobs/{job.pk}/").json()["warnings"]
    assert told == [
        {"code": "soft_at_x8", "detail": sentence(Code.WARN_SOFT)},
        {"code": "their_own_word", "detail": ""},
    ]


def test_a_validator_opens_nobody_elses_job(anna, ben, job):
    etag = people.client_of(anna).get(f"{API}jobs/{job.pk}/")["ETag"]
    for known in (etag, "*"):
        answer = people.client_of(ben).get(f"{API}jobs/{job.pk}/", headers={"If-None-Match": known})
        assert answer.status_code == 404
