"""What a person may do with jobs over HTTP, and what staff may do with providers."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

import django_hili
from django_hili.models import (
    Breaker,
    Disclosure,
    HeldReason,
    JobStatus,
    Media,
    PhotoBatch,
    PhotoJob,
    ProviderState,
)
from django_hili.privacy.rights.withdrawal import withdraw_consent
from tests import people, photos
from tests.host.models import Portrait
from tests.vendors import charges, vendor_for

pytestmark = pytest.mark.django_db(transaction=True)
API = "/hili/api/v1/"
JOBS, BATCHES, PROVIDERS = f"{API}jobs/", f"{API}batches/", f"{API}providers/"


def as_user(user) -> Client:
    return people.client_of(user)


@pytest.fixture
def client(anna):
    return as_user(anna)


@pytest.fixture
def job(anna, photo) -> PhotoJob:
    return people.enhance(photo, operations=["sr"], scale=2, subject=anna)


@pytest.fixture
def staff(django_user_model):
    user = django_user_model.objects.create_user("staff", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_providerstate"))
    return user


@pytest.fixture
def failed(anna, photo) -> PhotoJob:
    portrait = Portrait(owner=anna, title="Ada")
    portrait.image.save("a.jpg", ContentFile(photo))
    made = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    django_hili.cancel(job_id=made.pk)
    PhotoJob.objects.filter(pk=made.pk).update(status="failed", code="engine_crashed")
    return made


def files(*contents):
    return [SimpleUploadedFile("CANARYFILENAME.jpg", content, "image/jpeg") for content in contents]


def problem(answer, status: int, code: str) -> dict:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "private, no-store"
    return answer.json()


# Jobs.


def test_a_job_is_held_and_released(client, job):
    held = client.post(f"{JOBS}{job.pk}/hold/").json()
    assert (held["status"], held["held_reason"], held["charged"]) == ("held", "on_request", False)
    problem(client.post(f"{JOBS}{job.pk}/hold/"), 409, "job_changed")
    free = client.post(f"{JOBS}{job.pk}/release/").json()
    assert (free["status"], free["held_reason"], free["credits"]) == ("queued", "", 0)
    problem(client.post(f"{JOBS}{job.pk}/release/"), 409, "job_changed")


def test_a_possible_charge_has_to_be_accepted_by_name(client, job):
    doubt = {"status": JobStatus.HELD, "held_reason": HeldReason.SEND_UNKNOWN}
    PhotoJob.objects.filter(pk=job.pk).update(**doubt)
    for body in ({}, {"accept_possible_charge": False}):
        answer = client.post(f"{JOBS}{job.pk}/release/", body, "application/json")
        problem(answer, 409, "charge_not_accepted")
    answer = client.post(
        f"{JOBS}{job.pk}/release/", {"accept_possible_charge": True}, "application/json"
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")


def test_an_approval_cannot_be_skipped_by_its_owner(client, job):
    wait = {"status": JobStatus.HELD, "held_reason": HeldReason.APPROVAL_NEEDED}
    PhotoJob.objects.filter(pk=job.pk).update(**wait)
    answer = client.post(f"{JOBS}{job.pk}/release/", {"accept_possible_charge": "true"})
    problem(answer, 409, "release_not_allowed")


def test_a_failed_job_is_retried_as_a_new_one(client, failed):
    answer = client.post(f"{JOBS}{failed.pk}/retry/")
    body = answer.json()
    assert (answer.status_code, body["status"], body["again_of"]) == (202, "queued", str(failed.pk))
    assert answer["Location"].endswith(f"{JOBS}{body['id']}/")
    problem(client.post(f"{JOBS}{failed.pk}/retry/"), 409, "job_repeated")


def test_what_is_kept_nowhere_has_to_be_uploaded_again(client, job):
    django_hili.cancel(job_id=job.pk)
    problem(client.post(f"{JOBS}{job.pk}/again/", {"scale": 4}), 410, "upload_again")


def test_a_photo_is_processed_again_with_other_choices(client, failed):
    address = f"{JOBS}{failed.pk}/again/"
    dry = client.post(address, {"scale": 4, "dry_run": True}, "application/json").json()
    assert (dry["allowed"], dry["origin"], dry["credits"], dry["scale"]) == (True, "host", 0, 4)
    assert PhotoJob.objects.count() == 1
    answer = client.post(address, {"scale": 4}, "application/json")
    assert (answer.status_code, answer.json()["scale"]) == (202, 4)
    errors = problem(client.post(address, {"scale": 3}), 422, "scale_unsupported")["errors"]
    assert errors[0]["field"] == "scale"


def test_another_persons_job_is_not_there_for_any_verb(job, failed, ben):
    other = as_user(ben)
    for made in (job, failed):
        for verb in ("hold", "release", "retry", "again"):
            problem(other.post(f"{JOBS}{made.pk}/{verb}/"), 404, "not_found")
    job.refresh_from_db()
    assert (job.status, PhotoJob.objects.count()) == (JobStatus.QUEUED, 2)
    for verb in ("hold", "release", "retry", "again"):
        assert Client().post(f"{JOBS}{job.pk}/{verb}/").status_code in {401, 403}
        assert as_user(ben).get(f"{JOBS}{job.pk}/{verb}/").status_code == 405


def test_jobs_are_filtered(client, job, failed):
    def ids(query):
        return [line["id"] for line in client.get(f"{JOBS}?{query}").json()["results"]]

    assert ids("status=failed") == [str(failed.pk)]
    assert ids("status=queued&provider=local") == [str(job.pk)]
    assert ids("provider=moon") == []
    assert ids(f"batch={uuid.uuid4()}") == []
    problem(client.get(f"{JOBS}?status=lost"), 422, "option_invalid")
    problem(client.get(f"{JOBS}?batch=x"), 422, "option_invalid")


@pytest.mark.process
@pytest.mark.usefixtures("atomic_requests")
def test_the_vendors_copy_is_processed_again_over_http(settings, client, anna, work, photo):
    with vendor_for(settings) as vendor:
        job = people.enhance(photo, operations=["repair"], subject=anna)
        work()
        dry = client.post(f"{JOBS}{job.pk}/again/", {"operations": "sr", "scale": 2, "dry_run": 1})
        assert (dry.json()["origin"], dry.json()["credits"]) == ("provider", 1)
        answer = client.post(f"{JOBS}{job.pk}/again/", {"operations": "sr", "scale": 2})
        assert (answer.status_code, answer.json()["status"]) == (202, "processing")
        vendor.control.fault("no_credits", "uploads", times=1)
        refusal = client.post(f"{JOBS}{job.pk}/again/", {"operations": "sr", "scale": 4})
        problem(refusal, 503, "provider_no_credits")
        work()
        assert client.get(answer["Location"]).json()["status"] == "done"
        assert charges(vendor) == 2


def addresses(patterns, before=""):
    for pattern in patterns:
        where = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, where)
        else:
            yield where, pattern


def test_no_transaction_is_opened_around_what_may_send():
    """Neither here nor in the admin, whatever of a view is overridden."""
    staff = {f"django_hili_photojob_{name}" for name in ("changelist", "do", "again")}
    ours = {
        where: pattern
        for where, pattern in addresses(get_resolver().url_patterns)
        if where.startswith("hili/api/") or pattern.name in staff
    }
    assert len(ours) > 30
    marks = {where: getattr(pattern.callback, "_non_atomic_requests", set())
             for where, pattern in ours.items()}  # fmt: skip
    assert {where for where, mark in marks.items() if mark != set(connections)} == set()


# Batches.


def test_many_photos_in_one_request(client, photo):
    data = {"photos": files(photo, photos.truncated_jpeg(), photo), "operations": "sr", "scale": 2}
    answer = client.post(BATCHES, data)
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"{BATCHES}{body['id']}/")
    assert (body["total"], body["counts"]) == (2, {"queued": 2})
    assert [(line["index"], line["code"]) for line in body["refused"]] == [(1, "photo_damaged")]
    listed = client.get(body["jobs"]).json()["results"]
    assert {line["id"] for line in listed} == {line["id"] for line in body["accepted"]}
    assert {line["batch"] for line in listed} == {body["id"]}
    django_hili.hold(job_id=listed[0]["id"])
    detail = client.get(answer["Location"]).json()
    assert detail["counts"] == {"queued": 1, "held": 1}
    ended = client.post(f"{BATCHES}{body['id']}/cancel/").json()
    assert (ended["cancelled"], ended["charged"], ended["counts"]) == (2, 0, {"cancelled": 2})
    again = client.post(f"{BATCHES}{body['id']}/cancel/").json()
    assert (again["cancelled"], again["ended_before"]) == (0, 2)


def test_a_batch_of_bad_photos_is_a_problem_and_leaves_nothing(client, stored):
    data = {"photos": files(photos.truncated_jpeg()), "operations": "sr", "scale": 2}
    errors = problem(client.post(BATCHES, data), 422, "photo_damaged")["errors"]
    assert errors[0]["field"] == "photos[0]"
    problem(client.post(BATCHES, {"operations": "sr", "scale": 2}), 422, "photo_missing")
    assert stored() == {}
    assert not PhotoBatch.objects.exists()


def test_too_many_photos_are_refused_before_they_are_held(settings, client, photo, stored):
    settings.HILI = {"LIMITS": {"MAX_PHOTOS_PER_BATCH": 2}}
    data = {"photos": files(photo, photo, photo), "operations": "sr", "scale": 2}
    problem(client.post(BATCHES, data), 413, "batch_too_large")
    settings.HILI = {}
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    data["photos"] = files(photo, photo, photo)
    problem(client.post(BATCHES, data), 413, "batch_too_large")
    assert stored() == {}


def test_the_first_photo_too_many_ends_the_request(settings, client, photo, monkeypatch):
    from django_hili.media.uploads import SealedUploadHandler

    settings.HILI = {"LIMITS": {"MAX_PHOTOS_PER_BATCH": 2}}
    taken = []
    real = SealedUploadHandler.file_complete
    monkeypatch.setattr(
        SealedUploadHandler,
        "file_complete",
        lambda self, size: taken.append(size) or real(self, size),
    )
    data = {"photos": files(photo, photo, photo, photo), "operations": "sr", "scale": 2}
    problem(client.post(BATCHES, data), 413, "batch_too_large")
    assert len(taken) == 2


def test_a_body_too_large_is_refused_before_it_is_read(settings, client, stored):
    settings.HILI = {"LIMITS": {"MAX_BYTES_PER_BATCH": 1_000_000}}
    data = {"photos": files(b"x" * 1_100_000, b"x" * 1_100_000), "operations": "sr", "scale": 2}
    problem(client.post(BATCHES, data), 413, "batch_too_heavy")
    assert stored() == {}


@pytest.mark.process
def test_a_batch_over_its_cap_stores_nothing(settings, client, photo, stored):
    with vendor_for(settings) as vendor:
        data = {"photos": files(photo, photo), "operations": "repair", "max_credits": 1}
        errors = problem(client.post(BATCHES, data), 422, "batch_too_costly")["errors"]
        assert errors[0]["field"] == "max_credits"
        assert charges(vendor) == 0
    assert stored() == {}
    assert not Media.objects.exists()
    assert not PhotoBatch.objects.exists()


def test_another_persons_batch_is_not_there(client, ben, photo):
    data = {"photos": files(photo), "operations": "sr", "scale": 2}
    made = client.post(BATCHES, data).json()
    other = as_user(ben)
    assert other.get(BATCHES).json()["results"] == []
    problem(other.get(f"{BATCHES}{made['id']}/"), 404, "not_found")
    problem(other.post(f"{BATCHES}{made['id']}/cancel/"), 404, "not_found")
    assert PhotoJob.objects.get().status == JobStatus.QUEUED
    assert Client().get(BATCHES).status_code in {401, 403}


def test_a_batch_of_staff_does_not_show_other_peoples_jobs(client, staff, anna, photo):
    from django_hili.jobs.batch import Item, submit_many
    from django_hili.jobs.submit import plan

    people.agree(anna)
    submit_many(
        [Item(photo, anna)], enhancement=plan(preset="photo-4x"), requested_by=staff,
        people_agreed=True,
    )  # fmt: skip
    other = as_user(staff)
    (made,) = other.get(BATCHES).json()["results"]
    assert (made["total"], made["counts"]) == (0, {})
    assert other.post(f"{BATCHES}{made['id']}/cancel/").json()["cancelled"] == 0
    assert PhotoJob.objects.get().status == JobStatus.QUEUED
    assert client.get(BATCHES).json()["results"] == []


def test_a_list_of_batches_costs_two_queries_of_ours(client, photo, django_assert_num_queries):
    for _ in range(3):
        client.post(BATCHES, {"photos": files(photo), "operations": "sr", "scale": 2})
    with django_assert_num_queries(4):
        assert len(client.get(BATCHES).json()["results"]) == 3


# Estimates.


@pytest.mark.process
def test_an_estimate_stores_and_sends_nothing(settings, client, staff, stored):
    with vendor_for(settings) as vendor:
        django_hili.refresh_balance(provider="hili")
        wish = {"preset": "photo-4x", "photos": 3}
        body = client.post(f"{API}estimate/", wish, "application/json").json()
        assert (body["allowed"], body["credits"], body["provider"]) == (True, 3, "hili")
        assert (body["region"], body["copy_kept_seconds"]) == ("CN", 3600)
        assert not {"balance", "affordable"} & set(body)
        capped = client.post(f"{API}estimate/", {**wish, "max_credits": 2}).json()
        assert (capped["allowed"], capped["errors"][0]["code"]) == (False, "batch_too_costly")
        seen = as_user(staff).post(f"{API}estimate/", wish).json()
        assert (seen["balance"]["left"], seen["affordable"]) == (1000, True)
        assert charges(vendor) == 0
    assert stored() == {}
    assert not PhotoJob.objects.exists()
    assert not Disclosure.objects.exists()
    assert Client().post(f"{API}estimate/", {"preset": "photo-4x"}).status_code in {401, 403}
    problem(client.post(f"{API}estimate/", {"photos": 0}), 422, "option_invalid")
    problem(client.post(f"{API}estimate/", {"preset": "wedding"}), 422, "preset_unknown")


# Providers and presets.


@pytest.fixture
def both(settings):
    with vendor_for(settings) as vendor:
        local = {"BACKEND": "django_hili.providers.local.LocalProvider"}
        known = {**settings.HILI["PROVIDERS"], "local": local}
        settings.HILI = {**settings.HILI, "PROVIDERS": known}
        yield vendor


@pytest.mark.process
def test_providers_say_what_they_can_do_and_cost(client, both):
    hili, local = client.get(PROVIDERS).json()
    assert (hili["alias"], hili["is_default"], hili["is_remote"]) == ("hili", True, True)
    assert (hili["region"], hili["copy_kept_seconds"]) == ("CN", 3600)
    assert (hili["credits_per_photo"], hili["can_repeat"]) == (1, True)
    assert (local["credits_per_photo"], local["is_remote"]) == (0, False)
    assert local["operations"]["sr"] == {"available": True, "reason": None}
    assert hili["limits"]["result_side"] == 6000
    assert "credits" not in hili
    text = client.get(PROVIDERS).content.decode()
    for hidden in (both.third_code, both.secret_key, both.base_url):
        assert hidden not in text
    assert client.get(f"{PROVIDERS}local/").json() == local
    problem(client.get(f"{PROVIDERS}moon/"), 404, "not_found")
    assert Client().get(PROVIDERS).status_code in {401, 403}


@pytest.mark.process
def test_a_scale_may_be_left_out_where_the_provider_picks_one(client, anna, both, photo):
    hili, local = client.get(PROVIDERS).json()
    assert (hili["picks_scale"], local["picks_scale"]) == (True, False)
    for path in ("estimate/", "jobs/"):
        words = {"operations": ["sr"], "people_agreed": True}
        told = client.post(f"{API}{path}", {**words, "photo": files(photo)[0], "provider": "local"})
        assert "scale_missing" in told.content.decode()
    assert not PhotoJob.objects.exists()
    people.agree(anna)
    made = client.post(JOBS, {**words, "photo": files(photo)[0], "provider": "hili"})
    assert (made.status_code, made.json()["scale"]) == (202, None), made.content


@pytest.mark.process
def test_states_of_a_provider(client, both):
    assert client.get(f"{PROVIDERS}hili/").json()["state"] == "available"
    ProviderState.objects.create(alias="hili", breaker=Breaker.NO_CREDITS)
    assert client.get(f"{PROVIDERS}hili/").json()["state"] == "no_credits"
    django_hili.pause(provider="hili")
    assert client.get(f"{PROVIDERS}hili/").json()["state"] == "paused"


@pytest.mark.process
def test_staff_see_credits_with_their_age_and_manage_providers(client, staff, anna, both, photo):
    desk = as_user(staff)
    people.enhance(photo, operations=["sr"], scale=2, subject=anna, provider="local")
    assert desk.get(f"{PROVIDERS}hili/").json()["credits"]["left"] is None
    counted = desk.post(f"{PROVIDERS}hili/refresh/").json()["credits"]
    assert (counted["left"], counted["age_seconds"] < 20) == (1000, True)
    assert desk.get(f"{PROVIDERS}local/").json()["credits"] is None
    problem(desk.post(f"{PROVIDERS}local/refresh/"), 409, "provider_without_credits")
    paused = desk.post(f"{PROVIDERS}local/pause/").json()
    assert (paused["state"], paused["jobs_held"]) == ("paused", 1)
    assert desk.post(f"{PROVIDERS}local/resume/").json()["jobs_released"] == 1
    problem(desk.post(f"{PROVIDERS}moon/pause/"), 404, "not_found")
    for verb in ("pause", "resume", "refresh"):
        problem(client.post(f"{PROVIDERS}hili/{verb}/"), 403, "permission_denied")
    staff.user_permissions.clear()
    problem(as_user(type(staff).objects.get(pk=staff.pk)).post(f"{PROVIDERS}hili/pause/"),
            403, "permission_denied")  # fmt: skip
    assert not ProviderState.objects.get(alias="hili").is_paused


@pytest.mark.process
def test_staff_read_what_a_month_has_cost(client, staff, anna, both, photo, work):
    people.enhance(photo, operations=["repair"], subject=anna, requested_by=anna)
    work()
    desk, this_month = as_user(staff), f"{timezone.localdate():%Y-%m}"
    line = {
        "provider": "hili", "user": "anna", "operations": ["repair"], "sent": 1, "charged": 1,
        "not_known": 0,
    }  # fmt: skip
    body = {"month": this_month, "charged": 1, "not_known": 0, "lines": [line]}
    assert desk.get(f"{API}credits/").json() == body
    assert desk.get(f"{API}credits/?month={this_month}&provider=hili").json() == body
    for answer in (
        desk.get(f"{API}credits/?format=csv"),
        desk.get(f"{API}credits/", headers={"Accept": "text/csv"}),
    ):
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert "no-store" in answer["Cache-Control"]
        name = f'attachment; filename="credits-{this_month}.csv"'
        assert answer["Content-Disposition"] == name
        rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
        assert [(row["user"], row["operations"], row["charged"]) for row in rows] == [
            ("anna", "repair", "1")
        ]
    assert desk.get(f"{API}credits/?month=2020-01").json()["lines"] == []
    assert desk.get(f"{API}credits/?provider=local").json()["lines"] == []
    problem(desk.get(f"{API}credits/?provider=moon"), 404, "not_found")
    problem(desk.get(f"{API}credits/?month=11/2026&format=csv"), 422, "option_invalid")
    problem(client.get(f"{API}credits/?format=csv"), 403, "permission_denied")
    assert Client().get(f"{API}credits/").status_code in {401, 403}


@pytest.mark.process
def test_presets_say_who_can_do_them(client, both):
    presets = {line["name"]: line for line in client.get(f"{API}presets/").json()}
    assert presets["photo-repair-2x"]["operations"] == ["repair", "sr"]
    assert presets["photo-4x"]["providers"] == ["hili", "local"]
    of_local = client.get(f"{API}presets/?provider=local").json()
    assert all("local" in line["providers"] for line in of_local)
    problem(client.get(f"{API}presets/?provider=moon"), 422, "provider_unknown")


# Throttles.


def test_a_site_may_throttle_what_is_submitted_apart_from_what_is_asked(settings, client, photo):
    cache.clear()
    rates = {"hili-submit": "2/min", "hili-poll": "9/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    data = {"operations": "sr", "scale": 2}
    codes = [client.post(JOBS, {"photo": files(photo)[0], **data}).status_code for _ in range(3)]
    assert codes == [202, 202, 429]
    refused = client.post(BATCHES, {"photos": files(photo), **data})
    assert int(refused["Retry-After"]) > 0
    problem(refused, 429, "throttled")
    assert client.get(JOBS).status_code == 200
    cache.clear()


def test_without_rates_nothing_is_throttled(client, job):
    assert {client.get(JOBS).status_code for _ in range(30)} == {200}


@pytest.mark.clause("PIXEL-4.4a", "HILI-4.2")
def test_a_person_keeps_a_result_for_longer(client, anna, ben, job, work):
    work()
    address = f"{JOBS}{job.pk}/keep/"
    until = (timezone.now() + timedelta(days=90)).replace(microsecond=0)
    words = {"until": until.isoformat()}
    assert as_user(ben).post(address, words).status_code == 404
    body = client.post(address, words).json()
    assert body["moved"] is True
    assert body["result"]["kept_until"] == until.isoformat().replace("+00:00", "Z")
    assert Media.objects.live().get(job=job).expires_at == until
    assert client.post(address, words).json()["moved"] is False
    late = client.post(address, {"until": (until + timedelta(days=300)).isoformat()})
    assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "kept_too_long")
    withdraw_consent(subject=anna, purpose="longer")
    browser = Client()
    browser.force_login(anna)
    assert browser.post(address, words).status_code == 403
    assert browser.post(address, {"until": "soon"}).status_code == 422
