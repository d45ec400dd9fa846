"""The audit is silent about a site in order, and finds one of every violation that is planted."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import uuid
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media.keystore import key_store
from django_hili.media.storages import photo_storage
from django_hili.models import (
    AgeBand,
    Basis,
    Case,
    CaseKind,
    CaseState,
    Disclosure,
    Handover,
    JobStatus,
    Media,
    MediaKind,
    MediaState,
    Message,
    MessageKind,
    PhotoBatch,
    PhotoJob,
    Receipt,
    Subject,
)
from django_hili.privacy.audit import invariants
from django_hili.privacy.audit.check import audit
from django_hili.privacy.erasure.orphans import sweep_orphans
from django_hili.privacy.evidence.receipts import Event, append
from tests import people
from tests.vendors import vendor_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.clause("HILI-5c", "AIART-4.2.2", "PIXEL-4.1b", "MIAO-7.3c"),
]
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def done(anna, photo, work):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    job.refresh_from_db()
    assert job.status == "done"
    return job


@pytest.fixture
def result(done):
    return Media.objects.live().get(job=done)


def broken(now=None):
    return {answer.invariant.id for answer in audit(now=now).findings}


def test_a_site_in_order_has_no_findings(result):
    report = audit()
    assert report.is_clean, report.findings
    assert {answer.invariant.id for answer in report.answers} == {
        invariant.id for invariant in invariants.INVARIANTS
    }


def test_the_audit_writes_nothing(result):
    before = [*Media.objects.values(), *PhotoJob.objects.values(), *Receipt.objects.values()]
    written = []

    def watch(execute, sql, params, many, context):
        if not sql.lstrip().upper().startswith("SELECT"):
            written.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        audit()
    assert written == []
    assert [
        *Media.objects.values(),
        *PhotoJob.objects.values(),
        *Receipt.objects.values(),
    ] == before


def test_a_handle_without_a_deadline(done):
    send(done, handle="h", vendor_due_at=None)
    assert "INV-03" in broken(timezone.now() + HOUR)


def test_a_handle_that_its_job_still_needs_is_none(done):
    """The vendor states no retention, and the photo is there right now."""
    send(done, handle="h", vendor_due_at=None)
    PhotoJob.objects.filter(pk=done.pk).update(status=JobStatus.PROCESSING, ended_at=None)
    assert "INV-03" not in broken(timezone.now() + HOUR)


@pytest.mark.parametrize("word", ["gone", "taken back"])
def test_a_live_photo_without_a_consent(result, done, word):
    with connection.cursor() as cursor:
        if word == "gone":
            cursor.execute("DELETE FROM django_hili_consent WHERE purpose = 'enhance'")
        else:
            cursor.execute("UPDATE django_hili_consent SET action = 'withdraw'")
    assert broken() == {"INV-01"}
    PhotoJob.objects.filter(pk=done.pk).update(basis=Basis.ATTESTATION)
    assert broken() == set()


def test_a_storage_that_new_photos_no_longer_go_to(result, settings):
    """What lies in the storage of before is looked for there, and what is left over there too."""
    place = {"location": settings.BASE_DIR / "media"}
    new = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": place}
    settings.STORAGES = {**settings.STORAGES, "elsewhere": new}
    settings.HILI = {
        **settings.HILI, "STORAGE": "elsewhere",
        "VAULT": {"KEY_FOLDER": settings.BASE_DIR / "photos-keys",
                  "EVIDENCE_FOLDER": settings.BASE_DIR / "photos-evidence"},
    }  # fmt: skip
    assert broken() == set()
    photo_storage("hili").save(name := f"hili/ab/{secrets.token_hex(16)}", ContentFile(b"HILI"))
    tomorrow = timezone.now() + DAY
    assert "INV-06" in broken(tomorrow)
    sweep_orphans(tomorrow)
    assert not photo_storage("hili").exists(name)
    assert "INV-06" not in broken(tomorrow)
    photo_storage("hili").delete(result.name)
    assert broken() == {"INV-04"}


def test_under_a_profile_of_fourteen_a_minor_needs_no_guardian(result, done, settings):
    settings.HILI = {"PRIVACY": {**settings.HILI["PRIVACY"], "PROFILE": "miao"}}
    Subject.objects.filter(pk=done.subject_ref).update(age_band=AgeBand.MINOR)
    assert broken() == set()
    Subject.objects.filter(pk=done.subject_ref).update(age_band=AgeBand.CHILD)
    assert broken() == {"INV-13"}


@pytest.mark.parametrize("what", ["case", "words", "link", "message", "send", "batch"])
def test_something_else_past_its_deadline(result, done, anna, what):
    now, past = timezone.now(), timezone.now() - DAY
    case = {"kind": CaseKind.COMPLAIN, "received_at": now, "due_at": now + DAY, "expires_at": past}
    if what == "case":
        Case.objects.create(state=CaseState.CLOSED, **case)
    elif what == "words":
        Case.objects.create(sealed_request=b"x", **case)
    elif what == "link":
        Handover.objects.create(
            subject_ref=done.subject_ref, token_hash="x", created_at=past, expires_at=past
        )
    elif what == "message":
        Message.objects.create(
            kind=MessageKind.WIND_DOWN, user_key=anna.pk, due_at=past, expires_at=past
        )
    elif what == "send":
        send(done, outcome="confirmed", expires_at=past)
    else:
        PhotoBatch.objects.create(created_at=past, expires_at=past)
    assert broken() == {"INV-27"}
    upkeep()
    assert broken() == set()


def test_a_job_stays_with_a_result_that_is_kept_for_longer(result, done):
    PhotoJob.objects.filter(pk=done.pk).update(expires_at=timezone.now() - DAY)
    assert broken() == set()


def test_a_live_photo_whose_file_is_gone(result):
    photo_storage(result.storage).delete(result.name)
    assert broken() == {"INV-04"}


def test_a_live_photo_whose_key_is_gone(result):
    key_store().destroy(result.key_bucket)
    assert broken() == {"INV-04"}


def test_a_source_that_outlived_its_job(result):
    Media.objects.filter(pk=result.pk).update(kind=MediaKind.SOURCE)
    assert broken() == {"INV-05"}


def test_a_file_without_a_row(result, settings):
    name = f"hili/ab/{secrets.token_hex(16)}"
    photo_storage().save(name, ContentFile(b"HILI"))
    assert "INV-06" in broken(timezone.now() + DAY)


def test_a_photo_that_lies_open(result):
    Media.objects.filter(pk=result.pk).update(format_number=0)
    assert "INV-07" in broken()


def test_a_task_that_carries_something(result):
    from django_q.models import Task

    Task.objects.create(
        id="1",
        name="x",
        func="django_hili.tasks.shift",
        args=("a name",),
        started=timezone.now(),
        stopped=timezone.now(),
    )
    assert broken() == {"INV-08"}


def test_a_store_abroad(result, settings):
    settings.HILI = {
        **settings.HILI,
        "PRIVACY": {**settings.HILI["PRIVACY"], "REGIONS": {"storage": "US"}},
    }
    assert broken() == {"INV-11"}


def test_a_photo_of_a_child_nobody_agreed_for(result, done):
    Subject.objects.filter(pk=done.subject_ref).update(age_band=AgeBand.CHILD)
    assert broken() == {"INV-13"}


def test_a_field_nobody_mapped(result, monkeypatch):
    monkeypatch.setattr(invariants, "unmapped", lambda: ["subject.phone"])
    assert broken() == {"INV-14"}


def test_a_condemned_photo_with_a_key(result):
    Media.objects.filter(pk=result.pk).update(
        state=MediaState.CONDEMNED, condemned_at=timezone.now()
    )
    assert broken() == {"INV-16"}


def test_a_row_of_an_erased_photo(result):
    append([Event("erased", result.pk, {"kind": "result", "cause": "expired"})])
    assert broken() == {"INV-17"}


def test_a_vendors_copy_nobody_asked_about(done):
    send(done, vendor_due_at=timezone.now() - DAY)
    assert "INV-19" in broken()


def test_a_receipt_that_was_changed(result):
    append([Event("erased", uuid.uuid4(), {"kind": "result", "cause": "expired"})])
    Receipt.objects.filter(kind="erased").update(facts='{"cause":"requested","kind":"result"}')
    assert broken() == {"INV-20"}


def test_two_receipts_for_one_photo(result):
    event = Event("erased", uuid.uuid4(), {"kind": "result", "cause": "expired"})
    append([event, event])
    assert broken() == {"INV-20"}


def test_a_key_past_its_hour(result):
    past = (timezone.now() - DAY).replace(minute=0, second=0, microsecond=0)
    key_store().create(past)
    assert broken() == {"INV-23"}


def test_somebody_who_is_gone(result, anna):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE id = %s", [anna.pk])
    assert broken() == {"INV-25"}


def test_a_photo_past_its_deadline(result):
    assert broken(result.expires_at + DAY) >= {"INV-27"}


def test_a_request_nobody_answered(result, done):
    now = timezone.now()
    Case.objects.create(
        kind=CaseKind.COMPLAIN,
        subject_ref=done.subject_ref,
        received_at=now - 40 * DAY,
        due_at=now - DAY,
        expires_at=now + DAY,
    )
    assert broken() == {"INV-28"}


def test_the_command_fails_where_something_is_found_and_only_then(result):
    out = StringIO()
    call_command("hili_privacy", "audit", stdout=out)
    assert "FAIL" not in out.getvalue()
    photo_storage(result.storage).delete(result.name)
    with pytest.raises(CommandError):
        call_command("hili_privacy", "audit", "--json", stdout=(out := StringIO()))
    assert '"is_clean": false' in out.getvalue()


def send(job, **columns):
    """Write down a send that was answered."""
    now = timezone.now()
    Disclosure.objects.create(
        **{
            "job": job,
            "provider": "hili",
            "processor_policy": "p",
            "items": ["photo"],
            "operations": ["sr"],
            "basis": "consent",
            "token": 1,
            "state": "answered",
            "charged": True,
            "size": 1,
            "intended_at": now,
            "answered_at": now,
            **columns,
        }
    )


def test_nobody_looked_at_who_may_see_photos(result, admin_user):
    now = timezone.now()
    assert "C26" not in broken(now + 89 * DAY)
    assert "C26" in broken(now + 91 * DAY)
    call_command("hili_privacy", "access", "--reviewed-by", str(admin_user.pk), stdout=StringIO())
    assert "C26" not in broken(now + 89 * DAY)


def test_a_company_nothing_binds_and_plain_http(settings):
    with vendor_for(settings):
        settings.HILI = {**settings.HILI, "PRIVACY": {"HOME_REGION": "CN"}}
        assert broken() == {"C24"}  # the sandbox is this machine, in plain http
        entry = {**settings.HILI["PROVIDERS"]["hili"], "AGREEMENT": ""}
        settings.HILI = {**settings.HILI, "PROVIDERS": {"hili": entry}}
        assert broken() == {"C12", "C24"}


@pytest.mark.clause("HILI-5f", "AIART-4.2.6a", "PIXEL-4.5", "MIAO-7.6")
def test_a_drill_finds_who_would_be_affected_and_sends_nothing(result):
    call_command("hili_privacy", "drill", "--json", stdout=(out := StringIO()))
    found = json.loads(out.getvalue())
    assert (found["affected"], found["sent"]) == (1, 0)
    assert Receipt.objects.filter(kind="incident").exists()
    assert audit().is_clean


@pytest.mark.clause("AIART-4.1b", "PIXEL-8.2", "MIAO-5.4")
def test_the_service_is_ended_by_one_command_that_asks_first(result, stored):
    call_command("hili_privacy", "wind-down", stdout=(out := StringIO()))
    assert "Nothing was done" in out.getvalue()
    assert len(stored()) == 1
    call_command("hili_privacy", "wind-down", "--yes", stdout=StringIO())
    assert stored() == {}
    assert not Media.objects.exists()
    assert audit().is_clean
