"""A request sent again under the same key makes nothing again: a client never pays twice.

A key is taken before anything is stored and answered in the transaction that makes the job, so
there is no moment at which a crash, a race or a frozen server could make a second one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.utils import timezone

from django_hili.jobs.moves import idempotency
from django_hili.jobs.moves.idempotency import Turn
from django_hili.media import vault
from django_hili.models import IdempotencyKey, Media, PhotoBatch, PhotoJob, Subject
from django_hili.privacy.audit.invariants import past_their_deadline
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.erasure.sweep import sweep
from django_hili.privacy.erasure.winddown import wind_down
from django_hili.privacy.rights import exercise
from django_hili.privacy.rights.holdings import held_about
from django_hili.privacy.rights.withdrawal import withdraw_consent
from tests import people, photos

pytestmark = pytest.mark.django_db(transaction=True)
JOBS, BATCHES = "/hili/api/v1/jobs/", "/hili/api/v1/batches/"
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
BAD = b"no photo at all"


@pytest.fixture
def client(anna):
    return people.client_of(anna)


def upload(content):
    return SimpleUploadedFile("a.jpg", content, "image/jpeg")


def post(client, content, key=KEY, **words):
    headers = {} if key is None else {"Idempotency-Key": key}
    words = {"operations": "sr", "scale": 2, **words}
    return client.post(JOBS, {"photo": upload(content), **words}, headers=headers)


def post_many(client, contents, key=KEY, **words):
    headers = {} if key is None else {"Idempotency-Key": key}
    words = {"operations": "sr", "scale": 2, **words}
    files = [upload(content) for content in contents]
    return client.post(BATCHES, {"photos": files, **words}, headers=headers)


def code_of(answer) -> str:
    return answer.json()["code"]


def die(*_args, **_kwargs):
    """What a process does that is killed: nothing more."""
    raise SystemExit


def let_the_lease_lapse():
    IdempotencyKey.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))


@pytest.fixture
def killed(monkeypatch):
    """Have the server die at a place, without a last word; returns how to bring it back."""

    def kill(target, name, doing=die):
        patched = pytest.MonkeyPatch()
        patched.setattr(target, name, doing)
        patched.setattr(Turn, "give_back", lambda turn: None)
        return patched.undo

    return kill


# The answer.


def test_without_a_key_two_requests_are_two(client, photo):
    first, second = post(client, photo, None), post(client, photo, None)
    assert first.json()["id"] != second.json()["id"]
    assert not IdempotencyKey.objects.exists()


def test_the_same_request_makes_one_job(client, photo, stored):
    first = post(client, photo)
    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first
    before = stored()
    for _ in range(2):
        again = post(client, photo)
        assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
        assert (again["Location"], again["Retry-After"]) == (first["Location"], "2")
        assert again.json() == first.json()
    assert (PhotoJob.objects.count(), Media.objects.count()) == (1, 1)
    assert stored() == before


def test_a_job_that_has_ended_is_answered_as_it_is(client, photo, work):
    job_id = post(client, photo).json()["id"]
    work()
    again = post(client, photo).json()
    assert (again["id"], again["status"]) == (job_id, "done")
    assert again["result"]["size"] > 0
    assert PhotoJob.objects.count() == 1


def test_a_photo_too_large_for_memory_is_the_same_photo_too(settings, client, photo):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    assert len(photo) > 100
    first, again = post(client, photo), post(client, photo)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize("change", [{"scale": 4}, {"dpi": 200}, {"people_agreed": "false"}])
def test_another_wish_under_the_same_key_is_refused(client, photo, change):
    post(client, photo)
    answer = post(client, photo, **change)
    assert (answer.status_code, code_of(answer)) == (422, "key_reused")
    assert PhotoJob.objects.count() == 1


def test_another_photo_or_another_door_under_the_same_key_is_refused(client, photo, stored):
    post(client, photo)
    before = stored()
    for answer in (post(client, photos.jpeg(70, 50)), post_many(client, [photo])):
        assert (answer.status_code, code_of(answer)) == (422, "key_reused")
    assert PhotoJob.objects.count() == 1
    assert stored() == before


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_what_is_no_key_is_refused(client, photo, key):
    answer = post(client, photo, key)
    assert (answer.status_code, code_of(answer)) == (422, "key_invalid")
    assert not PhotoJob.objects.exists()


def test_a_refused_request_leaves_its_key_free(client, photo):
    assert post(client, BAD).status_code == 415
    assert post(client, photo, people_agreed="false").status_code == 403
    assert not IdempotencyKey.objects.exists()
    assert post(client, photo).status_code == 202
    assert PhotoJob.objects.count() == 1


def test_a_key_without_a_photo_is_left_free(client):
    for address in (JOBS, BATCHES):
        answer = client.post(address, {"preset": "photo-4x"}, headers={"Idempotency-Key": KEY})
        assert (answer.status_code, code_of(answer)) == (422, "photo_missing")
    assert not IdempotencyKey.objects.exists()


def test_two_people_may_choose_the_same_key(client, ben, photo):
    first, second = post(client, photo), post(people.client_of(ben), photo)
    assert second.status_code == 202
    assert "Idempotency-Replayed" not in second
    assert first.json()["id"] != second.json()["id"]


def test_a_key_holds_for_a_day(client, photo):
    post(client, photo)
    row = IdempotencyKey.objects.get()
    assert row.expires_at == row.created_at + dt.timedelta(days=1)
    IdempotencyKey.objects.update(expires_at=timezone.now())
    assert "Idempotency-Replayed" not in post(client, photo)
    assert PhotoJob.objects.count() == 2


@pytest.mark.clause("PIXEL-0.1", "AIART-0.1", "MIAO-0.3", "HILI-1.2a")
def test_the_gate_is_asked_before_the_key(anna, photo, stored):
    client = Client()
    client.force_login(anna)
    for answer in (post(client, photo), post_many(client, [photo])):
        assert answer.status_code == 403
    assert not IdempotencyKey.objects.exists()
    assert not Subject.objects.exists()
    assert stored() == {}


def test_a_new_secret_key_does_not_make_it_another_request(settings, client, photo, anna):
    job_id = post(client, photo).json()["id"]
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    again = post(people.client_of(anna), photo)
    assert again.json()["id"] == job_id
    assert PhotoJob.objects.count() == 1


# Two at once, and servers that die.


@pytest.mark.parametrize("count", [2, 4])
def test_of_requests_at_the_same_time_one_makes_the_job(anna, photo, stored, count):
    clients = [people.client_of(anna) for _ in range(count)]
    start = threading.Barrier(count)
    answers = []

    def send(client):
        try:
            start.wait(10)
            answers.append(post(client, photo))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == count
    assert (PhotoJob.objects.count(), Media.objects.count(), len(stored())) == (1, 1, 1)
    made = [answer for answer in answers if answer.status_code == 202]
    assert {answer.json()["id"] for answer in made} == {str(PhotoJob.objects.get().pk)}
    assert sum("Idempotency-Replayed" not in answer for answer in made) == 1
    for answer in answers:
        if answer.status_code != 202:
            assert (answer.status_code, code_of(answer)) == (409, "key_in_flight")
            assert answer["Retry-After"] == "2"
    assert post(clients[0], photo).json()["id"] == str(PhotoJob.objects.get().pk)


@pytest.mark.parametrize("place", [(vault, "write"), (vault, "publish")])
def test_a_server_that_died_is_waited_for_and_then_followed(client, photo, killed, place):
    back = killed(*place)
    with pytest.raises(SystemExit):
        post(client, photo)
    back()
    assert not PhotoJob.objects.exists()
    answer = post(client, photo)
    assert (answer.status_code, code_of(answer), answer["Retry-After"]) == (
        409, "key_in_flight", "2",
    )  # fmt: skip
    let_the_lease_lapse()
    assert post(client, photo).status_code == 202
    assert post(client, photo)["Idempotency-Replayed"] == "true"
    assert PhotoJob.objects.count() == 1


def test_a_server_that_died_after_the_commit_has_answered(client, photo, killed):
    from django_hili.api.jobs import JobViewSet

    back = killed(JobViewSet, "accepted")
    with pytest.raises(SystemExit):
        post(client, photo)
    back()
    job = PhotoJob.objects.get()
    assert post(client, photo).json()["id"] == str(job.pk)
    assert PhotoJob.objects.count() == 1


def test_a_server_frozen_beyond_its_lease_makes_nothing_any_more(client, anna, photo, monkeypatch):
    plain, other = vault.write, people.client_of(anna)
    answers = []

    def frozen(media, content):
        plain(media, content)
        monkeypatch.setattr(vault, "write", plain)
        let_the_lease_lapse()
        answers.append(post(other, photo))

    monkeypatch.setattr(vault, "write", frozen)
    late = post(client, photo)
    assert (late.status_code, code_of(late)) == (409, "key_in_flight")
    assert answers[0].status_code == 202
    assert str(PhotoJob.objects.get().pk) == answers[0].json()["id"]
    assert Media.objects.live().count() == 1


def test_a_server_that_had_to_give_up_gives_the_key_back(client, photo, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(vault, "write", die)
        with pytest.raises(SystemExit):
            post(client, photo)
    assert not IdempotencyKey.objects.exists()
    assert post(client, photo).status_code == 202


# Many photos.


def test_the_same_batch_is_made_once_with_the_same_refusals(client, photo, stored):
    contents = [photo, BAD, photos.jpeg(70, 50)]
    first = post_many(client, contents)
    assert first.status_code == 202
    before = stored()
    again = post_many(client, contents)
    assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert again["Location"] == first["Location"]
    assert again.json() == first.json()
    assert [refused["index"] for refused in again.json()["refused"]] == [1]
    assert (PhotoBatch.objects.count(), PhotoJob.objects.count()) == (1, 2)
    assert stored() == before
    turned = post_many(client, contents[::-1])
    assert (turned.status_code, code_of(turned)) == (422, "key_reused")


def test_a_batch_of_which_nothing_was_taken_leaves_its_key_free(client, photo):
    assert post_many(client, [BAD, BAD]).status_code == 415
    assert not IdempotencyKey.objects.exists()
    assert not PhotoBatch.objects.exists()
    assert post_many(client, [photo]).status_code == 202


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_a_batch_cut_short_goes_on_with_what_it_lacks(client, photo, killed, killed_at):
    contents = [photo, BAD, photos.jpeg(70, 50), photos.jpeg(80, 50), photos.jpeg(90, 50)]
    plain, seen = vault.publish, []

    def publish(media, **options):
        seen.append(media)
        if len(seen) == killed_at:
            raise SystemExit
        return plain(media, **options)

    back = killed(vault, "publish", publish)
    with pytest.raises(SystemExit):
        post_many(client, contents)
    back()
    assert PhotoJob.objects.count() == killed_at - 1
    made = set(PhotoJob.objects.values_list("pk", flat=True))
    assert code_of(post_many(client, contents)) == "key_in_flight"
    let_the_lease_lapse()
    answer = post_many(client, contents)
    assert answer.status_code == 202
    body = answer.json()
    assert [refused["index"] for refused in body["refused"]] == [1]
    assert len({job["id"] for job in body["accepted"]}) == 4
    assert PhotoBatch.objects.count() == 1
    assert made <= set(PhotoJob.objects.values_list("pk", flat=True))
    assert PhotoJob.objects.count() == 4
    again = post_many(client, contents)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == body


def test_a_batch_that_had_to_give_up_goes_on_at_once(client, photo, monkeypatch):
    contents, plain, seen = [photo, photos.jpeg(70, 50)], vault.publish, []

    def publish(media, **options):
        seen.append(media)
        if len(seen) == 2:
            raise SystemExit
        return plain(media, **options)

    with monkeypatch.context() as patched:
        patched.setattr(vault, "publish", publish)
        with pytest.raises(SystemExit):
            post_many(client, contents)
    assert post_many(client, contents).status_code == 202
    assert (PhotoBatch.objects.count(), PhotoJob.objects.count()) == (1, 2)


# What is kept, and until when.

ENDS = pytest.mark.clause("HILI-4.2", "MIAO-5.2")


def test_nothing_kept_tells_which_photo_it_was(client, photo):
    post(client, photo)
    post(client, photo, "another")
    rows = list(IdempotencyKey.objects.values())
    kept = json.dumps(rows, default=str)
    for secret in (KEY, hashlib.sha256(photo).hexdigest(), hashlib.sha1(photo).hexdigest()):
        assert secret not in kept
    assert len({row["fingerprint"] for row in rows}) == 2, "the same photo, twice"


@ENDS
def test_a_key_past_its_time_is_missed_and_swept(client, photo):
    post(client, photo)
    later = timezone.now() + idempotency.KEPT + dt.timedelta(hours=2)
    PhotoJob.objects.all().delete()
    Media.objects.all().delete()
    assert past_their_deadline(later) == 1
    sweep(later)
    assert not IdempotencyKey.objects.exists()
    assert past_their_deadline(later) == 0


@pytest.mark.clause("HILI-6", "AIART-5.1", "MIAO-8.2a")
def test_with_the_photo_goes_the_hash_and_the_key_stays_taken(client, photo):
    job_id = post(client, photo).json()["id"]
    batch = post_many(client, [photo, photo], "many").json()
    for gone in (job_id, batch["accepted"][0]["id"]):
        assert client.delete(f"{JOBS}{gone}/").status_code == 204
    assert set(IdempotencyKey.objects.values_list("fingerprint", flat=True)) == {""}
    for answer in (post(client, photo), post_many(client, [photo, photo], "many")):
        assert (answer.status_code, code_of(answer)) == (410, "key_spent")
    assert PhotoJob.objects.count() == 1


@pytest.mark.clause("HILI-6", "AIART-5.4", "PIXEL-6.3", "MIAO-8.3")
def test_with_the_consent_goes_the_hash(client, anna, photo):
    post(client, photo)
    withdraw_consent(subject=anna, purpose="enhance")
    assert IdempotencyKey.objects.get().fingerprint == ""
    people.agree(anna)
    assert code_of(post(client, photo)) == "key_spent"


@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_with_the_person_go_their_keys_and_nobody_elses(client, anna, ben, photo):
    post(client, photo)
    post(people.client_of(ben), photo)
    exercise.cancel_account(subject_ref=known_subject_ref(anna))
    assert IdempotencyKey.objects.get().subject_ref == known_subject_ref(ben)
    wind_down()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.clause("HILI-6", "AIART-5.1", "PIXEL-6.1", "MIAO-8.1")
def test_a_person_is_told_of_their_keys_and_not_what_they_hold(client, anna, photo):
    post(client, photo)
    held = held_about(known_subject_ref(anna))["idempotencykey"]
    assert [set(row) for row in held] == [{"created_at", "answered_at", "expires_at"}]
