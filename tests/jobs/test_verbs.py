"""What people may do with a job, and staff with a provider: hold, release, retry, pause, resume."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

import django_hili
from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, WrongStateError
from django_hili.models import HeldReason, JobStatus, Media, PhotoJob, ProviderState
from tests import people
from tests.host.models import Portrait

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(anna, photo) -> PhotoJob:
    return people.enhance(photo, operations=["sr"], scale=2, subject=anna)


@pytest.fixture
def portrait(anna, photo) -> Portrait:
    made = Portrait(owner=anna, title="Ada")
    made.image.save("a.jpg", ContentFile(photo))
    return made


def fail(job: PhotoJob, code: Code) -> PhotoJob:
    """End a job as a worker would: failed, its source gone."""
    django_hili.cancel(job_id=job.pk)
    PhotoJob.objects.filter(pk=job.pk).update(status=JobStatus.FAILED, code=code)
    job.refresh_from_db()
    return job


def code_of(verb, **words) -> Code:
    with pytest.raises(WrongStateError) as caught:
        verb(**words)
    return caught.value.code


def test_every_public_verb_is_there():
    for name in django_hili.__all__:
        assert getattr(django_hili, name)


def test_a_held_job_waits_until_it_is_released(job, work):
    django_hili.hold(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.ON_REQUEST)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    released = django_hili.release(job_id=job.pk)
    assert (released.was_charged, released.credits) == (False, 0)
    work()
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.DONE, "")


def test_only_what_waits_is_held_and_only_what_is_held_is_released(job):
    assert code_of(django_hili.release, job_id=job.pk) is Code.JOB_CHANGED
    PhotoJob.objects.filter(pk=job.pk).update(status=JobStatus.PROCESSING)
    assert code_of(django_hili.hold, job_id=job.pk) is Code.JOB_CHANGED


@pytest.mark.parametrize(
    "reason", [HeldReason.CONSENT_NEEDED, HeldReason.APPROVAL_NEEDED, HeldReason.PROVIDER_PAUSED]
)
def test_what_others_decide_is_not_skipped(job, reason):
    PhotoJob.objects.filter(pk=job.pk).update(status=JobStatus.HELD, held_reason=reason)
    found = code_of(django_hili.release, job_id=job.pk, accept_possible_charge=True)
    assert found is Code.RELEASE_NOT_ALLOWED
    job.refresh_from_db()
    assert job.held_reason == reason


def test_a_job_whose_photo_is_gone_is_not_released(job):
    django_hili.hold(job_id=job.pk)
    Media.objects.all().delete()
    assert code_of(django_hili.release, job_id=job.pk) is Code.UPLOAD_AGAIN


def test_a_paused_provider_takes_nothing_and_loses_nothing(job, anna, photo, work):
    assert django_hili.pause(provider="local").jobs == 1
    later = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    reasons = PhotoJob.objects.values_list("status", "held_reason")
    assert set(reasons) == {(JobStatus.HELD, HeldReason.PROVIDER_PAUSED)}
    assert django_hili.pause(provider="local").jobs == 0
    assert django_hili.resume(provider="local").jobs == 2
    assert not ProviderState.objects.get(alias="local").is_paused
    work()
    for each in (job, later):
        each.refresh_from_db()
        assert each.status == JobStatus.DONE


def test_what_is_tried_again_waits_while_its_provider_is_paused(job, work):
    django_hili.pause(provider="local")
    # As a worker leaves a job whose attempt failed after the pause.
    PhotoJob.objects.update(status=JobStatus.QUEUED, held_reason="")
    assert work().held == 1
    job.refresh_from_db()
    assert (job.status, job.attempts) == (JobStatus.HELD, 0)
    assert job.held_reason == HeldReason.PROVIDER_PAUSED
    django_hili.resume(provider="local")
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE


def test_a_job_released_while_its_provider_is_paused_waits_for_it(job):
    django_hili.hold(job_id=job.pk)
    django_hili.pause(provider="local")
    django_hili.release(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.PROVIDER_PAUSED)
    assert django_hili.resume(provider="local").jobs == 1


def test_a_job_held_on_request_stays_held_when_its_provider_resumes(job):
    django_hili.hold(job_id=job.pk)
    django_hili.pause(provider="local")
    assert django_hili.resume(provider="local").jobs == 0
    job.refresh_from_db()
    assert job.held_reason == HeldReason.ON_REQUEST


def test_a_provider_that_is_not_there_cannot_be_paused(db):
    with pytest.raises(InvalidOptionsError):
        django_hili.pause(provider="moon")
    assert not ProviderState.objects.exists()


def test_a_failed_job_goes_again_from_the_hosts_photo(portrait, anna, work):
    first = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    fail(first, Code.ENGINE_CRASHED)
    again = django_hili.retry(job_id=first.pk, requested_by=anna)
    assert (again.again_of, again.subject_ref, again.target_pk) == (
        first.pk, first.subject_ref, str(portrait.pk),
    )  # fmt: skip
    assert code_of(django_hili.retry, job_id=first.pk) is Code.JOB_REPEATED
    work()
    again.refresh_from_db()
    assert again.status == JobStatus.DONE
    # Done again is done: a second click would only cost a second time.
    assert code_of(django_hili.retry, job_id=first.pk) is Code.JOB_REPEATED
    assert PhotoJob.objects.count() == 2


def test_what_failed_twice_may_be_tried_a_third_time(portrait, anna):
    first = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    fail(first, Code.ENGINE_CRASHED)
    fail(django_hili.retry(job_id=first.pk), Code.ENGINE_CRASHED)
    assert django_hili.retry(job_id=first.pk).again_of == first.pk


def test_a_photo_that_is_kept_nowhere_has_to_be_uploaded_again(job, portrait, anna):
    fail(job, Code.ENGINE_CRASHED)
    assert code_of(django_hili.retry, job_id=job.pk) is Code.UPLOAD_AGAIN
    of_portrait = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    fail(of_portrait, Code.ENGINE_CRASHED)
    portrait.image.storage.delete(portrait.image.name)
    assert code_of(django_hili.retry, job_id=of_portrait.pk) is Code.UPLOAD_AGAIN
    assert PhotoJob.objects.count() == 2
    assert not Media.objects.exists()


def test_what_would_fail_again_is_not_retried(portrait, anna):
    job = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    assert code_of(django_hili.retry, job_id=job.pk) is Code.JOB_CHANGED
    fail(job, Code.PERSON_NOT_FOUND)
    assert code_of(django_hili.retry, job_id=job.pk) is Code.RETRY_POINTLESS


def test_an_ended_job_is_processed_again_with_other_choices(portrait, anna, work):
    first = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    assert code_of(django_hili.process_again, job_id=first.pk, scale=4) is Code.JOB_NOT_DONE
    work()
    estimate = django_hili.estimate_again(job_id=first.pk, scale=4)
    assert (estimate.origin, estimate.estimate.credits, estimate.is_allowed) == ("host", 0, True)
    again = django_hili.process_again(job_id=first.pk, scale=4)
    assert (again.operations, again.scale, again.image_type) == (["sr"], 4, "people")
    assert code_of(django_hili.process_again, job_id=first.pk, scale=4) is Code.JOB_REPEATED
    other = django_hili.process_again(job_id=first.pk, preset="photo-repair")
    assert (other.operations, other.scale, other.preset) == (["repair"], None, "photo-repair")
    with pytest.raises(InvalidOptionsError):
        django_hili.process_again(job_id=first.pk, scale=3)


def test_a_photo_from_a_form_is_processed_again_nowhere(job, work):
    work()
    estimate = django_hili.estimate_again(job_id=job.pk, scale=4)
    assert (estimate.origin, estimate.is_allowed) == ("nowhere", False)
    found = code_of(django_hili.process_again, job_id=job.pk, scale=4)
    assert found is Code.UPLOAD_AGAIN
