"""Requests and incidents in the admin: who may answer does, who may not sees no word."""

from __future__ import annotations

import datetime as dt
import itertools
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_hili.models import Case, CaseKind, CaseState, Incident, Severity
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import cases, incidents
from tests.people import enhance

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def case(anna):
    return cases.open_case(
        kind=CaseKind.COMPLAIN, subject_ref=subject_ref_for(anna), text="CANARYWORDS"
    )


@pytest.fixture
def client_with(django_user_model):
    def make(*codes: str) -> Client:
        user = django_user_model.objects.create_user("carl", password="carl", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(
            codename__in=codes, content_type__app_label="django_hili"
        ))  # fmt: skip
        client = Client()
        client.force_login(user)
        return client

    return make


def page_of(row) -> str:
    return reverse(f"admin:django_hili_{row._meta.model_name}_change", args=[row.pk])


@pytest.mark.clause("AIART-4.2.1d", "HILI-5c")
def test_who_may_only_see_cases_reads_no_word_and_answers_nothing(case, client_with):
    client = client_with("view_case")
    page = client.get(page_of(case)).content.decode()
    assert "CANARYWORDS" not in page
    assert "You may see that there is a request but not what was written." in page
    for verb in ("verify", "answer", "extend"):
        assert client.post(page_of(case), {"do": verb}).status_code == 403
    assert Case.objects.get().state == CaseState.RECEIVED


@pytest.mark.clause("HILI-9", "AIART-5.6a", "MIAO-11")
def test_a_case_is_verified_extended_and_answered(case, client_with):
    client = client_with("view_case", "answer_case")
    assert "CANARYWORDS" in client.get(page_of(case)).content.decode()
    client.post(page_of(case), {"do": "verify"})
    assert Case.objects.get().state == CaseState.VERIFIED
    later = (case.received_at + dt.timedelta(days=40)).date()
    bad = client.post(page_of(case), {"do": "extend", "reason": "", "until": later}, follow=True)
    assert "one of the listed reasons" in bad.content.decode()
    client.post(page_of(case), {"do": "extend", "reason": "complex", "until": later})
    assert Case.objects.get().due_at.date() == later
    bad = client.post(page_of(case), {"do": "answer", "outcome": "refused", "text": "No."})
    assert "needs one of the listed grounds" in bad.content.decode()
    answer = {"do": "answer", "outcome": "refused", "ground": "excessive", "text": "Seven times."}
    asked = client.post(page_of(case), answer).content.decode()
    assert Case.objects.get().state == CaseState.VERIFIED, "one page asks first"
    for words in ("Seven times.", "beyond a reasonable limit", "cannot be changed"):
        assert words in asked
    client.post(page_of(case), {**answer, "confirm": "Answer for good"})
    page = client.get(page_of(case)).content.decode()
    assert Case.objects.get().state == CaseState.CLOSED
    for words in ("Seven times.", "privacy@example.org", "beyond a reasonable limit"):
        assert words in page


@pytest.mark.parametrize("words", [{}, {"outcome": "shrugged"},
                                   {"outcome": "refused", "ground": "no time"}])  # fmt: skip
def test_an_answer_that_cannot_be_read_is_none(case, client_with, words):
    client = client_with("view_case", "answer_case")
    told = client.post(page_of(case), {"do": "answer", **words}, follow=True).content.decode()
    assert "Done." not in told
    assert "errornote" in told or 'class="error"' in told
    assert Case.objects.get().state == CaseState.RECEIVED
    assert not LogEntry.objects.exists()


def test_no_answer_is_chosen_beforehand_and_none_goes_without_words(case, client_with):
    client = client_with("view_case", "answer_case")
    page = client.get(page_of(case)).content.decode()
    assert '<option value="" selected>' in page
    told = client.post(page_of(case), {"do": "answer", "outcome": "granted", "confirm": "yes"})
    assert 'id="id_text_error"' in told.content.decode()
    unchecked = {"do": "answer", "outcome": "granted", "text": "Done, all of it.", "confirm": "yes"}
    told = client.post(page_of(case), unchecked).content.decode()
    assert "Done, all of it." in told, "what was typed is still there"
    assert Case.objects.get().state == CaseState.RECEIVED


def test_who_answers_is_led_to_what_is_held(case, client_with, anna, photo):
    job = enhance(photo, operations=["sr"], scale=2, subject=anna)
    client = client_with("view_case", "answer_case", "view_photojob")
    page = client.get(page_of(case)).content.decode()
    assert "photo jobs: 1" in page
    assert "stored photos: 1" in page
    address = re.search(r'href="([^"]+subject_ref=[^"]+)"', page)[1]
    jobs = client.get(address)
    assert jobs.status_code == 200
    assert str(job.pk)[:8] in jobs.content.decode()


@pytest.mark.clause("HILI-9")
def test_what_is_late_can_be_filtered(case, client_with):
    client = client_with("view_case")
    address = reverse("admin:django_hili_case_changelist") + "?overdue=yes"
    assert str(case.pk)[:8] not in client.get(address).content.decode()
    Case.objects.update(due_at=timezone.now() - dt.timedelta(days=1))
    assert str(case.pk)[:8] in client.get(address).content.decode()


@pytest.mark.clause("HILI-5f", "PIXEL-4.5", "AIART-4.2.6a")
def test_an_incident_goes_its_way_by_buttons(case, client_with):
    now = timezone.now()
    incident = incidents.open_incident(
        severity=Severity.SERIOUS, began_at=now - dt.timedelta(hours=1), ended_at=now
    )
    client = client_with("view_incident", "answer_case")
    page = page_of(incident)
    assert "still missing" in client.get(page).content.decode()
    told = client.post(page, {"do": "tell_people"}, follow=True).content.decode()
    assert "The incident cannot be closed yet." in told
    client.post(page, {
        "do": "describe", "situation": "S", "measures": "M", "advice": "A", "remedies": "R",
    })  # fmt: skip
    for verb in ("tell_people", "announce", "tell_authority", "close"):
        client.post(page, {"do": verb})
    incident = Incident.objects.get()
    assert incident.case.state == CaseState.CLOSED
    assert incident.people_told_at
    assert incident.announced_at
    assert incident.authority_told_at
    assert client.get(reverse("admin:django_hili_incident_changelist")).status_code == 200


def test_who_may_only_see_incidents_does_nothing(client_with):
    now = timezone.now()
    incident = incidents.open_incident(
        severity=Severity.MINOR, began_at=now - dt.timedelta(hours=1), ended_at=now
    )
    client = client_with("view_incident")
    assert client.get(page_of(incident)).status_code == 200
    for verb in ("describe", "close", "nonsense"):
        assert client.post(page_of(incident), {"do": verb}).status_code == 403


@pytest.mark.parametrize("words", [{}, {"reason": "shrugged"}, {"reason": "complex"}])
def test_more_time_asks_for_its_reason_and_keeps_what_was_typed(case, client_with, words):
    client = client_with("view_case", "answer_case")
    page = client.get(page_of(case)).content.decode()
    chosen = re.search(r'<select name="reason".*?</select>', page, re.DOTALL)[0]
    assert re.search(r'<option value="" selected>', chosen), "nobody's reason stands there already"
    too_late = (case.received_at + dt.timedelta(days=200)).date().isoformat()
    told = client.post(page_of(case), {"do": "extend", "until": too_late, **words})
    assert "one of the listed reasons" in told.content.decode()
    assert f'value="{too_late}"' in told.content.decode()
    assert not Case.objects.exclude(extension="").exists()
    assert not LogEntry.objects.exists()


def test_more_time_reaches_to_the_last_day(case, client_with):
    client = client_with("view_case", "answer_case")
    latest = cases.latest_answer(case)
    day = re.search(r'max="([\d-]+)"', client.get(page_of(case)).content.decode())[1]
    assert day == timezone.localtime(latest).date().isoformat()
    client.post(page_of(case), {"do": "extend", "reason": "complex", "until": day})
    assert Case.objects.get().due_at <= latest
    assert Case.objects.get().extension == "complex"


def test_what_is_late_says_so_in_a_word(case, client_with):
    address = reverse("admin:django_hili_case_changelist")
    client = client_with("view_case")
    assert "hili-failed" not in client.get(address).content.decode()
    Case.objects.update(due_at=timezone.now() - dt.timedelta(days=1))
    assert re.search(r"hili-failed\W+overdue", client.get(address).content.decode())


def test_no_incident_is_offered_among_the_requests(case, client_with):
    page = client_with("view_case").get(reverse("admin:django_hili_case_changelist"))
    assert "kind__exact=complain" in page.content.decode()
    assert "kind__exact=incident" not in page.content.decode()


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("is_drill", [False, True])
def test_one_incident_is_as_late_as_all_of_them_say(severity, is_drill):
    now = timezone.now()
    incident = incidents.open_incident(
        severity=severity, is_drill=is_drill, began_at=now - dt.timedelta(hours=1), ended_at=now
    )
    for people, authority, days in itertools.product([None, now], [None, now], [0, 100]):
        Incident.objects.update(people_told_at=people, authority_told_at=authority)
        incident = Incident.objects.get()
        moment = now + dt.timedelta(days=days)
        found = incidents.overdue(moment).exists()
        assert bool(incidents.late(incident, now=moment)) == found, (people, authority, days)


def test_an_incident_says_what_was_done_and_what_is_late(client_with):
    now = timezone.now()
    incident = incidents.open_incident(
        severity=Severity.SERIOUS, began_at=now - dt.timedelta(hours=1), ended_at=now
    )
    Incident.objects.update(people_due_at=now, authority_due_at=now)
    client = client_with("view_incident", "answer_case")
    listed = reverse("admin:django_hili_incident_changelist")
    for address in (page_of(incident), listed):
        assert client.get(address).content.decode().count("overdue") >= 2
    client.post(page_of(incident), {"do": "tell_authority"})
    page = client.get(page_of(incident)).content.decode()
    assert "authority told" in page
    assert 'value="tell_authority"' not in page, "what is done is not asked for again"
    assert "told " in client.get(listed).content.decode()
