"""What is in doubt is settled by the vendor's count where the numbers leave one answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import uuid

import pytest
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.hold import release_job
from django_hili.jobs.moves import breakers, claim, reconcile
from django_hili.jobs.moves.reconcile import Count, Finding, read_count
from django_hili.jobs.moves.send import intend, pass_barrier_all
from django_hili.jobs.queries import charge_of
from django_hili.jobs.worker import remote
from django_hili.jobs.worker.desk import Desk
from django_hili.models import (
    Breaker,
    Disclosure,
    JobStatus,
    Media,
    PhotoJob,
    ProviderState,
    SendState,
)
from django_hili.providers.registry import build_provider, capabilities_of
from tests import people, photos
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
    (Count(10, 60, 3, 2), True, Finding.CREDITS_BOUGHT),
    (Count(10, 60, 3, 0), False, Finding.CREDITS_BOUGHT),
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


@pytest.fixture
def at_once(monkeypatch):
    """Counts may follow upon one another, and upon what went wrong; two are still needed."""
    monkeypatch.setattr(reconcile, "SETTLE_AFTER", dt.timedelta(0))
    monkeypatch.setattr(breakers, "_pause", lambda *_: 0.0)


def send(user) -> PhotoJob:
    return people.enhance(photos.jpeg(), operations=["repair"], subject=user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_a_doubt_that_cost_nothing_is_sent_again_by_itself(anna, vendor, work, at_once):
    work()  # a first count, with nothing on its way
    assert ProviderState.objects.get().credits == 1000
    vendor.control.fault("lost_answer", "uploads", times=1, accepted=False)
    job = send(anna)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    work()  # a count that may settle it
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    work()  # a second that says the same
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    assert charges(vendor) == 1
    settled = Disclosure.objects.get(state=SendState.RECONCILED)
    assert settled.charged is False


@pytest.mark.clause("HILI-API-1")
@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_a_doubt_that_was_charged_is_known_and_stays_held(anna, vendor, work, at_once):
    work()
    vendor.control.fault("lost_answer", "uploads", times=1)
    job = send(anna)
    for _ in range(3):
        work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    assert Disclosure.objects.get().charged is True
    assert charges(vendor) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
@pytest.mark.parametrize("vendor", [False], indirect=True)
def test_where_others_spend_too_a_person_decides(anna, vendor, work, at_once):
    work()
    vendor.control.fault("lost_answer", "uploads", times=1, accepted=False)
    job = send(anna)
    for _ in range(3):
        work()
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    assert Disclosure.objects.get().charged is None
    with pytest.raises(WrongStateError) as caught:
        release_job(job_id=job.pk)
    assert caught.value.code is Code.CHARGE_NOT_ACCEPTED
    assert release_job(job_id=job.pk, accept_possible_charge=True).was_charged is None
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    with pytest.raises(WrongStateError):
        release_job(job_id=job.pk, accept_possible_charge=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("state", "is_counted", "is_probed"),
    [
        ({}, True, True),
        ({"breaker": Breaker.DOWN, "failures": 1, "ask_again_at": True}, False, False),
        ({"is_paused": True}, False, True),  # that copies are gone is proved all the same
    ],
)
def test_a_provider_that_is_away_or_paused_is_not_asked_to_count(
    vendor, monkeypatch, state, is_counted, is_probed
):
    if "ask_again_at" in state:
        state = {**state, "ask_again_at": timezone.now() + dt.timedelta(minutes=1)}
    ProviderState.objects.create(alias="hili", **state)
    asked = []

    async def probe(_desk, _provider):
        asked.append("copies")

    async def credits_left():
        asked.append("credits")
        return 1000

    async def tick():
        desk, provider = Desk(), build_provider("hili")
        provider.credits = credits_left
        lane = remote.RemoteLane(desk, provider)
        await lane.tick()
        await lane.tend()
        await lane.aclose()
        await desk.aclose()

    monkeypatch.setattr(remote, "probe_copies", probe)
    asyncio.run(tick())
    assert ("credits" in asked, "copies" in asked) == (is_counted, is_probed)


COUNTS = [
    # minutes after the send, credits left; what follows from the last of them
    ([(3, 1000)], Finding.UNDECIDED),  # one count is none
    ([(1, 1000), (4, 1000)], Finding.UNDECIDED),  # the first came too early to tell
    ([(3, 1000), (4, 1000)], Finding.UNDECIDED),  # too close together
    ([(3, 1000), (6, 1000)], Finding.NONE_CHARGED),
    ([(3, 999), (6, 999)], Finding.ALL_CHARGED),
    ([(3, 1000), (6, 999)], Finding.UNDECIDED),  # accepted after the vendor had come back
    ([(3, 1000), (6, 999), (9, 999)], Finding.ALL_CHARGED),
    ([(3, 1000), (6, 998)], Finding.SHARED_ACCOUNT),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("counts", "finding"), COUNTS)
def test_two_counts_have_to_say_the_same(counts, finding, monkeypatch):
    sent_at = timezone.now()
    clock = [sent_at - dt.timedelta(minutes=1)]
    monkeypatch.setattr(reconcile.timezone, "now", lambda: clock[0])
    words = {"provider": "hili", "is_exclusive": True}
    reconcile.reconcile(credits_left=1000, **words)
    Disclosure.objects.create(
        processor_policy="p",
        job_id=uuid.uuid4(), provider="hili", items=[], operations=[], token=1, size=1,
        state=SendState.UNKNOWN, intended_at=sent_at, passed_at=sent_at,
    )  # fmt: skip
    for minutes, left in counts:
        clock[0] = sent_at + dt.timedelta(minutes=minutes)
        last = reconcile.reconcile(credits_left=left, **words)
    assert last is finding


class Books:
    """An account that is said to be this site's alone, and a clock; nothing is really sent."""

    def __init__(self, monkeypatch, credits_left: int = 1000) -> None:
        self.began = self.now = timezone.now()
        monkeypatch.setattr(reconcile.timezone, "now", lambda: self.now)
        self.count(0, credits_left)

    def count(self, minute: float, credits_left: int) -> Finding:
        self.now = self.began + dt.timedelta(minutes=minute)
        return reconcile.reconcile(provider="hili", credits_left=credits_left, is_exclusive=True)

    def doubt(self, minute: float) -> Disclosure:
        at = self.began + dt.timedelta(minutes=minute)
        return Disclosure.objects.create(
            processor_policy="p",
            job_id=uuid.uuid4(), provider="hili", items=[], operations=[], token=1, size=1,
            state=SendState.UNKNOWN, intended_at=at, passed_at=at,
        )  # fmt: skip

    def answer_late(self, row: Disclosure, minute: float) -> None:
        at = self.began + dt.timedelta(minutes=minute)
        Disclosure.objects.filter(pk=row.pk).update(
            state=SendState.ANSWERED, charged=True, answered_at=at
        )


@pytest.fixture
def books(db, monkeypatch):
    return Books(monkeypatch)


def charged(*rows: Disclosure) -> list[bool | None]:
    for row in rows:
        row.refresh_from_db()
    return [row.charged for row in rows]


def test_credits_that_were_bought_end_no_reckoning(books):
    assert books.count(5, 1050) is Finding.CREDITS_BOUGHT
    assert not ProviderState.objects.get().is_shared
    row = books.doubt(6)
    books.count(9, 1049)
    assert books.count(12, 1049) is Finding.ALL_CHARGED
    assert charged(row) == [True]


def test_credits_bought_while_a_send_is_in_doubt_leave_that_one_to_a_person(books):
    early = books.doubt(1)
    assert [books.count(minute, 1049) for minute in (4, 7, 10)] == [
        Finding.CREDITS_BOUGHT, Finding.UNDECIDED, Finding.NOTHING_IN_DOUBT,
    ]  # fmt: skip
    late = books.doubt(11)
    books.count(14, 1049)
    assert books.count(17, 1049) is Finding.NONE_CHARGED
    assert charged(early, late) == [None, False]


def test_as_many_bought_as_were_charged_are_not_taken_for_none(books):
    rows = [books.doubt(1) for _ in range(3)]
    findings = [books.count(4, 997), *(books.count(minute, 1000) for minute in (7, 10, 13, 16))]
    assert Finding.NONE_CHARGED not in findings
    assert charged(*rows) == [None] * 3


def test_what_two_counts_leave_undecided_stands_in_nobodys_way(books):
    rows = [books.doubt(1) for _ in range(2)]
    assert [books.count(minute, 999) for minute in (4, 7)] == [Finding.UNDECIDED] * 2
    later = books.doubt(8)
    books.count(11, 998)
    assert books.count(14, 998) is Finding.ALL_CHARGED
    assert charged(*rows, later) == [None, None, True]


def test_a_late_answer_to_an_old_doubt_hides_no_charge(books):
    rows = [books.doubt(1) for _ in range(2)]
    books.count(4, 999)
    books.count(7, 999)
    later = books.doubt(8)
    books.answer_late(rows[0], 9)
    books.count(12, 998)
    books.count(15, 998)
    assert charged(*rows, later) == [True, None, True]


def test_a_count_during_a_send_is_no_purchase(books):
    row = books.doubt(1)
    sent = books.doubt(2.9)  # charged before the count, and answered after it
    books.count(3, 999)
    books.answer_late(sent, 3.1)
    books.count(6, 999)
    assert books.count(9, 999) is Finding.NONE_CHARGED
    assert charged(row) == [False]


def test_where_credits_went_elsewhere_staff_say_when_the_count_counts_again(books):
    assert books.count(5, 990) is Finding.SHARED_ACCOUNT  # perhaps a package has lapsed
    doubts = [books.doubt(6)]
    assert [books.count(minute, 990) for minute in (9, 12)] == [
        Finding.UNDECIDED, Finding.NOTHING_IN_DOUBT,
    ]  # fmt: skip
    doubts.append(books.doubt(13))
    assert reconcile.trust_count(provider="hili")
    assert not reconcile.trust_count(provider="hili")
    assert [books.count(minute, 989) for minute in (16, 19)] == [Finding.UNDECIDED] * 2
    doubts.append(books.doubt(20))
    books.count(23, 988)
    assert books.count(26, 988) is Finding.ALL_CHARGED
    assert charged(*doubts) == [None, None, True]


def test_a_guest_of_an_account_that_is_said_to_have_none(books):
    """The docs say what comes of a broken promise: called paid, never sent again for it."""
    row = books.doubt(1)
    books.count(4, 999)  # not ours
    assert books.count(7, 999) is Finding.ALL_CHARGED
    assert charged(row) == [True]


@pytest.fixture
def one_credit(settings):
    """An account that is soon empty, as in the tutorial."""
    with vendor_for(settings, exclusive_account=True, credit_count=1) as sandbox:
        yield sandbox


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_after_more_credits_a_lost_answer_is_settled(anna, one_credit, work, monkeypatch):
    monkeypatch.setattr(breakers, "_pause", lambda *_: 0.0)
    jobs = [send(anna)]
    work()
    jobs.append(send(anna))
    work(time_cap=dt.timedelta(seconds=3))  # it waits
    one_credit.control.add_credits(one_credit.third_code, 3)
    work()
    assert ProviderState.objects.get().base_credits == 3
    one_credit.control.fault("lost_answer", "uploads", times=1)
    jobs.append(send(anna))
    work()
    monkeypatch.setattr(reconcile, "SETTLE_AFTER", dt.timedelta(0))
    work()
    work()
    assert charged(Disclosure.objects.get(job=jobs[2])) == [True]
    states = PhotoJob.objects.order_by("created_at").values_list("status", flat=True)
    assert list(states) == [JobStatus.DONE, JobStatus.DONE, JobStatus.HELD]


@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_a_photo_cancelled_before_its_barrier_has_cost_nothing_and_never_leaves(anna, vendor):
    job, now = send(anna), timezone.now()
    [job] = claim.claim(
        worker="w", limit=1, lease=dt.timedelta(minutes=1), now=now, provider="hili",
        takes_up_as=JobStatus.SENDING,
    )  # fmt: skip
    offer = capabilities_of("hili")
    row = intend(jobs=[job], sizes={job.pk: 1}, capabilities=offer, now=now)[job.pk]
    assert charge_of(job.pk) is False  # so far
    assert cancel_job(job_id=job.pk).is_charged is False
    row.refresh_from_db()
    assert (row.state, row.charged) == (SendState.REFUSED, False)
    assert pass_barrier_all(entries=[(job, row)], now=now) == [False]
    assert charge_of(job.pk) is False


@pytest.mark.django_db(transaction=True)
def test_cancelling_says_what_it_cost(anna, photo, stored):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    assert cancel_job(job_id=job.pk).is_charged is False
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert stored() == {}
    assert not Media.objects.exists()
    with pytest.raises(WrongStateError):
        cancel_job(job_id=job.pk)
