"""Each end that the data map names is kept by a sweep: a life, and a leap past each of them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.utils import timezone

from django_hili.jobs.batch import enhance_many
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media.keystore import key_store
from django_hili.models import (
    CaseKind,
    CaseOutcome,
    Consent,
    Disclosure,
    Erasure,
    IdempotencyKey,
    Media,
    Message,
    PhotoBatch,
    PhotoJob,
    Purpose,
    SendState,
    Severity,
    Subject,
)
from django_hili.privacy.audit.datamap import TABLES, DataClass
from django_hili.privacy.consent.consents import consents_of, give_consent
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.sweep import sweep_thoroughly
from django_hili.privacy.rights import cases, exercise, handover, incidents, messages
from django_hili.privacy.rights.withdrawal import withdraw_consent
from tests import people
from tests.photos import jpeg
from tests.privacy.test_rights import send

pytestmark = pytest.mark.django_db(transaction=True)
MAP = pytest.mark.clause(
    "HILI-1.6n", "AIART-4.2.2", "PIXEL-4.1b", "MIAO-2.0", "MIAO-5.2", "MIAO-7.7"
)
SECOND, HOUR, DAY = (dt.timedelta(**{unit: 1}) for unit in ("seconds", "hours", "days"))
THREE_YEARS = 1096 * DAY


def kept_until(row):
    return row.expires_at


def a_job(anna, work):
    job = people.enhance(jpeg(), operations=["repair"], subject=anna)
    work()
    return PhotoJob.objects.get(pk=job.pk)


def photojob(anna, work):
    job = a_job(anna, work)
    return PhotoJob.objects.filter(pk=job.pk), job.ended_at + 90 * DAY


def photobatch(anna, work):
    people.agree(anna)
    made = enhance_many([jpeg()], operations=["repair"], subject=anna, people_agreed=True)
    work()
    job = PhotoJob.objects.get(pk=made.jobs[0].pk)
    return PhotoBatch.objects.all(), job.ended_at + 90 * DAY


def media(anna, work):
    row = Media.objects.get(job=a_job(anna, work))
    return Media.objects.filter(pk=row.pk), row.expires_at


def disclosure(anna, work):
    job = a_job(anna, work)
    row = send(job, state=SendState.REFUSED, charged=False)
    now = timezone.now()
    upkeep(now)  # nothing came of it, so there is nothing to ask
    return Disclosure.objects.filter(pk=row.pk), now + THREE_YEARS


def wrappingkey(anna, work):
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) + 30 * HOUR
    key_store().create(hour)
    return apps.get_model("django_hili", "wrappingkey").objects.filter(not_after=hour), hour


def consent(anna, work):
    """What was taken back, by somebody who goes on; what still stands is another test's."""
    people.agree(anna)
    withdraw_consent(subject=anna, purpose=Purpose.ENHANCE)
    last = Consent.objects.order_by("pk").last()
    words = Consent.objects.filter(purpose=Purpose.ENHANCE)
    assert words.count() == 2
    return words, last.at + THREE_YEARS


def case(anna, work):
    asked = cases.ask(kind=CaseKind.COMPLAIN, subject_ref=subject_ref_for(anna), text="words")
    cases.close(case_id=asked.pk, outcome=CaseOutcome.GRANTED, text="so it is")
    rows = type(asked).objects.filter(pk=asked.pk)
    return rows, rows.get().closed_at + 90 * DAY


def an_incident(anna, work):
    job = a_job(anna, work)
    found = incidents.open_incident(
        severity=Severity.MINOR, began_at=job.created_at - DAY, ended_at=job.created_at + HOUR
    )
    incidents.describe(incident_id=found.pk, situation="s", measures="m", advice="a", remedies="r")
    incidents.tell_people(incident_id=found.pk)
    return found


def incident(anna, work):
    found = an_incident(anna, work)
    Message.objects.all().delete()
    incidents.close_incident(incident_id=found.pk)
    return type(found).objects.filter(pk=found.pk), type(found).objects.get().case.expires_at


def message(anna, work):
    an_incident(anna, work)
    rows = Message.objects.all()
    assert rows.count() == 1
    return rows, rows.get().expires_at


def a_handover(anna, work):
    made = handover.hand_over(subject_ref=subject_ref_for(anna)).handover
    return type(made).objects.filter(pk=made.pk), made.created_at + DAY


def idempotencykey(anna, work):
    client, words = people.client_of(anna), {"photo": ContentFile(jpeg(), "a.jpg")}
    answer = client.post(
        "/hili/api/v1/jobs/", {**words, "operations": "repair"}, headers={"Idempotency-Key": "one"}
    )
    assert answer.status_code == 202
    rows = IdempotencyKey.objects.all()
    return rows, rows.get().created_at + DAY


def subject(anna, work):
    """The bare reference of somebody who never did anything and is gone."""
    rows = Subject.objects.filter(pk=subject_ref_for(anna))
    made = rows.get().created_at
    exercise.cancel_account(subject_ref=rows.get().pk)
    # The request to cancel is the last row that names it; it goes after ninety days.
    return rows, made + 90 * DAY


LIVES = {
    "photojob": photojob, "photobatch": photobatch, "media": media, "disclosure": disclosure,
    "wrappingkey": wrappingkey, "consent": consent, "case": case, "incident": incident,
    "message": message, "handover": a_handover, "subject": subject,
    "idempotencykey": idempotencykey,
}  # fmt: skip
"""How a row of each table comes to be; it returns the rows, and when they must be gone."""
ELSEWHERE = {"erasure"}
"""Ended by what somebody does, not by the clock: below."""
KEPT = {"receipt", "chain", "policyversion", "closure", "heartbeat", "providerstate"}


def pass_to(moment):
    upkeep(moment)
    sweep_thoroughly(moment)


@MAP
def test_every_table_of_the_map_has_its_end_tried_or_none():
    assert set(LIVES) | ELSEWHERE | KEPT == set(TABLES)
    for name in KEPT:
        table = TABLES[name]
        assert table.erased_by.startswith("nobody"), name
        classes = {entry.data_class for entry in table.fields.values()} - {DataClass.PLAIN}
        assert not classes or name == "receipt", name
    assert not [name for name in LIVES if TABLES[name].erased_by.startswith("nobody")]


@MAP
@pytest.mark.parametrize("name", LIVES)
def test_a_row_is_there_until_its_end_and_no_longer(anna, work, settings, name):
    if name == "wrappingkey":
        settings.HILI = {**settings.HILI, "VAULT": {"KEY_DATABASE": "default"}}
    rows, end = LIVES[name](anna, work)
    assert rows.exists()
    if name == "photobatch":  # its jobs go by the same sweep, and it right after them
        end += SECOND
    pass_to(end - 2 * SECOND)
    assert rows.exists(), "not early"
    pass_to(end + HOUR)
    assert not rows.exists(), TABLES[name].until


@MAP
def test_what_a_store_of_the_site_has_to_erase_ends_with_its_doing_so(anna):
    stores.register("thumbs", erase=lambda scope: None, find=lambda scope: [])
    try:
        exercise.cancel_account(subject_ref=subject_ref_for(anna))
        assert Erasure.objects.exists()
        upkeep(timezone.now())
        assert not Erasure.objects.exists()
    finally:
        stores.unregister("thumbs")


@MAP
def test_the_pointers_of_what_is_kept_lead_nowhere_once_the_account_ends(anna, work):
    job = a_job(anna, work)
    row = send(job, state=SendState.ANSWERED, requested_by_ref=job.subject_ref)
    ref = job.subject_ref
    exercise.cancel_account(subject_ref=ref)
    row.refresh_from_db()
    assert not PhotoJob.objects.filter(pk=row.job_id).exists()
    assert Consent.objects.filter(subject_ref=ref).exists(), "proof that they had agreed stays"
    known = Subject.objects.get(pk=row.requested_by_ref)
    assert (known.user_key, known.age_band, known.region) == (None, "unknown", "")


@MAP
def test_a_message_loses_its_user_by_its_delivery(anna, work):
    an_incident(anna, work)
    for number in range(messages.TRIES):
        messages.deliver(timezone.now() + number * 30 * HOUR)
    assert [row.user_key for row in Message.objects.all()] == [None]


def agree_again(user):
    version = version_in_force()
    give_consent(
        subject=user, version=version.number, notice=version.notice_hashes["enhance"],
        purpose="enhance",
    )  # fmt: skip


@MAP
def test_what_stands_can_be_taken_back_however_old_and_the_rest_goes(anna, ben, work):
    """An attestation goes three years after its upload; a grant when the account has ended."""
    a_job(anna, work)
    agree_again(anna)
    people.agree(ben)
    theirs = Consent.objects.filter(subject_ref=subject_ref_for(anna))
    assert theirs.filter(purpose=Purpose.OTHER_PEOPLE).count() == 1
    assert theirs.filter(purpose=Purpose.ENHANCE).count() == 2
    late = timezone.now() + THREE_YEARS + HOUR
    pass_to(late)
    assert theirs.filter(purpose=Purpose.OTHER_PEOPLE).count() == 0
    assert theirs.filter(purpose=Purpose.ENHANCE).count() == 1, "what was said again is gone"
    assert withdraw_consent(subject=anna, purpose=Purpose.ENHANCE).was_given
    exercise.cancel_account(subject_ref=subject_ref_for(ben))
    pass_to(late)
    assert {word.subject_ref for word in Consent.objects.all()} == {subject_ref_for(anna)}
    assert consents_of(anna)
