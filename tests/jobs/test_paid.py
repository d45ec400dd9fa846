"""What goes wrong on this side costs no photo that has been paid for, and puts none in doubt."""

from __future__ import annotations

import datetime as dt
import signal

import pytest
from django.db import OperationalError
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError, ProviderError, StorageError
from django_hili.imaging.encode import SourceType
from django_hili.jobs.moves import breakers, claim, send
from django_hili.jobs.worker import checking, inbound, poll
from django_hili.jobs.worker.checking import Finisher
from django_hili.media import vault
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    Media,
    MediaKind,
    PhotoJob,
    SendState,
)
from django_hili.providers.registry import capabilities_of
from tests import people, photos
from tests.vendors import charges, vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def vendor(settings):
    """A sandbox of its own for each test."""
    with vendor_for(settings) as sandbox:
        yield sandbox


@pytest.fixture
def soon(monkeypatch):
    """Pauses are as short as they may be."""
    monkeypatch.setattr(poll, "TICK", 0.1)
    monkeypatch.setattr(poll.random, "uniform", lambda least, _most: least)


def send_one(user) -> PhotoJob:
    return people.enhance(photos.jpeg(), operations=["repair"], subject=user)


def fails_at_first(monkeypatch, place: object, name: str, error: Exception, times: int) -> list:
    """Have `name` raise `error` the first `times` times."""
    real, calls = getattr(place, name), []

    def verb(*args, **words):
        calls.append(args)
        if len(calls) <= times:
            raise error
        return real(*args, **words)

    monkeypatch.setattr(place, name, verb)
    return calls


def test_a_storage_that_is_away_is_waited_for(anna, vendor, work, soon, monkeypatch):
    job = send_one(anna)
    real, tries = vault.write, []

    def write(media, content):
        if media.kind == MediaKind.RESULT:
            tries.append(media.pk)
            if len(tries) <= 8:
                raise StorageError(Code.STORAGE_FAILED)
        return real(media, content)

    monkeypatch.setattr(vault, "write", write)
    work()
    job.refresh_from_db()
    assert (job.status, len(tries), charges(vendor)) == (JobStatus.DONE, 9, 1)


def test_so_are_the_keys_a_result_is_sealed_with(anna, vendor, work, soon, monkeypatch):
    job = send_one(anna)
    real, calls = vault.plan, []

    def plan(*args, kind, **words):
        calls.append(kind)
        if calls.count(MediaKind.RESULT) <= 3 and kind == MediaKind.RESULT:
            raise OSError("the key store is away")
        return real(*args, kind=kind, **words)

    monkeypatch.setattr(vault, "plan", plan)
    work(time_cap=dt.timedelta(seconds=30))
    job.refresh_from_db()
    assert (job.status, charges(vendor)) == (JobStatus.DONE, 1)


def test_so_is_the_process_that_checks_large_results(anna, vendor, work, soon, monkeypatch):
    monkeypatch.setattr(inbound, "HELD_BYTES", 100)
    killed = []
    real = Finisher._talk

    def talk(self, child, *rest, **words):
        if len(killed) < 5:
            killed.append(child.pid)
            child.send_signal(signal.SIGKILL)
        return real(self, child, *rest, **words)

    monkeypatch.setattr(Finisher, "_talk", talk)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert (job.status, len(killed), charges(vendor)) == (JobStatus.DONE, 5, 1)


def large(content: bytes) -> tuple[Media, Media]:
    """A photo as it arrived, and the row for what is made of it."""
    now = timezone.now()
    words = {"kind": MediaKind.RESULT, "now": now, "expires_at": now + dt.timedelta(hours=1)}
    raw, media = vault.plan(**words), vault.plan(**words)
    vault.write(raw, content)
    Media.objects.bulk_create([raw, media])
    return raw, media


@pytest.mark.parametrize(
    ("number", "limit", "code"),
    [
        (signal.SIGKILL, 60, Code.ENGINE_UNAVAILABLE),  # by somebody else
        (signal.SIGSEGV, 60, Code.RESULT_INVALID),  # by what it was given
        (signal.SIGSTOP, 0.5, Code.RESULT_INVALID),  # by us: its time was over
    ],
)
def test_what_a_process_that_ended_says_of_its_photo(monkeypatch, number, limit, code):
    monkeypatch.setattr(checking, "TIME_LIMIT", limit)
    finisher, real = Finisher(), Finisher._talk

    def talk(self, child, *rest, **words):
        child.send_signal(number)
        return real(self, child, *rest, **words)

    raw, media = large(photos.jpeg())
    monkeypatch.setattr(Finisher, "_talk", talk)
    with pytest.raises(ProviderError) as caught:
        finisher.finish(raw, media, dpi=300, mark=SourceType.MODEL)
    assert (caught.value.code, caught.value.retryable) == (code, True)
    monkeypatch.setattr(Finisher, "_talk", real)
    monkeypatch.setattr(checking, "TIME_LIMIT", 60)
    assert finisher.finish(raw, media, dpi=300, mark=SourceType.MODEL).width == 60  # in a new one
    with pytest.raises(InvalidPhotoError):
        finisher.finish(*large(b"no photo"), dpi=300, mark=SourceType.MODEL)
    finisher.close()


def test_an_answer_that_is_written_down_is_no_doubt(anna, vendor, work, monkeypatch):
    # One is refused while the others are on the way: their answers close the breaker again.
    vendor.control.fault("slow", "uploads", seconds=0.5)
    vendor.control.fault("rate_limited", "uploads", times=1, retry_after=2)
    cut = OperationalError("cut")
    jobs = [send_one(anna) for _ in range(3)]
    calls = fails_at_first(monkeypatch, breakers, "note_success", cut, times=1)
    report = work()
    assert calls
    assert set(PhotoJob.objects.values_list("status", flat=True)) == {JobStatus.DONE}
    assert (report.held, charges(vendor)) == (0, len(jobs))


def past_barrier(user) -> tuple[PhotoJob, Disclosure]:
    """A job whose photo has left; nobody has heard yet what the vendor says."""
    job, now = send_one(user), timezone.now()
    [job] = claim.claim(
        worker="w", limit=1, lease=dt.timedelta(minutes=1), now=now, provider="hili",
        takes_up_as=JobStatus.SENDING,
    )  # fmt: skip
    offer = capabilities_of("hili")
    row = send.intend(jobs=[job], sizes={job.pk: 1}, capabilities=offer, now=now)[job.pk]
    send.pass_barrier(job=job, send=row, now=now)
    return job, row


def answer(row: Disclosure, *, charging: str = "upload") -> None:
    """The vendor has taken the photo; the worker has not moved the job on yet."""
    words = send.Acceptance(row, "a" * 32, send.Charging(charging), dt.timedelta(hours=1))
    send.answered_all(entries=[words], now=timezone.now())


@pytest.mark.parametrize("charging", ["upload", "download"])
def test_who_is_stopped_after_the_answer_leaves_the_job_to_go_on_from_it(anna, settings, charging):
    with vendor_for(settings, charging=charging):
        job, row = past_barrier(anna)
        answer(row, charging=charging)
        now = timezone.now()
        if charging == "upload":
            assert not send.in_doubt(job=job, send=row, words="", now=now)
        else:
            assert send.unanswered(send=row) is False
            claim.let_go(jobs=[job], now=now)
        row.refresh_from_db()
        assert row.state == SendState.ANSWERED
        job.refresh_from_db()
        assert (job.status, job.lease_until) == (JobStatus.SENDING, now)
        [silent] = claim.silent_senders(provider="hili", now=now)
        send.recover(job=silent, is_free_again=False, now=now)
        job.refresh_from_db()
        assert job.status == JobStatus.QUEUED
        assert set(send.last_handles(jobs=[job])) == {job.pk}


def test_an_answer_to_what_was_taken_for_lost_lets_the_job_go_on_by_itself(anna, vendor, work):
    # The worker slept past its lease, had the answer after all, and died before it said more.
    job, row = past_barrier(anna)
    now = timezone.now() + dt.timedelta(minutes=2)
    [silent] = claim.silent_senders(provider="hili", now=now)
    send.recover(job=silent, is_free_again=False, now=now)
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    answer(row)
    job.refresh_from_db()
    row.refresh_from_db()
    assert (job.status, job.held_reason, job.code) == (JobStatus.QUEUED, "", "")
    assert (row.state, row.charged) == (SendState.ANSWERED, True)
    assert set(send.last_handles(jobs=[job])) == {job.pk}


def test_an_answer_lets_no_job_go_on_that_a_person_holds(anna, vendor):
    job, row = past_barrier(anna)
    PhotoJob.objects.filter(pk=job.pk).update(
        status=JobStatus.HELD, held_reason=HeldReason.ON_REQUEST
    )
    Disclosure.objects.filter(pk=row.pk).update(state=SendState.UNKNOWN)
    answer(row)
    job.refresh_from_db()
    assert job.status == JobStatus.HELD


def test_an_answer_is_kept_as_soon_as_it_can_be_sealed(anna, vendor, work, monkeypatch):
    away = OSError("the key store is away")
    calls = fails_at_first(monkeypatch, send, "seal_handle", away, times=2)
    job = send_one(anna)
    work()
    job.refresh_from_db()
    assert (job.status, len(calls), charges(vendor)) == (JobStatus.DONE, 3, 1)
    assert Disclosure.objects.get().charged is True
