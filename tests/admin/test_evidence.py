"""The ledger of sends and the chain of receipts in the admin: seen, and changed by nobody."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_hili.admin.evidence import FACT_LABELS, ITEM_LABELS, KIND_LABELS
from django_hili.jobs.moves.send import ITEMS
from django_hili.models import Disclosure, PhotoJob, Receipt
from django_hili.privacy.evidence import receipts
from tests.people import enhance

OBJECT = "11111111-2222-3333-4444-555555555555"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def send(anna, photo):
    job = enhance(photo, operations=["sr"], scale=2, subject=anna)
    return Disclosure.objects.create(
        job=job, provider="hili", region="CN", processor_policy="https://vendor.example/policy",
        items=["photo", "operations"], operations=["sr"], basis="consent", token=1, size=100,
        handle="CANARYHANDLE", intended_at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def officer(django_user_model):
    user = django_user_model.objects.create_user("dora", password="dora", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_disclosure", "view_receipt"])
    )
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.clause("HILI-0.5", "AIART-3.3b")
def test_an_officer_sees_who_got_what_and_no_handle(send, officer):
    for page in ("changelist", "change"):
        args = [send.pk] if page == "change" else []
        answer = officer.get(reverse(f"admin:django_hili_disclosure_{page}", args=args))
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "hili" in text
        assert "photo, operations" in text
        assert "CANARYHANDLE" not in text


def test_a_send_is_found_by_its_job_even_when_the_job_is_gone(send, officer):
    job_id = send.job_id
    PhotoJob.objects.filter(pk=job_id).delete()
    answer = officer.get(reverse("admin:django_hili_disclosure_changelist"))
    assert str(job_id)[:8] in answer.content.decode()


@pytest.mark.clause("MIAO-7.3c")
def test_an_officer_finds_the_receipt_of_an_object(send, officer):
    number = receipts.append([receipts.Event("erased", OBJECT, {"cause": "expired"})])
    address = reverse("admin:django_hili_receipt_changelist")
    found = officer.get(address, {"q": OBJECT}).content.decode()
    assert f">{number}</a>" in found
    assert "erased" in found
    nothing = officer.get(address, {"q": "99999999-2222-3333-4444-555555555555"}).content.decode()
    assert f">{number}</a>" not in nothing


def test_receipts_read_as_words(officer):
    facts = {"kind": "result", "cause": "withdrawn"}
    receipts.append([receipts.Event("erased", OBJECT, facts)])
    address = reverse("admin:django_hili_receipt_changelist")
    page = officer.get(address, {"kind__exact": "erased"}).content.decode()
    assert "photo erased" in page
    assert "cause: consent was withdrawn · what: result" in page
    assert OBJECT[:8] not in officer.get(address, {"kind__exact": "incident"}).content.decode()


def test_every_kind_and_every_fact_has_its_word():
    assert KIND_LABELS.keys() == receipts.KINDS.keys()
    assert FACT_LABELS.keys() == {fact for facts in receipts.KINDS.values() for fact in facts}


def test_nobody_changes_either(send, admin_client):
    receipts.append([receipts.Event("erased", OBJECT, {"cause": "expired"})])
    for row in (send, Receipt.objects.latest("number")):
        name = f"admin:django_hili_{row._meta.model_name}"
        assert admin_client.get(reverse(f"{name}_add")).status_code == 403
        assert admin_client.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
        assert admin_client.post(reverse(f"{name}_change", args=[row.pk])).status_code == 403


def test_without_the_permission_there_is_no_page(send, django_user_model):
    django_user_model.objects.create_user("carl", password="carl", is_staff=True)
    client = Client()
    client.login(username="carl", password="carl")
    assert client.get(reverse("admin:django_hili_disclosure_changelist")).status_code == 403
    assert client.get(reverse("admin:django_hili_receipt_changelist")).status_code == 403


def test_a_send_reads_as_words(send, officer):
    page = officer.get(reverse("admin:django_hili_disclosure_change", args=[send.pk]))
    text = page.content.decode()
    for words in ("Enlarge with more detail", "the person&#x27;s own request", "mainland China"):
        assert words in text
    assert "[&quot;sr&quot;]" not in text


def test_what_a_send_holds_has_a_name():
    assert set(ITEM_LABELS) == set(ITEMS)


def test_a_step_in_an_incident_reads_as_words(officer):
    receipts.append([receipts.Event("incident", OBJECT, {"step": "drill_people_told",
                                                         "severity": "minor"})])  # fmt: skip
    page = officer.get(reverse("admin:django_hili_receipt_changelist")).content.decode()
    assert "step: Drill · messages queued" in page


@pytest.mark.parametrize("model", ["disclosure", "receipt"])
def test_no_list_looks_at_every_row_for_its_choices(send, officer, model):
    address = reverse(f"admin:django_hili_{model}_changelist")
    with CaptureQueriesContext(connection) as queries:
        page = officer.get(address)
    said = [query["sql"].upper() for query in queries]
    assert page.status_code == 200
    assert not [sql for sql in said if "DISTINCT" in sql or "MIN(" in sql], "a scan a page"
    assert "_facets" not in page.content.decode()


@pytest.mark.parametrize(
    ("choice", "is_found"),
    [("provider=hili", True), ("provider=gone", False), ("basis=consent", True),
     ("basis=attestation", False), ("intended_at__gte=2000-01-01 00:00:00%2B00:00", True)],
)  # fmt: skip
def test_sends_are_filtered_by_what_is_known_beforehand(send, officer, choice, is_found):
    page = officer.get(reverse("admin:django_hili_disclosure_changelist") + f"?{choice}")
    assert page.status_code == 200
    assert (str(send.pk) in page.content.decode()) == is_found
