"""What became of a vendor's copy is asked, written down, and never assumed."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

import pytest
from django.db import connections
from django.utils import timezone

from django_hili import tasks
from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.jobs.worker.probe import has_questions, probe_copies, read_answer
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    PhotoJob,
    Receipt,
    SendState,
    VendorCopy,
)
from django_hili.privacy.erasure import vendor_copies
from django_hili.privacy.erasure.sweep import sweep
from django_hili.privacy.erasure.vendor_copies import (
    Heard,
    decide,
    due_copies,
    note_answers,
    settle_without_asking,
)
from django_hili.providers.remote import RemoteStage, RemoteState
from tests import people
from tests.vendors import vendor_for

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DUE = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)

CASES = [
    # heard, which question, promised; what that settles
    (Heard.GONE, 1, True, VendorCopy.CONFIRMED),
    (Heard.GONE, 1, False, VendorCopy.CONFIRMED),  # asked for, so it may be called gone
    (Heard.SERVED, 1, True, VendorCopy.STILL_SERVED),
    (Heard.SERVED, 3, False, VendorCopy.STILL_SERVED),
    (Heard.NOTHING, 1, True, None),
    (Heard.NOTHING, 2, True, None),
    (Heard.NOTHING, 3, True, VendorCopy.UNVERIFIED),
    (Heard.NOTHING, 3, False, VendorCopy.RETENTION_UNSTATED),  # never confirmed unasked
]


@pytest.mark.clause("HILI-API-7", "HILI-API-10", "PIXEL-6.2b")
@pytest.mark.parametrize(("heard", "probes", "is_promised", "settled"), CASES)
def test_what_an_answer_settles(heard, probes, is_promised, settled):
    assert decide(heard=heard, probes=probes, is_promised=is_promised) == settled


@pytest.mark.parametrize(
    ("state", "heard"),
    [
        (RemoteState(RemoteStage.GONE), Heard.GONE),
        (RemoteState(RemoteStage.DONE), Heard.SERVED),
        (RemoteState(RemoteStage.PROCESSING), Heard.SERVED),
        (RemoteState(RemoteStage.FAILED), Heard.NOTHING),
        (ProviderError(Code.PROVIDER_DOWN), Heard.NOTHING),
        (None, Heard.NOTHING),
    ],
)
def test_what_a_vendors_state_says_about_its_copy(state, heard):
    assert read_answer({} if state is None else {"h": state}, "h") is heard


@pytest.fixture
def send(transactional_db):
    return make()


def make(*, status=JobStatus.DONE, due_at=DUE, state=SendState.ANSWERED, **columns) -> Disclosure:
    job = PhotoJob.objects.create(
        provider="hili", operations=["sr"], image_type="photo", dpi=96, due_at=DUE,
        created_at=DUE, expires_at=DUE + 90 * 24 * HOUR, basis="attestation", status=status,
    )  # fmt: skip
    row = Disclosure(
        processor_policy="p",
        job_id=job.pk, provider="hili", region="CN", items=["photo"], operations=["sr"],
        basis="attestation", token=1, state=state, size=1, intended_at=DUE - HOUR,
        answered_at=DUE - HOUR, vendor_due_at=due_at, **columns,
    )  # fmt: skip
    row.handle = vendor_copies.seal_handle(
        "HANDLE-7", send_id=row.pk, due_at=due_at, now=DUE - HOUR
    )
    row.save(force_insert=True)
    return row


def asked(now):
    return due_copies(provider="hili", limit=10, now=now)


def test_a_handle_lies_sealed_and_opens_for_its_own_row_only(send):
    assert "HANDLE" not in send.handle
    opened = vendor_copies.open_handle(send.handle, send_id=send.pk, now=DUE)
    assert opened == "HANDLE-7"
    assert vendor_copies.open_handle(send.handle, send_id=uuid.uuid4(), now=DUE) == ""
    assert vendor_copies.open_handle(send.handle, send_id=send.pk, now=DUE + 30 * HOUR) == ""
    assert vendor_copies.open_handle("HANDLE-7", send_id=send.pk, now=DUE) == ""
    longest = vendor_copies.seal_handle("x" * 64, send_id=send.pk, due_at=DUE, now=DUE)
    assert len(longest) <= Disclosure._meta.get_field("handle").max_length


@pytest.mark.clause("HILI-API-3", "HILI-FR-3", "HILI-API-7")
def test_a_vendor_is_asked_a_quarter_of_an_hour_after_its_hour(send):
    assert asked(DUE + 14 * MINUTE) == []
    assert [copy.handle for copy in asked(DUE + 15 * MINUTE)] == ["HANDLE-7"]


@pytest.mark.clause("HILI-API-7", "PIXEL-6.2b")
@pytest.mark.parametrize(
    ("heard", "settled"),
    [(Heard.GONE, VendorCopy.CONFIRMED), (Heard.SERVED, VendorCopy.STILL_SERVED)],
)
def test_an_answer_makes_the_row_final_without_its_handle_and_with_a_receipt(send, heard, settled):
    """INV-19."""
    now = DUE + 15 * MINUTE
    assert note_answers(heard={send.pk: heard}, now=now) == {send.pk: settled}
    send.refresh_from_db()
    assert (send.outcome, send.outcome_at, send.handle) == (settled, now, "")
    assert send.expires_at - now == dt.timedelta(days=1096)
    receipt = Receipt.objects.get(kind="disclosed", object_id=str(send.pk))
    assert f'"outcome":"{settled}"' in receipt.facts
    assert note_answers(heard={send.pk: Heard.SERVED}, now=now) == {}
    assert Receipt.objects.filter(kind="disclosed").count() == 1


def test_silence_is_asked_again_and_then_called_unverified(send):
    for number in range(3):
        now = DUE + 15 * MINUTE + number * HOUR
        assert asked(now - MINUTE) == []
        assert len(asked(now)) == 1
        note_answers(heard={send.pk: Heard.NOTHING}, now=now)
    send.refresh_from_db()
    assert (send.outcome, send.probes) == (VendorCopy.UNVERIFIED, 2)
    assert asked(now + 24 * HOUR) == []


@pytest.mark.clause("HILI-API-10")
def test_a_photo_the_vendor_failed_with_is_never_called_gone_unasked(transactional_db):
    send = make(status=JobStatus.FAILED)
    for number in range(3):
        note_answers(heard={send.pk: Heard.NOTHING}, now=DUE + number * HOUR)
    send.refresh_from_db()
    assert send.outcome == VendorCopy.RETENTION_UNSTATED


@pytest.mark.clause("PIXEL-6.2b")
@pytest.mark.parametrize(
    ("columns", "settled"),
    [
        ({"state": SendState.REFUSED, "due_at": None}, VendorCopy.NONE),
        ({"state": SendState.RECONCILED, "charged": False, "due_at": None}, VendorCopy.NONE),
        ({"due_at": None}, VendorCopy.RETENTION_UNSTATED),
        ({"due_at": None, "status": JobStatus.PROCESSING}, VendorCopy.PENDING),
        ({"state": SendState.UNKNOWN, "due_at": None}, VendorCopy.UNVERIFIED),
        ({"state": SendState.PASSED, "due_at": None}, VendorCopy.UNVERIFIED),
        ({"state": SendState.INTENDED, "due_at": None}, VendorCopy.NONE),
        ({"due_at": DUE}, VendorCopy.UNVERIFIED),
        ({"due_at": DUE + 24 * HOUR}, VendorCopy.PENDING),
    ],
)
def test_every_send_ends_with_an_outcome_even_where_nobody_asks(transactional_db, columns, settled):
    send = make(**columns)
    vendor_copies.settle_without_asking(DUE + 25 * HOUR)
    send.refresh_from_db()
    assert send.outcome == settled
    assert bool(send.handle) == (settled == VendorCopy.PENDING)


def test_a_ledger_row_goes_when_its_proof_may(send):
    note_answers(heard={send.pk: Heard.GONE}, now=DUE)
    send.refresh_from_db()
    sweep(send.expires_at - MINUTE)
    assert Disclosure.objects.exists()
    sweep(send.expires_at)
    assert not Disclosure.objects.exists()
    assert Receipt.objects.filter(kind="disclosed").count() == 1


class Vendor:
    alias = "hili"
    handles_per_call = 10

    def __init__(self, states):
        self.states_of, self.asked = states, []

    async def states(self, handles):
        self.asked.append(list(handles))
        if isinstance(self.states_of, ProviderError):
            raise self.states_of
        return dict.fromkeys(handles, self.states_of)


class Desk:
    async def rows(self, verb, *args, **options):
        def work():
            try:
                return verb(*args, **options)
            finally:
                connections.close_all()

        return await asyncio.to_thread(work)


@pytest.mark.clause("HILI-API-7")
@pytest.mark.parametrize(
    ("answer", "settled"),
    [
        (RemoteState(RemoteStage.GONE), VendorCopy.CONFIRMED),
        (RemoteState(RemoteStage.DONE), VendorCopy.STILL_SERVED),
        (ProviderError(Code.PROVIDER_DOWN), VendorCopy.PENDING),
    ],
)
def test_a_worker_asks_and_writes_down_the_answer(transactional_db, answer, settled):
    send = make(due_at=timezone.now() - HOUR)
    # Sealed long ago by the clock of this test; sealed again for today's.
    handle = vendor_copies.seal_handle(
        "HANDLE-7", send_id=send.pk, due_at=send.vendor_due_at, now=timezone.now()
    )
    Disclosure.objects.update(handle=handle)
    vendor = Vendor(answer)
    assert asyncio.run(probe_copies(Desk(), vendor)) == 1
    assert vendor.asked == [["HANDLE-7"]]
    send.refresh_from_db()
    assert send.outcome == settled


@pytest.mark.clause("HILI-API-7")
@pytest.mark.parametrize("minutes", [14, 16])
def test_a_shift_begins_for_a_question_alone(transactional_db, monkeypatch, minutes):
    ran = []

    class Runner:
        name = "nobody"

        def __init__(self, **_):
            pass

        async def run(self):
            ran.append(True)

    monkeypatch.setattr(tasks, "Runner", Runner)
    make(due_at=timezone.now() - dt.timedelta(minutes=minutes))
    tasks.shift()
    assert bool(ran) == (minutes > 15)


@pytest.mark.clause("HILI-API-1")
@pytest.mark.parametrize("reason", [HeldReason.SEND_UNKNOWN, HeldReason.ON_REQUEST])
def test_a_shift_begins_for_a_count_that_settles_a_doubt(transactional_db, reason):
    send = make(status=JobStatus.HELD, state=SendState.UNKNOWN)
    PhotoJob.objects.filter(pk=send.job_id).update(held_reason=reason)
    assert has_questions(now=DUE) == (reason == HeldReason.SEND_UNKNOWN)


@pytest.mark.clause("HILI-API-7")
@pytest.mark.parametrize(
    ("state", "closed", "charged", "outcome"),
    [
        (SendState.INTENDED, SendState.REFUSED, False, VendorCopy.NONE),
        (SendState.PASSED, SendState.UNKNOWN, None, VendorCopy.PENDING),
    ],
)
def test_a_send_that_nobody_will_close_is_closed(transactional_db, state, closed, charged, outcome):
    row = make(status=JobStatus.CANCELLED, state=state)
    Disclosure.objects.update(vendor_due_at=None, answered_at=None, handle="", intended_at=DUE)
    settle_without_asking(DUE + HOUR - MINUTE)
    row.refresh_from_db()
    assert row.state == state, "it may be under way"
    settle_without_asking(DUE + HOUR)
    row.refresh_from_db()
    assert (row.state, row.charged, row.outcome) == (closed, charged, outcome)
    settle_without_asking(DUE + 24 * HOUR)
    row.refresh_from_db()
    assert row.outcome != VendorCopy.PENDING


@pytest.mark.clause("HILI-API-3", "HILI-FR-3")
@pytest.mark.parametrize("kind", ["hili.HiliProvider", "hili_v1.HiliV1Provider"])
def test_the_vendors_hour_begins_when_it_has_taken_the_photo(settings, anna, photo, work, kind):
    """3600 seconds, by either version of its API, and asked about a quarter of an hour later."""
    with vendor_for(settings):
        entry = {**settings.HILI["PROVIDERS"]["hili"], "BACKEND": f"django_hili.providers.{kind}"}
        settings.HILI = {**settings.HILI, "PROVIDERS": {"hili": entry}}
        job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
        work()
    row = Disclosure.objects.get(job=job)
    assert row.state == SendState.ANSWERED
    assert row.vendor_due_at - row.answered_at == dt.timedelta(seconds=3600)
    asked_at = row.vendor_due_at + 15 * MINUTE
    assert asked(asked_at - MINUTE) == []
    assert [copy.send_id for copy in asked(asked_at)] == [row.pk]
