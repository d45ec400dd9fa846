"""Photos that have been with a provider for half an hour are told, once, before they are lost."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_hili.jobs.doctor.examine import examine
from django_hili.jobs.doctor.findings import Level, Sign
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.models import Disclosure, JobStatus, PhotoJob, SendState
from tests import people, photos

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def sent(anna) -> PhotoJob:
    """A photo that has just been accepted by a vendor."""
    job, now = people.enhance(photos.jpeg(), operations=["repair"], subject=anna), timezone.now()
    PhotoJob.objects.update(
        status=JobStatus.PROCESSING, lease_owner="w", lease_until=now + dt.timedelta(hours=2)
    )
    Disclosure.objects.create(
        job=job, provider=job.provider, processor_policy="p", items=["photo"],
        operations=["repair"], basis="consent", token=1, size=1, state=SendState.ANSWERED,
        charged=True, intended_at=now, answered_at=now,
    )  # fmt: skip
    return job


def age(minutes: float) -> None:
    Disclosure.objects.update(answered_at=timezone.now() - minutes * MINUTE)


def late(caplog) -> list[str]:
    found = [text for text in caplog.messages if "over 30 minutes" in text]
    caplog.clear()
    return found


def test_the_operator_is_told_once(sent, caplog):
    now = timezone.now()
    upkeep(now + 29 * MINUTE)
    assert late(caplog) == []
    upkeep(now + 31 * MINUTE)
    line = "Photos with the provider 'local' for over 30 minutes: 1. It keeps a result for an hour."
    assert late(caplog) == [line]
    upkeep(now + 32 * MINUTE)  # whichever worker comes next
    assert late(caplog) == []


def test_who_comes_back_after_a_silence_is_told_of_all(sent, caplog):
    upkeep(timezone.now() + 50 * MINUTE)
    assert len(late(caplog)) == 1


def test_what_has_ended_is_not_late(sent, caplog):
    PhotoJob.objects.update(status=JobStatus.DONE)
    upkeep(timezone.now() + 31 * MINUTE)
    assert late(caplog) == []


def test_the_doctor_counts_them(sent):
    found = {finding.code: finding for finding in examine(offline=True).findings}
    assert Sign.PHOTOS_LATE not in found
    age(31)
    found = {finding.code: finding for finding in examine(offline=True).findings}
    assert found[Sign.PHOTOS_LATE].level is Level.WARNING
    assert found[Sign.PHOTOS_LATE].facts == {"late": 1}


@pytest.mark.parametrize(("minutes", "is_late"), [(29, False), (31, True)])
def test_the_admin_marks_them(sent, admin_client: Client, minutes, is_late):
    age(minutes)
    for address in (
        reverse("admin:django_hili_photojob_changelist"),
        reverse("admin:django_hili_photojob_change", args=[sent.pk]),
    ):
        page = admin_client.get(address).content.decode()
        assert ("over 30 minutes with the provider" in page) is is_late
