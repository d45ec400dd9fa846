"""Photos travel to a Hili-compatible service over real connections, and back. Each is paid once."""

from __future__ import annotations

import io

import pytest
from PIL import Image

import django_hili
from django_hili.codes import Code
from django_hili.jobs.queries import result_of
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
from django_hili.privacy.sweep import sweep
from tests import photos
from tests.vendors import charges, vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture(params=["upload"])
def vendor(request, settings):
    """A sandbox of its own for each test."""
    with vendor_for(settings, charging=request.param) as sandbox:
        yield sandbox


def send_one(user, **words) -> PhotoJob:
    wishes = words or {"operations": ["repair"]}
    return django_hili.enhance(photos.jpeg(), subject=user, **wishes)


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


def test_the_vendors_handle_is_forgotten_with_the_vendors_copy(anna, vendor, work):
    send_one(anna)
    work()
    row = Disclosure.objects.get()
    assert row.handle
    sweep(row.vendor_due_at)
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
    from django_hili.jobs import breakers

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
    import datetime as dt

    from django_hili.jobs import remote

    monkeypatch.setattr(remote, "SAFETY", dt.timedelta(hours=2))
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
