"""Incidents: who is affected comes from the rows, no part is missing, and a drill sends nothing."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.core import mail
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, WrongStateError
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.models import (
    Case,
    CaseState,
    Disclosure,
    Message,
    MessageState,
    PhotoJob,
    Receipt,
    SendState,
    Severity,
)
from django_hili.models.incident import PARTS
from django_hili.privacy.audit.check import audit
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure.sweep import sweep_thoroughly
from django_hili.privacy.erasure.winddown import wind_down
from django_hili.privacy.rights import exercise, incidents, messages
from django_hili.signals import message_queued
from tests.people import enhance
from tests.privacy.test_rights import send

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)
INCIDENT = pytest.mark.clause("HILI-5f", "AIART-4.2.6b", "PIXEL-4.5", "MIAO-7.6")
DRILL = pytest.mark.clause("AIART-4.2.6a", "MIAO-7.6")
WORDS = {
    "situation": "A disk was copied. Photos on it were sealed.",
    "measures": "The disk is back and its keys are destroyed.",
    "advice": "There is nothing you have to do.",
    "remedies": "Your credits of this month are given back.",
}


@pytest.fixture
def people(anna, ben, photo, work):
    """Anna and Ben, each with an enhanced photo."""
    jobs = [enhance(photo, operations=["sr"], scale=2, subject=user) for user in (anna, ben)]
    work()
    return jobs


@pytest.fixture
def outbox():
    """A host that delivers everything, and what it got."""
    sent = []

    def deliver(sender, user_key, title, text, **_):
        sent.append((user_key, title, text))
        return True

    message_queued.connect(deliver)
    yield sent
    message_queued.disconnect(deliver)


def opened(**words):
    now = timezone.now()
    return incidents.open_incident(
        **{"severity": Severity.SERIOUS, "began_at": now - HOUR, "ended_at": now, **words}
    )


@INCIDENT
def test_who_is_affected_is_what_the_rows_say(people, anna, ben):
    affected = incidents.affected_by(opened())
    assert affected.subject_refs == {job.subject_ref for job in people}
    assert affected.user_keys == {str(anna.pk), str(ben.pk)}
    assert not affected.is_announcement_needed
    before = opened(began_at=timezone.now() - 9 * HOUR, ended_at=timezone.now() - 8 * HOUR)
    assert incidents.affected_by(before).subject_refs == set()
    later = opened(began_at=timezone.now() + HOUR, ended_at=timezone.now() + 2 * HOUR)
    assert len(incidents.affected_by(later).subject_refs) == 2, "their results are still stored"


@INCIDENT
def test_at_a_provider_it_is_whose_photo_the_ledger_says_was_there(people):
    hers, his = people
    now = timezone.now()
    send(hers, state=SendState.ANSWERED, vendor_due_at=now + HOUR)
    send(his, state=SendState.INTENDED)
    send(his, state=SendState.ANSWERED, provider="other", vendor_due_at=now + HOUR)
    send(his, state=SendState.ANSWERED, intended_at=now - 5 * HOUR, vendor_due_at=now - 4 * HOUR)
    incident = opened(provider="hili", ended_at=now + HOUR)
    expected = Disclosure.objects.filter(
        provider="hili", state=SendState.ANSWERED, vendor_due_at__gte=incident.began_at
    )
    assert incidents.affected_by(incident).subject_refs == {row.job.subject_ref for row in expected}
    assert incidents.affected_by(incident).subject_refs == {hers.subject_ref}


@INCIDENT
def test_who_deleted_meanwhile_cannot_be_traced_and_an_announcement_follows(people):
    incident = opened(ended_at=timezone.now() + HOUR)
    exercise.delete_photos(subject_ref=people[0].subject_ref)
    affected = incidents.affected_by(incident)
    assert affected.subject_refs == {people[1].subject_ref}
    assert affected.untraceable == 1
    assert affected.is_announcement_needed


def receipt(kind, at, object_id=None, facts="{}"):
    number = Receipt.objects.count() + 1
    return Receipt.objects.create(
        number=10_000 + number, at=at, kind=kind, object_id=str(object_id or uuid.uuid4()),
        facts=facts, previous="", hash=str(number),
    )  # fmt: skip


@INCIDENT
def test_a_photo_whose_jobs_row_is_gone_cannot_be_traced_and_an_announcement_follows(people):
    """Nobody deleted anything: the rows' time was over before the incident was discovered."""
    began = timezone.now() - HOUR
    send(people[0], state=SendState.ANSWERED, vendor_due_at=began + 3 * HOUR)
    later = began + 200 * 24 * HOUR
    upkeep(later)
    assert not PhotoJob.objects.exists()
    window = {"began_at": began, "ended_at": began + 2 * HOUR}
    for provider, count in (("hili", 1), ("", 2), ("other", 0)):
        affected = incidents.affected_by(opened(provider=provider, **window), now=later)
        assert affected.untraceable == count, provider
        assert affected.is_announcement_needed is bool(count)
    elsewhere = opened(began_at=began - 9 * HOUR, ended_at=began - 5 * HOUR)
    assert not incidents.affected_by(elsewhere, now=later).is_announcement_needed
    while_it_lay_here = opened(
        began_at=began + 20 * 24 * HOUR, ended_at=began + 21 * 24 * HOUR, discovered_at=None,
        now=later,
    )  # fmt: skip
    assert incidents.affected_by(while_it_lay_here, now=later).untraceable == 2
    after_its_time = opened(
        began_at=began + 40 * 24 * HOUR, ended_at=began + 41 * 24 * HOUR, now=later
    )
    assert incidents.affected_by(after_its_time, now=later).untraceable == 0


@INCIDENT
def test_who_had_a_result_kept_for_longer_may_be_concerned_long_after(people):
    now = timezone.now()
    receipt("result_kept_longer", now - 100 * 24 * HOUR, people[0].pk)
    assert incidents.affected_by(opened()).untraceable == 0, "their job says who they are"
    receipt("result_kept_longer", now - 100 * 24 * HOUR)
    assert incidents.affected_by(opened()).untraceable == 1
    long_ago = opened(began_at=now - 999 * 24 * HOUR, ended_at=now - 998 * 24 * HOUR)
    assert incidents.affected_by(long_ago).untraceable == 0


@INCIDENT
@pytest.mark.parametrize("part", PARTS)
def test_an_incident_with_a_part_missing_is_neither_told_nor_closed(people, part):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **{**WORDS, part: "  "})
    for step in (incidents.tell_people, incidents.announce, incidents.close_incident):
        with pytest.raises(WrongStateError) as error:
            step(incident_id=incident.pk)
        assert error.value.code == Code.INCIDENT_INCOMPLETE
        assert str(incident._meta.get_field(part).verbose_name) in error.value.sentence
    assert Case.objects.get(pk=incident.pk).state != CaseState.CLOSED
    assert not Message.objects.exists()


@INCIDENT
def test_people_are_told_all_four_parts_and_then_it_can_be_closed(people, anna, ben, outbox):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    incidents.tell_people(incident_id=incident.pk)
    assert Message.objects.count() == 2, "nobody is told twice"
    with pytest.raises(WrongStateError):
        incidents.close_incident(incident_id=incident.pk)
    assert messages.deliver(timezone.now()).delivered == 2
    assert messages.deliver(timezone.now() + 99 * HOUR).delivered == 0
    assert {user_key for user_key, _, _ in outbox} == {str(anna.pk), str(ben.pk)}
    for _, title, text in outbox:
        assert title == "A privacy incident that concerns you"
        assert [text.index(words) for words in WORDS.values()] == sorted(
            text.index(words) for words in WORDS.values()
        )
        assert "privacy@example.org" in text
    with pytest.raises(WrongStateError) as error:
        incidents.close_incident(incident_id=incident.pk)
    assert "authority told" in error.value.sentence
    incidents.tell_authority(incident_id=incident.pk)
    closed = incidents.close_incident(incident_id=incident.pk)
    assert (closed.case.state, closed.affected) == (CaseState.CLOSED, 2)
    steps = [
        receipt.facts for receipt in Receipt.objects.filter(kind="incident").order_by("number")
    ]
    for words, step in zip(
        steps, ("opened", "people_told", "people_told", "authority_told", "closed"), strict=True
    ):
        assert f'"step":"{step}"' in words
    assert not [user_key for user_key, *_ in outbox if f'"{user_key}"' in "".join(steps)]


@INCIDENT
def test_who_cannot_be_reached_makes_an_announcement_necessary(people):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    incidents.tell_authority(incident_id=incident.pk)
    moment = timezone.now()
    for _ in range(messages.TRIES):
        messages.deliver(moment)
        moment += dt.timedelta(days=9)
    assert {m.state for m in Message.objects.all()} == {MessageState.UNREACHABLE}
    with pytest.raises(WrongStateError) as error:
        incidents.close_incident(incident_id=incident.pk)
    assert "announced" in error.value.sentence
    incidents.announce(incident_id=incident.pk)
    incidents.close_incident(incident_id=incident.pk)


def test_a_host_that_fails_is_asked_again_later(people):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)

    def fail(sender, **_):
        raise OSError

    message_queued.connect(fail)
    try:
        now = timezone.now()
        assert messages.deliver(now).waiting == 2
        assert messages.deliver(now).delivered == 0
        assert {m.tries for m in Message.objects.all()} == {1}, "not at once again"
    finally:
        message_queued.disconnect(fail)


@INCIDENT
@pytest.mark.parametrize(
    ("region", "severity", "hours"),
    [("DE", Severity.SERIOUS, 72), ("DE", Severity.LARGER, 72), ("CN", Severity.SERIOUS, 72),
     ("CN", Severity.LARGER, 4)],
)  # fmt: skip
def test_the_authority_is_told_in_time(settings, region, severity, hours):
    settings.HILI = {"PRIVACY": {"CONTACT": "a@example.org", "HOME_REGION": region}}
    incident = opened(severity=severity)
    assert incident.authority_due_at == incident.discovered_at + hours * HOUR
    late = incident.authority_due_at + HOUR / 60
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    assert not incidents.overdue(incident.authority_due_at).exists()
    assert incidents.overdue(late).exists()
    incidents.tell_authority(incident_id=incident.pk)
    assert not incidents.overdue(late).exists()


@INCIDENT
def test_people_are_told_without_delay(people):
    incident = opened()
    assert not incidents.overdue(incident.discovered_at + 23 * HOUR).exists()
    assert incidents.overdue(incident.discovered_at + 25 * HOUR).exists()


@DRILL
def test_a_drill_sends_nothing_and_leaves_receipts(people, outbox):
    incident = opened(is_drill=True)
    incidents.describe(incident_id=incident.pk, **WORDS)
    assert len(incidents.tell_people(incident_id=incident.pk).subject_refs) == 2
    messages.deliver(timezone.now() + HOUR)
    closed = incidents.close_incident(incident_id=incident.pk)
    assert closed.case.state == CaseState.CLOSED
    assert outbox == []
    assert mail.outbox == []
    assert not Message.objects.exists()
    assert not incidents.overdue(timezone.now() + 999 * HOUR).exists()
    receipts = Receipt.objects.filter(kind="incident")
    assert receipts.count() == 3
    assert all('"step":"drill_' in receipt.facts for receipt in receipts)


@DRILL
def test_an_incident_has_a_grade_and_a_time(people):
    now = timezone.now()
    with pytest.raises(InvalidOptionsError):
        opened(began_at=now, ended_at=now)
    with pytest.raises(InvalidOptionsError):
        opened(discovered_at=now + HOUR)
    assert opened(severity=Severity.MINOR).severity == "minor"


def test_a_closed_incident_is_not_rewritten(people):
    incident = opened(is_drill=True)
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    incidents.close_incident(incident_id=incident.pk)
    for step in (
        lambda: incidents.describe(incident_id=incident.pk, advice="Nothing happened."),
        lambda: incidents.tell_people(incident_id=incident.pk),
        lambda: incidents.announce(incident_id=incident.pk),
        lambda: incidents.close_incident(incident_id=incident.pk),
    ):
        with pytest.raises(WrongStateError):
            step()


def test_messages_end_after_a_month(people):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    assert messages.drop_past(timezone.now() + 29 * 24 * HOUR) == 0
    assert messages.drop_past(timezone.now() + 31 * 24 * HOUR) == 2


@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_of_who_cancels_before_being_told_nothing_stays_and_an_announcement_follows(
    people, anna, ben, outbox
):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    exercise.cancel_account(subject_ref=subject_ref_for(anna))
    assert not Message.objects.filter(user_key=str(anna.pk)).exists()
    messages.deliver(timezone.now())
    assert {user_key for user_key, *_ in outbox} == {str(ben.pk)}
    assert incidents.is_announcement_missing(incident)


@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_a_message_names_nobody_once_it_is_delivered_or_cannot_be(people, anna):
    def deliver(sender, user_key, **_):
        return user_key == str(anna.pk)

    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)
    message_queued.connect(deliver)
    try:
        for number in range(messages.TRIES):
            messages.deliver(timezone.now() + number * 99 * HOUR)
            assert Message.objects.filter(user_key=str(anna.pk)).count() == 0
    finally:
        message_queued.disconnect(deliver)
    settled = Message.objects.values_list("user_key", "state")
    assert set(settled) == {(None, MessageState.DELIVERED), (None, MessageState.UNREACHABLE)}
    incidents.tell_people(incident_id=incident.pk)
    assert Message.objects.count() == 2, "nobody is told twice"


@pytest.mark.clause("AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
@pytest.mark.parametrize("was_ended", [True, False])
def test_a_message_to_a_user_who_is_gone_goes_with_them(people, anna, ben, was_ended):
    if was_ended:
        wind_down()
    else:
        incident = opened()
        incidents.describe(incident_id=incident.pk, **WORDS)
        incidents.tell_people(incident_id=incident.pk)
    key = str(anna.pk)
    type(anna).objects.filter(pk=anna.pk)._raw_delete("default")
    sweep_thoroughly()
    assert [message.user_key for message in Message.objects.all()] == [str(ben.pk)]
    assert key not in {message.user_key for message in Message.objects.all()}


def test_the_audit_finds_a_message_that_names_somebody_without_need(people, anna):
    incident = opened()
    incidents.describe(incident_id=incident.pk, **WORDS)
    incidents.tell_people(incident_id=incident.pk)

    def is_found():
        return "INV-25" in {answer.invariant.id for answer in audit().findings}

    assert not is_found()
    Message.objects.filter(user_key=str(anna.pk)).update(state=MessageState.DELIVERED)
    assert is_found()
    Message.objects.all().delete()
    assert not is_found()
    message = Message.objects.create(
        kind="incident", user_key="gone", due_at=timezone.now(), expires_at=timezone.now() + HOUR
    )
    assert is_found()
    Message.objects.filter(pk=message.pk).update(kind="wind_down")
    assert not is_found()
