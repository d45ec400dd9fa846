"""Requests of people: the clock, listed grounds, the appeal, and the end of what was written."""

from __future__ import annotations

import datetime as dt
import inspect
import uuid

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_hili.codes import Code
from django_hili.exceptions import (
    InvalidOptionsError,
    StorageError,
    TooManyRequestsError,
    WrongStateError,
)
from django_hili.models import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    ExtensionReason,
    RefusalGround,
    ScopeItem,
)
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import cases, clock
from django_hili.privacy.rights.cases import open_case

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
FRIDAY = dt.datetime(2026, 3, 6, 17, 30, tzinfo=dt.UTC)
SECRET = "my-neighbour-knows-CANARYWORDS"


@pytest.fixture
def ref(anna):
    return subject_ref_for(anna)


@pytest.fixture
def complaint(ref):
    return open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text=SECRET, now=FRIDAY)


@pytest.mark.clause("HILI-9", "AIART-5.5", "AIART-9", "PIXEL-9", "MIAO-8.2a", "MIAO-11")
@pytest.mark.parametrize(
    ("received", "verified", "due"),
    [
        ("2026-03-06T17:30", None, "2026-04-06T17:30"),
        ("2026-03-06T17:30", "2026-03-06T17:30", "2026-03-21T17:30"),
        # Over weekends and holidays: calendar days, so nothing is added.
        ("2026-12-24T09:00", "2026-12-28T09:00", "2027-01-12T09:00"),
        # Verified late: the month from receipt comes first.
        ("2026-03-06T17:30", "2026-04-01T12:00", "2026-04-06T17:30"),
        # A month that has no such day ends on its last one.
        ("2026-01-31T10:00", None, "2026-02-28T10:00"),
        ("2028-01-31T10:00", None, "2028-02-29T10:00"),
    ],
)
def test_an_answer_is_due_after_fifteen_days_or_a_month(received, verified, due):
    def moment(text):
        return text and dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    found = clock.due_at(received_at=moment(received), verified_at=moment(verified))
    assert found == moment(due)


def test_a_site_may_promise_an_answer_sooner(settings):
    settings.HILI = {"PRIVACY": {"PROFILE": "hili", "ANSWER_DAYS": 5}}
    assert clock.due_at(received_at=FRIDAY, verified_at=FRIDAY) == FRIDAY + 5 * DAY


@given(
    received=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2060, 1, 1)),
    until_verified=st.timedeltas(dt.timedelta(0), dt.timedelta(days=60)),
)
def test_no_answer_is_ever_due_later_than_either_clock(received, until_verified):
    received = received.replace(tzinfo=dt.UTC)
    verified = received + until_verified
    due = clock.due_at(received_at=received, verified_at=verified)
    assert due <= verified + 15 * DAY
    assert due <= received + 31 * DAY
    assert due == verified + 15 * DAY or due >= received + 28 * DAY


@pytest.mark.clause("HILI-9", "PIXEL-3.4", "AIART-5.1", "MIAO-2.2b")
def test_who_asks_is_checked_and_the_shorter_clock_runs(complaint):
    assert complaint.due_at == clock.months_later(FRIDAY, 1)
    verified = cases.verify(case_id=complaint.pk, now=FRIDAY + 2 * DAY)
    assert (verified.state, verified.due_at) == (CaseState.VERIFIED, FRIDAY + 17 * DAY)
    with pytest.raises(WrongStateError):
        cases.verify(case_id=complaint.pk)


@pytest.mark.clause("HILI-9", "MIAO-11")
def test_what_is_late_is_found(complaint):
    overdue = Case.objects.overdue
    assert not overdue(complaint.due_at).exists()
    assert list(overdue(complaint.due_at + DAY)) == [complaint]
    assert complaint.is_overdue(complaint.due_at + DAY)
    cases.close(
        case_id=complaint.pk, outcome=CaseOutcome.REFUSED, ground=RefusalGround.NOT_VERIFIED
    )
    assert not overdue(complaint.due_at + DAY).exists()


@pytest.mark.clause("MIAO-11")
def test_more_time_needs_a_listed_reason_and_is_told(complaint):
    later = complaint.due_at + 30 * DAY
    for reason, until in (
        ("", later), ("we are busy", later), (ExtensionReason.COMPLEX, complaint.due_at),
        (ExtensionReason.COMPLEX, FRIDAY + 93 * DAY),
    ):  # fmt: skip
        with pytest.raises(InvalidOptionsError) as error:
            cases.extend(case_id=complaint.pk, reason=reason, until=until)
        assert error.value.code == Code.EXTENSION_UNREASONED
    extended = cases.extend(case_id=complaint.pk, reason=ExtensionReason.COMPLEX, until=later)
    assert (extended.due_at, extended.extension) == (later, "complex")
    assert extended.expires_at == complaint.expires_at, "no deadline moves later with it"


@pytest.mark.clause("AIART-5.6a", "PIXEL-6.5", "MIAO-8.0")
def test_a_refusal_without_a_listed_ground_is_not_possible(complaint):
    cases.verify(case_id=complaint.pk, now=FRIDAY)
    for outcome in (CaseOutcome.REFUSED, CaseOutcome.PARTLY):
        for ground in ("", "we would rather not"):
            with pytest.raises(InvalidOptionsError) as error:
                cases.close(case_id=complaint.pk, outcome=outcome, ground=ground)
            assert error.value.code == Code.GROUND_MISSING
    with pytest.raises(InvalidOptionsError):
        cases.close(
            case_id=complaint.pk, outcome=CaseOutcome.GRANTED, ground=RefusalGround.EXCESSIVE
        )
    assert Case.objects.get(pk=complaint.pk).state == CaseState.VERIFIED


@pytest.mark.clause("AIART-5.6a", "AIART-9", "PIXEL-9", "MIAO-7.1", "MIAO-11", "HILI-9")
def test_an_answer_tells_the_ground_and_the_way_on(complaint):
    cases.verify(case_id=complaint.pk, now=FRIDAY)
    closed = cases.close(
        case_id=complaint.pk, outcome=CaseOutcome.REFUSED, ground=RefusalGround.TRADE_SECRET,
        text="The method is not ours to tell.", now=FRIDAY + DAY,
    )  # fmt: skip
    answer = cases.answer_text(closed)
    for words in (
        "Refused\n", "It concerns trade secrets.", "The method is not ours to tell.",
        "privacy@example.org", "data protection authority", "court", "None of this costs anything",
    ):  # fmt: skip
        assert words in answer
    assert cases.appeal_path() in answer
    granted = open_case(kind=CaseKind.CORRECT, subject_ref=complaint.subject_ref, text="x",
                        is_verified=True)  # fmt: skip
    granted = cases.close(case_id=granted.pk, outcome=CaseOutcome.GRANTED)
    assert cases.appeal_path() in cases.answer_text(granted)


@pytest.mark.clause("PIXEL-6.2a", "MIAO-8.2a")
@pytest.mark.parametrize("kind", [CaseKind.DELETE, CaseKind.WITHDRAW, CaseKind.CANCEL])
def test_deleting_withdrawing_and_cancelling_are_never_refused(ref, kind):
    case = open_case(kind=kind, subject_ref=ref, is_verified=True)
    for ground in set(RefusalGround) - {RefusalGround.NOT_VERIFIED}:
        with pytest.raises(InvalidOptionsError) as error:
            cases.close(case_id=case.pk, outcome=CaseOutcome.REFUSED, ground=ground)
        assert error.value.code == Code.GROUND_NOT_ALLOWED
    cases.close(case_id=case.pk, outcome=CaseOutcome.GRANTED)


@pytest.mark.clause("AIART-5.6a", "PIXEL-6.5", "MIAO-8.0")
def test_nothing_has_a_price():
    words = {field.name for field in Case._meta.get_fields()}
    for verb in (open_case, cases.open_demand, cases.verify, cases.extend, cases.close):
        words |= set(inspect.signature(verb).parameters)
    assert not [word for word in words if any(part in word for part in ("fee", "price", "cost"))]


@pytest.mark.clause("AIART-5.6a", "MIAO-8.0")
def test_who_asks_without_end_waits_but_can_always_delete(ref):
    for _ in range(cases.MAX_OPEN):
        open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text="again")
    with pytest.raises(TooManyRequestsError) as error:
        open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text="again")
    assert error.value.code == Code.REQUESTS_TOO_MANY
    for kind in (CaseKind.DELETE, CaseKind.WITHDRAW, CaseKind.CANCEL):
        open_case(kind=kind, subject_ref=ref)
    open_case(kind=CaseKind.COMPLAIN, subject_ref=uuid.uuid4(), text="another person")


def test_a_complaint_says_something_and_not_too_much(ref):
    for text, code in (
        ("  ", Code.TEXT_MISSING), ("x" * (cases.MAX_TEXT + 1), Code.TEXT_TOO_LONG)
    ):  # fmt: skip
        with pytest.raises(InvalidOptionsError) as error:
            open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text=text)
        assert error.value.code == code
    assert not Case.objects.exists()


def test_nothing_is_granted_before_it_is_known_who_asks(complaint):
    with pytest.raises(WrongStateError) as error:
        cases.close(case_id=complaint.pk, outcome=CaseOutcome.GRANTED)
    assert error.value.code == Code.CASE_UNVERIFIED
    cases.close(case_id=complaint.pk, outcome=CaseOutcome.DROPPED)
    with pytest.raises(WrongStateError) as error:
        cases.close(case_id=complaint.pk, outcome=CaseOutcome.DROPPED)
    assert error.value.code == Code.CASE_CHANGED


@pytest.mark.clause("AIART-1.2.5", "PIXEL-1.1.2.4", "MIAO-2.2b")
def test_what_was_written_is_sealed_and_gone_ninety_days_after_the_answer(complaint):
    row = Case.objects.filter(pk=complaint.pk).values().get()
    assert SECRET not in repr(row)
    assert SECRET.encode() not in bytes(row["sealed_request"])
    assert cases.request_text(complaint) == SECRET
    columns = {name: value for name, value in row.items() if name != "id"}
    moved = Case(pk=uuid.uuid4(), **columns)
    assert cases.request_text(moved) == "", "another case's text does not open"
    cases.verify(case_id=complaint.pk, now=FRIDAY)
    closed = cases.close(
        case_id=complaint.pk, outcome=CaseOutcome.GRANTED, text="Thank you.", now=FRIDAY + 2 * DAY
    )
    assert closed.expires_at == FRIDAY + 92 * DAY
    assert cases.drop_expired(closed.expires_at - DAY) == 0
    assert cases.drop_expired(closed.expires_at) == 1
    assert not Case.objects.exists()


@pytest.mark.clause("AIART-1.2.5", "MIAO-2.2b")
def test_the_words_of_a_case_nobody_answers_have_an_end_too(complaint):
    assert cases.drop_expired(complaint.expires_at) == 1
    complaint.refresh_from_db()
    assert complaint.sealed_request is None
    assert Case.objects.overdue(complaint.expires_at).exists(), "it is still late, and found"


@pytest.mark.clause("HILI-6", "MIAO-8.1")
def test_ones_own_words_can_be_replaced_until_they_are_answered(complaint, ben):
    cases.supplement(case_id=complaint.pk, subject_ref=complaint.subject_ref, text="Better words")
    complaint.refresh_from_db()
    assert cases.request_text(complaint) == "Better words"
    with pytest.raises(Case.DoesNotExist):
        cases.supplement(case_id=complaint.pk, subject_ref=subject_ref_for(ben), text="Not mine")
    cases.close(case_id=complaint.pk, outcome=CaseOutcome.DROPPED)
    with pytest.raises(WrongStateError):
        cases.supplement(case_id=complaint.pk, subject_ref=complaint.subject_ref, text="Late")


@pytest.mark.clause("AIART-3.3b")
def test_a_demand_without_a_document_or_a_scope_is_not_taken(ref):
    now = timezone.now()
    right = {
        "document": "1 Js 17/26", "scope": [ScopeItem.JOBS], "scope_from": now - DAY,
        "scope_until": now, "subject_ref": ref,
    }  # fmt: skip
    for wrong in (
        {"document": " "}, {"scope": []}, {"scope_from": now}, {"subject_ref": None},
    ):  # fmt: skip
        with pytest.raises(InvalidOptionsError) as error:
            cases.open_demand(**{**right, **wrong})
        assert error.value.code == Code.DEMAND_INCOMPLETE
    assert not Case.objects.exists()
    assert cases.open_demand(**right).scope == ["jobs"]


@pytest.mark.clause("AIART-1.2.5", "MIAO-2.2b")
def test_the_key_of_what_was_written_lies_elsewhere_is_renewed_and_ends_with_it(complaint):
    from django_hili.media import keys
    from django_hili.privacy.rights import casetext

    fresh = open_case(kind=CaseKind.COMPLAIN, text=SECRET)
    assert fresh.key_bucket < fresh.expires_at, "a lease is shorter than a case"
    late = fresh.key_bucket - DAY
    assert casetext.renew_keys(late) == 1
    renewed = Case.objects.get(pk=fresh.pk)
    assert renewed.key_bucket > fresh.key_bucket
    assert cases.request_text(renewed) == SECRET
    keys.destroy_all_keys()
    assert cases.request_text(renewed) == "", "a copy of the database alone opens nothing"


@pytest.mark.clause("HILI-9", "AIART-5.5")
def test_a_request_whose_words_are_gone_can_still_be_answered(complaint, monkeypatch):
    later = complaint.key_bucket + DAY  # no sweep has renewed its key
    cases.verify(case_id=complaint.pk, now=later)
    monkeypatch.setattr(timezone, "now", lambda: later)
    closed = cases.close(case_id=complaint.pk, outcome=CaseOutcome.GRANTED, text="Done.")
    assert (closed.state, cases.request_text(closed)) == (CaseState.CLOSED, "")
    assert "Done." in cases.answer_text(closed)


def test_a_key_that_is_missing_before_its_hour_is_not_taken_for_gone(complaint, monkeypatch):
    from django_hili.media import keys

    monkeypatch.setattr(timezone, "now", lambda: FRIDAY + DAY)
    cases.verify(case_id=complaint.pk)
    keys.destroy_all_keys()
    with pytest.raises(StorageError):
        cases.close(case_id=complaint.pk, outcome=CaseOutcome.GRANTED, text="Done.")
    assert Case.objects.get(pk=complaint.pk).sealed_request, "the key may come back"
