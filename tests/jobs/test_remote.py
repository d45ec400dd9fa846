"""Photos travel to a Hili-compatible service over real connections, and back. Each is paid once."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.utils import timezone
from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import HiliConfigurationError
from django_hili.imaging.encode import SourceType, mark_of
from django_hili.jobs.moves import breakers, send
from django_hili.jobs.queries import result_of
from django_hili.jobs.worker import inbound, poll, remote
from django_hili.media import vault
from django_hili.models import (
    Breaker,
    Disclosure,
    HeldReason,
    JobStatus,
    Media,
    PhotoJob,
    ProviderState,
    SendState,
)
from django_hili.privacy.erasure.sweep import sweep
from django_hili.providers.hili import HiliProvider
from django_hili.providers.registry import capabilities_of
from tests import people, photos
from tests.vendors import charges, vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture(params=["upload"])
def vendor(request, settings):
    """A sandbox of its own for each test."""
    with vendor_for(settings, charging=request.param) as sandbox:
        yield sandbox


def send_one(user, **words) -> PhotoJob:
    wishes = words or {"operations": ["repair"]}
    return people.enhance(photos.jpeg(), subject=user, **wishes)


def uploads(vendor) -> int:
    return sum(entry["event"] == "accepted" for entry in vendor.control.ledger())


def test_there_and_back(anna, vendor, work, stored):
    job = send_one(anna)
    report = work()
    job.refresh_from_db()
    assert (job.status, report.done) == (JobStatus.DONE, 1)
    row = Disclosure.objects.get()
    assert (row.state, row.charged, row.provider, row.region) == (
        SendState.ANSWERED, True, "hili", "CN",
    )  # fmt: skip
    assert row.intended_at <= row.passed_at <= row.answered_at
    assert charges(vendor) == 1
    result = result_of(job)
    assert list(stored()) == [result.name]
    opened = Image.open(io.BytesIO(vault.read(result)))
    assert [round(value) for value in opened.info["dpi"]] == [300, 300]
    assert b"compositeWithTrainedAlgorithmicMedia" in vault.read(result)


@pytest.mark.parametrize("held_bytes", [inbound.HELD_BYTES, 100])
@pytest.mark.parametrize(
    ("said", "says"),
    [
        (SourceType.GENERATED, SourceType.GENERATED),
        (SourceType.MODEL, SourceType.MODEL),
        (SourceType.ENHANCED, SourceType.MODEL),
    ],
)
def test_what_a_photo_says_of_its_making_is_never_weakened(
    anna, vendor, work, monkeypatch, held_bytes, said, says
):
    monkeypatch.setattr(inbound, "HELD_BYTES", held_bytes)
    vendor.control.set(mode="engine")  # what it makes holds no metadata, as a real vendor's
    content = photos.saved(photos.picture(), "JPEG", xmp=said.xmp)
    job = people.enhance(content, operations=["repair"], subject=anna)
    work()
    result = vault.read(result_of(job))
    assert mark_of(result) is says
    assert result.count(b"DigitalSourceType=") == 1


def test_the_vendors_handle_is_forgotten_once_it_is_known_what_became_of_its_copy(
    anna, vendor, work
):
    send_one(anna)
    work()
    row = Disclosure.objects.get()
    assert row.handle
    sweep(row.vendor_due_at + dt.timedelta(hours=25))  # nobody could be asked meanwhile
    row.refresh_from_db()
    assert (row.handle, row.charged) == ("", True)


def test_many_at_once_each_once(anna, vendor, work):
    vendor.control.processing(0.2, 0.8)
    for _ in range(30):
        send_one(anna)
    report = work()
    assert report.done == 30
    assert charges(vendor) == 30
    assert Disclosure.objects.filter(state=SendState.ANSWERED).count() == 30
    assert Media.objects.count() == 30


def test_no_credits_wait_and_do_not_fail(anna, vendor, work, monkeypatch):
    from django_hili.jobs.moves import breakers

    monkeypatch.setattr(breakers, "_FIRST_PAUSE", dict.fromkeys(Breaker, 1.0))
    monkeypatch.setattr(breakers, "_LONGEST_PAUSE", 1.0)
    vendor.control.fault("no_credits", "uploads", times=2)
    job = send_one(anna)
    report = work()
    job.refresh_from_db()
    assert (job.status, job.attempts) == (JobStatus.DONE, 1)
    assert report.again == 2
    assert charges(vendor) == 1
    assert ProviderState.objects.get().breaker == Breaker.CLOSED
    refused = Disclosure.objects.filter(state=SendState.REFUSED)
    assert set(refused.values_list("charged", flat=True)) == {False}


def test_a_scale_may_be_left_to_the_vendor(anna, vendor, work):
    job = people.enhance(photos.jpeg(), operations=["sr"], subject=anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.scale) == (JobStatus.DONE, None)
    assert result_of(job).width


def test_no_photo_begins_to_leave_while_the_vendor_said_to_wait(anna, vendor, work):
    vendor.control.fault("slow", "uploads", seconds=0.5)
    vendor.control.fault("rate_limited", "uploads", times=1, skip=3, retry_after=5)
    for _ in range(30):
        send_one(anna)
    report = work()
    assert report.done == charges(vendor) == 30
    told = Disclosure.objects.get(vendor_words__contains="429").answered_at
    passed = Disclosure.objects.filter(passed_at__gt=told).values_list("passed_at", flat=True)
    after = [(moment - told).total_seconds() for moment in passed]
    # Those that were on their way already arrive.
    assert [seconds for seconds in after if 2 < seconds < 5] == []
    assert len([seconds for seconds in after if seconds < 2]) < 8
    assert len(after) > 15


def test_a_lost_answer_is_held_and_not_sent_again(anna, vendor, work):
    vendor.control.fault("lost_answer", "uploads", times=1)
    job = send_one(anna)
    report = work()
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.SEND_UNKNOWN)
    assert (report.held, report.done) == (1, 0)
    row = Disclosure.objects.get()
    assert (row.state, row.charged) == (SendState.UNKNOWN, None)
    assert charges(vendor) == 1
    work()
    assert charges(vendor) == 1


@pytest.mark.parametrize("vendor", ["download"], indirect=True)
def test_where_downloads_are_charged_a_lost_answer_is_sent_again(anna, vendor, work):
    vendor.control.fault("lost_answer", "uploads", times=1)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1


@pytest.mark.parametrize("vendor", ["download"], indirect=True)
@pytest.mark.parametrize("trouble", [None, "cut_short"])
def test_where_downloads_are_charged_the_ledger_says_what_was_paid(anna, vendor, work, trouble):
    if trouble:
        vendor.control.fault(trouble, "file", times=1)
    job = send_one(anna)
    assert Disclosure.objects.filter(charged=True).count() == 0
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert (charges(vendor), Disclosure.objects.get(job=job).charged) == (1, True)


@pytest.mark.parametrize("vendor", ["download"], indirect=True)
@pytest.mark.parametrize(
    ("trouble", "words"),
    [("http_error", {"status": 404}), ("wrong_file", {"what": "text"}), ("cut_short", {})],
)
def test_a_result_that_was_granted_and_never_came_is_paid_all_the_same(
    anna, vendor, work, monkeypatch, trouble, words
):
    monkeypatch.setattr(remote, "OUTAGES", frozenset())
    vendor.control.fault(trouble, "file", **words)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert (charges(vendor), Disclosure.objects.get().charged) == (1, True)


@pytest.mark.parametrize("fails", ["secret_key", "third_code"])
def test_a_secret_that_cannot_be_had_now_is_waited_for(anna, vendor, work, settings, fails):
    options = settings.HILI["PROVIDERS"]["hili"]["OPTIONS"]
    given, asked = options[fails], []

    def giver() -> str:
        asked.append(True)
        if len(asked) <= 8:
            raise ConnectionError("vault.example.org said hvs.CAESI")
        return given

    options[fails] = giver
    jobs = [send_one(anna) for _ in range(3)]
    real, pauses = breakers._pause, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(breakers, "_pause", lambda *a: pauses.append(real(*a)) or 0.2)
        work()
    assert min(pauses) >= 60
    assert set(PhotoJob.objects.values_list("status", "code")) == {(JobStatus.DONE, "")}
    assert charges(vendor) == len(jobs)
    words = "".join(Disclosure.objects.values_list("vendor_words", flat=True))
    assert "hvs" not in words


def test_a_photo_the_vendor_cannot_read_fails_and_costs_nothing(anna, vendor, work):
    vendor.control.fault("errno", "uploads", times=1, errno=9009)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.PROVIDER_DAMAGED_PHOTO)
    assert charges(vendor) == 0


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [("http_error", "status"), ("html", "status"), ("broken_json", "status"),
     ("lost_answer", "status"), ("wrong_ids", "status"), ("http_error", "download"),
     ("broken_json", "download"), ("lost_answer", "download"), ("cut_short", "file"),
     ("lost_answer", "file"), ("http_error", "file")],
)  # fmt: skip
def test_hiccups_after_the_send_cost_nothing(anna, vendor, work, kind, endpoint):
    vendor.control.fault(kind, endpoint, times=2)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1


def test_a_paid_photo_outlives_many_answers_that_say_nothing(anna, vendor, work, monkeypatch):
    monkeypatch.setattr(poll, "TICK", 0.1)
    monkeypatch.setattr(poll.random, "uniform", lambda least, _most: least)
    vendor.control.fault("broken_json", "download", times=5)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1


def test_a_result_waits_as_long_as_the_vendor_says(anna, vendor, work, monkeypatch):
    waits = []
    ask_later = poll.InFlight.ask_later

    def remembered(photo, failures, told=None):
        waits.append(told)
        ask_later(photo, failures, told)

    monkeypatch.setattr(poll.InFlight, "ask_later", remembered)
    vendor.control.fault("rate_limited", "download", retry_after=2, times=1)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert waits == [2.0]


def test_a_picture_the_vendor_fails_fails_the_job(anna, vendor, work):
    vendor.control.fault("fails", "uploads", times=1)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.PROVIDER_PROCESSING_FAILED)
    assert not Media.objects.exists()


@pytest.mark.parametrize("what", ["html", "text", "truncated"])
def test_what_comes_back_is_no_photo(anna, vendor, work, what, stored):
    vendor.control.fault("wrong_file", "file", what=what)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert stored() == {}


def test_a_result_at_a_foreign_address_is_refused(anna, vendor, work):
    vendor.control.fault("result_url", "download", url="http://169.254.169.254/latest/")
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.RESULT_ADDRESS_REFUSED)


def test_a_result_the_vendor_is_about_to_delete_is_given_up(anna, vendor, work, monkeypatch):
    monkeypatch.setattr(poll, "SAFETY", dt.timedelta(hours=2))
    vendor.control.processing(30)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.PROVIDER_COPY_GONE)
    assert charges(vendor) == 1


def test_nothing_secret_is_written_down(anna, vendor, work, caplog):
    from tests.acceptance.test_residue import everything_kept

    caplog.set_level("DEBUG")
    send_one(anna)
    work()
    kept = everything_kept()
    for secret in (vendor.secret_key, vendor.base_url, f":{vendor.port}"):
        assert secret.encode() not in kept
        assert secret not in caplog.text


@pytest.mark.parametrize("attempts", [1, 3, 30])
def test_a_free_send_without_an_answer_goes_out_again_after_a_pause(anna, attempts, settings):
    with vendor_for(settings, charging="download"):
        job = send_one(anna)
        now = timezone.now()
        PhotoJob.objects.update(status=JobStatus.SENDING, token=1, attempts=attempts)
        job.refresh_from_db()
        capabilities = capabilities_of("hili")
        row = send.intend(jobs=[job], sizes={job.pk: 1}, capabilities=capabilities, now=now)[job.pk]
        send.doubt_that_is_free(job=job, send=row, words="", now=now)
        job.refresh_from_db()
        assert job.status == JobStatus.QUEUED
        pause = dt.timedelta(seconds={1: 2, 3: 8, 30: 64}[attempts])
        assert job.due_at - now == pause


def test_a_provider_that_breaks_after_a_free_send_does_not_send_it_again_and_again(
    anna, settings, work, monkeypatch
):
    sent = []

    async def breaks(self, upload, enhancement, *, barrier):
        sent.append(True)
        await barrier()
        raise RuntimeError

    monkeypatch.setattr(HiliProvider, "send", breaks)
    with vendor_for(settings, charging="download"):
        job = send_one(anna)
        work(time_cap=dt.timedelta(seconds=3))
    job.refresh_from_db()
    assert (len(sent), job.status, job.code) == (1, JobStatus.FAILED, Code.INTERNAL_ERROR)
    row = Disclosure.objects.get()
    assert (row.state, row.charged) == (SendState.UNKNOWN, False)


def test_a_provider_whose_lane_breaks_down_stops_no_other(anna, vendor, work, settings, caplog):
    settings.HILI["PROVIDERS"]["local"] = {"BACKEND": "django_hili.providers.local.LocalProvider"}
    job = people.enhance(photos.jpeg(), operations=["repair"], subject=anna, provider="local")

    async def broken(lane):
        raise HiliConfigurationError("unreadable")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote.RemoteLane, "tick", broken)
        work(time_cap=dt.timedelta(seconds=30))
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert "'hili'" in caplog.text
    assert "HiliConfigurationError" in caplog.text
