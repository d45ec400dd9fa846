"""Only companies in the registry get photos, bound and assessed, and everybody can read who."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.checks import run_checks
from django.db import IntegrityError, transaction
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import PrivacyRefusedError
from django_hili.models import Disclosure, HeldReason, JobStatus, PhotoJob
from tests import people
from tests.vendors import vendor_for

ASSESSED = pytest.mark.clause("HILI-3.1.1c", "AIART-3.1d", "AIART-4.2.3", "PIXEL-5.1d", "MIAO-6.1a")
REGISTRY = pytest.mark.clause("AIART-6", "MIAO-1", "MIAO-6.1c", "PIXEL-0.2")
pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/hili/api/v1/privacy/processors/"


def told(settings, **changes):
    """Change what the site says about the vendor."""
    entry = {**settings.HILI["PROVIDERS"]["hili"], **changes}
    settings.HILI = {**settings.HILI, "PROVIDERS": {"hili": entry}}


def days_ago(days):
    return timezone.localdate() - dt.timedelta(days=days)


@ASSESSED
@pytest.mark.parametrize(
    "changes",
    [{"AGREEMENT": ""}, {"ASSESSED_ON": None}, {"ASSESSED_ON": days_ago(366)},
     {"ASSESSED_ON": days_ago(-1)}],
    ids=["no agreement", "never assessed", "assessed too long ago", "assessed in the future"],
)  # fmt: skip
def test_who_is_not_bound_gets_nothing(settings, anna, photo, changes):
    with vendor_for(settings) as vendor:
        people.agree(anna)
        told(settings, **changes)
        with pytest.raises(PrivacyRefusedError) as refused:
            people.enhance(photo, operations=["repair"], subject=anna)
        assert refused.value.code == Code.PROCESSOR_NOT_ASSESSED
        assert "HILI-3.1.1c" in refused.value.clauses
        assert not PhotoJob.objects.exists()
        assert vendor.control.ledger() == []


@ASSESSED
def test_an_assessment_counts_for_a_year(settings, anna, photo):
    with vendor_for(settings):
        told(settings, ASSESSED_ON=days_ago(365))
        people.enhance(photo, operations=["repair"], subject=anna)


@ASSESSED
def test_what_waits_while_an_assessment_ends_is_held(settings, anna, photo, work):
    with vendor_for(settings) as vendor:
        job = people.enhance(photo, operations=["repair"], subject=anna)
        told(settings, ASSESSED_ON=days_ago(400))
        work()
        job.refresh_from_db()
        assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.CONSENT_NEEDED)
        assert vendor.control.ledger() == []


@pytest.mark.clause("PIXEL-0.2", "MIAO-1", "AIART-6")
@pytest.mark.parametrize("name", ["POLICY_URL", "CONTACT", "AGREEMENT", "ASSESSED_ON"])
def test_an_entry_that_lacks_something_is_an_error(settings, name):
    with vendor_for(settings):
        assert "django_hili.E010" not in {message.id for message in run_checks()}
        told(settings, **{name: None if name == "ASSESSED_ON" else ""})
        found = [message for message in run_checks() if message.id == "django_hili.E010"]
        assert len(found) == 1
        assert name in found[0].msg


@REGISTRY
def test_everybody_can_read_who_gets_photos(settings, client):
    with vendor_for(settings) as vendor:
        listed = client.get(ADDRESS).json()["results"]
        assert [entry["name"] for entry in listed] == ["hili"]
        assert listed[0]["region"] == "CN"
        assert listed[0]["policy_url"] == "https://hili.example.org/privacy"
        assert listed[0]["copy_kept_seconds"] == 3600
        assert listed[0]["gets_photos"] is True
        assert vendor.base_url not in str(listed)


@REGISTRY
@pytest.mark.clause("HILI-3.1.2", "AIART-3.1b")
def test_where_nothing_leaves_the_list_is_empty(client):
    assert client.get(ADDRESS).json() == {"results": []}


@pytest.mark.clause("HILI-0.5")
def test_a_send_names_the_companys_policy(settings, anna, photo, work):
    with vendor_for(settings):
        people.enhance(photo, operations=["repair"], subject=anna)
        work()
        send = Disclosure.objects.get()
        assert send.processor_policy == "https://hili.example.org/privacy"
        with pytest.raises(IntegrityError), transaction.atomic():
            Disclosure.objects.filter(pk=send.pk).update(processor_policy="")
