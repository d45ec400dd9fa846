"""A provider processes a photo again that it still holds: no photo leaves, and each costs once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

import django_hili
from django_hili.codes import Code
from django_hili.exceptions import ProviderError, WrongStateError
from django_hili.imaging.encode import SourceType, mark_of
from django_hili.jobs.queries import result_of
from django_hili.media import vault
from django_hili.models import Disclosure, HeldReason, JobStatus, PhotoJob, SendState
from django_hili.privacy.erasure.vendor_copies import seal_handle
from tests import people, photos
from tests.host.models import Portrait
from tests.vendors import charges, vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture(params=["upload"])
def vendor(request, settings):
    with vendor_for(settings, charging=request.param) as sandbox:
        yield sandbox


@pytest.fixture
def done(anna, vendor, work) -> PhotoJob:
    job = people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    return job


def test_the_vendors_copy_is_processed_again(done, anna, vendor, work):
    estimate = django_hili.estimate_again(job_id=done.pk, operations=["sr"], scale=2)
    assert (estimate.origin, estimate.estimate.credits) == ("provider", 1)
    again = django_hili.process_again(
        job_id=done.pk, operations=["sr"], scale=2, image_type="landscape", requested_by=anna
    )
    assert again.status == JobStatus.PROCESSING
    row = Disclosure.objects.get(job_id=again.pk)
    assert (row.state, row.charged, row.size) == (SendState.ANSWERED, True, 0)
    assert row.handle != Disclosure.objects.get(job_id=done.pk).handle
    work()
    again.refresh_from_db()
    assert (again.status, again.again_of, again.subject_ref) == (
        JobStatus.DONE, done.pk, done.subject_ref,
    )  # fmt: skip
    assert charges(vendor) == 2
    events = [entry["event"] for entry in vendor.control.ledger()]
    assert (events.count("accepted"), events.count("again")) == (1, 1)


def test_a_photo_that_a_model_made_says_so_again_without_being_here(anna, vendor, work):
    vendor.control.set(mode="engine")  # what it makes holds no metadata
    content = photos.saved(photos.picture(), "JPEG", xmp=SourceType.GENERATED.xmp)
    first = people.enhance(content, operations=["repair"], subject=anna)
    work()
    again = django_hili.process_again(job_id=first.pk, operations=["sr"], scale=2)
    work()
    assert Disclosure.objects.get(job_id=again.pk).size == 0
    assert mark_of(vault.read(result_of(again))) is SourceType.GENERATED


def test_a_second_click_costs_nothing(done, vendor):
    django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    with pytest.raises(WrongStateError) as caught:
        django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert caught.value.code is Code.JOB_REPEATED
    assert charges(vendor) == 2


def test_past_the_vendors_hour_nothing_is_asked(done, vendor):
    Disclosure.objects.update(vendor_due_at=timezone.now() - dt.timedelta(seconds=1))
    with pytest.raises(WrongStateError) as caught:
        django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert caught.value.code is Code.UPLOAD_AGAIN
    assert charges(vendor) == 1
    assert PhotoJob.objects.count() == 1


def test_a_vendor_that_has_forgotten_gets_the_hosts_photo(anna, vendor, work, photo):
    portrait = Portrait(owner=anna, title="Ada")
    portrait.image.save("a.jpg", ContentFile(photo))
    first = people.enhance(portrait.image, operations=["repair"], subject=anna)
    work()
    # Ours says it is still there, the vendor says it is not.
    sent = Disclosure.objects.get()
    wrong = seal_handle("0" * 32, send_id=sent.pk, due_at=sent.vendor_due_at, now=timezone.now())
    Disclosure.objects.update(handle=wrong)
    again = django_hili.process_again(job_id=first.pk, operations=["sr"], scale=2)
    assert (again.status, again.again_of) == (JobStatus.QUEUED, first.pk)
    refused = Disclosure.objects.get(state=SendState.REFUSED)
    assert (refused.charged, refused.job_id == again.pk) == (False, False)
    work()
    again.refresh_from_db()
    assert again.status == JobStatus.DONE
    assert charges(vendor) == 2


def test_a_refusal_leaves_no_job_and_costs_nothing(done, vendor):
    vendor.control.fault("no_credits", "uploads", times=1)
    with pytest.raises(ProviderError) as caught:
        django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert caught.value.code is Code.PROVIDER_NO_CREDITS
    assert PhotoJob.objects.count() == 1
    assert charges(vendor) == 1
    again = django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert again.status == JobStatus.PROCESSING


def test_a_lost_answer_is_held_and_not_asked_again(done, vendor, work):
    vendor.control.fault("lost_answer", "uploads", times=1)
    again = django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert (again.status, again.held_reason) == (JobStatus.HELD, HeldReason.SEND_UNKNOWN)
    assert Disclosure.objects.get(job_id=again.pk).charged is None
    work()
    assert charges(vendor) == 2
    # There is no photo of ours to send: letting it go on would only fail.
    with pytest.raises(WrongStateError) as caught:
        django_hili.release(job_id=again.pk, accept_possible_charge=True)
    assert caught.value.code is Code.UPLOAD_AGAIN
    assert django_hili.cancel(job_id=again.pk).is_charged is None


@pytest.mark.parametrize("vendor", ["download"], indirect=True)
def test_where_results_are_charged_a_lost_answer_costs_nothing(done, vendor):
    vendor.control.fault("lost_answer", "uploads", times=1)
    with pytest.raises(ProviderError):
        django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert PhotoJob.objects.count() == 1


def test_a_transaction_around_it_is_refused_before_anything_leaves(done, vendor):
    with pytest.raises(RuntimeError), transaction.atomic():
        django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert charges(vendor) == 1


def test_a_job_cancelled_while_the_vendor_is_asked_stays_cancelled(done, vendor, monkeypatch):
    from django_hili.jobs.moves import send

    real = send.pass_barrier

    def too_late(**words):
        PhotoJob.objects.exclude(pk=done.pk).update(status=JobStatus.CANCELLED)
        return real(**words)

    monkeypatch.setattr(send, "pass_barrier", too_late)
    with pytest.raises(ProviderError):
        django_hili.process_again(job_id=done.pk, operations=["sr"], scale=2)
    assert charges(vendor) == 1
