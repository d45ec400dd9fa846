"""What is in doubt is settled by the vendor's count where the numbers leave one answer."""

from __future__ import annotations

import random

import pytest

import django_hili
from django_hili.exceptions import WrongStateError
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.held import Count, Finding, read_count, release
from django_hili.models import Disclosure, JobStatus, Media, PhotoJob, ProviderState, SendState
from tests import photos
from tests.vendors import charges, vendor_for

TABLE = [
    # before, now, paid since, in doubt, exclusive, what follows
    (Count(10, 10, 0, 0), True, Finding.NOTHING_IN_DOUBT),
    (Count(10, 7, 3, 0), True, Finding.NOTHING_IN_DOUBT),
    (Count(10, 7, 3, 2), True, Finding.NONE_CHARGED),
    (Count(10, 5, 3, 2), True, Finding.ALL_CHARGED),
    (Count(10, 6, 3, 2), True, Finding.UNDECIDED),  # one of two: nobody can say which
    (Count(10, 7, 3, 2), False, Finding.UNDECIDED),  # others spend too: the count proves nothing
    (Count(10, 4, 3, 2), True, Finding.SHARED_ACCOUNT),  # more is missing than we could have spent
    (Count(10, 60, 3, 2), True, Finding.SHARED_ACCOUNT),  # somebody bought credits
    (Count(10, 6, 3, 0), True, Finding.SHARED_ACCOUNT),
]


@pytest.mark.parametrize(("count", "is_exclusive", "finding"), TABLE)
def test_the_table(count, is_exclusive, finding):
    assert read_count(count, is_exclusive=is_exclusive) is finding


@pytest.mark.parametrize("seed", range(200))
def test_an_exclusive_account_is_never_settled_wrongly(seed):
    chance = random.Random(seed)
    before, paid, doubts = chance.randint(50, 99), chance.randint(0, 9), chance.randint(1, 5)
    truly_charged = chance.randint(0, doubts)
    count = Count(before, before - paid - truly_charged, paid, doubts)
    finding = read_count(count, is_exclusive=True)
    if finding is Finding.NONE_CHARGED:
        assert truly_charged == 0
    elif finding is Finding.ALL_CHARGED:
        assert truly_charged == doubts
    else:
        assert finding is Finding.UNDECIDED
        assert 0 < truly_charged < doubts


@pytest.fixture
def vendor(settings, request):
    """A sandbox of its own; the account is this site's alone unless a test says otherwise."""
    with vendor_for(settings, exclusive_account=getattr(request, "param", True)) as sandbox:
        yield sandbox


def send(user) -> PhotoJob:
    return django_hili.enhance(photos.jpeg(), operations=["repair"], subject=user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_a_doubt_that_cost_nothing_is_sent_again_by_itself(anna, vendor, work):
    work()  # a first count, with nothing on its way
    assert ProviderState.objects.get().credits == 1000
    vendor.control.fault("lost_answer", "uploads", times=1, accepted=False)
    job = send(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1
    settled = Disclosure.objects.get(state=SendState.RECONCILED)
    assert settled.charged is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_a_doubt_that_was_charged_is_known_and_stays_held(anna, vendor, work):
    work()
    vendor.control.fault("lost_answer", "uploads", times=1)
    job = send(anna)
    work()
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    assert Disclosure.objects.get().charged is True
    assert charges(vendor) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
@pytest.mark.parametrize("vendor", [False], indirect=True)
def test_where_others_spend_too_a_person_decides(anna, vendor, work):
    work()
    vendor.control.fault("lost_answer", "uploads", times=1, accepted=False)
    job = send(anna)
    work()
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    assert Disclosure.objects.get().charged is None
    release(job_id=job.pk)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    with pytest.raises(WrongStateError):
        release(job_id=job.pk)


@pytest.mark.django_db(transaction=True)
def test_cancelling_says_what_it_cost(anna, photo, stored):
    job = django_hili.enhance(photo, operations=["sr"], scale=2, subject=anna)
    assert cancel_job(job_id=job.pk).is_charged is False
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert stored() == {}
    assert not Media.objects.exists()
    with pytest.raises(WrongStateError):
        cancel_job(job_id=job.pk)
