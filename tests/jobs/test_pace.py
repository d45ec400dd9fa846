"""What a worker asks and when: little while idle, many writes at once, nothing for strangers."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import uuid
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections
from django.db.backends.signals import connection_created
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError
from django_hili.jobs.moves import breakers, claim, send
from django_hili.jobs.moves.many import each, move_all
from django_hili.jobs.worker import run
from django_hili.jobs.worker.budget import Budget, Share
from django_hili.jobs.worker.group_commit import Gatherer
from django_hili.jobs.worker.run import Runner
from django_hili.models import (
    Breaker,
    Disclosure,
    Heartbeat,
    HeldReason,
    JobStatus,
    PhotoJob,
    ProviderState,
    SendState,
)
from django_hili.providers.base import Capabilities
from django_hili.signals import provider_held_back
from tests import people, photos
from tests.processes import wait_until

LEASE = dt.timedelta(seconds=60)


def waiting(count: int, user, **changes) -> list[PhotoJob]:
    """Jobs of a provider that no worker of these tests has."""
    first = people.enhance(photos.jpeg(), operations=["sr"], scale=2, subject=user)
    columns = {f.attname: getattr(first, f.attname) for f in PhotoJob._meta.concrete_fields}
    PhotoJob.objects.all().delete()
    rows = [PhotoJob(**{**columns, **changes, "id": uuid.uuid4()}) for _ in range(count)]
    return PhotoJob.objects.bulk_create(rows)


def claimed(count: int, user) -> list[PhotoJob]:
    waiting(count, user)
    return claim.claim(
        worker="w", limit=count, lease=LEASE, now=timezone.now(), provider="local",
        takes_up_as=JobStatus.SENDING,
    )  # fmt: skip


@pytest.mark.django_db
def test_a_claim_of_many_is_a_few_statements(anna, django_assert_max_num_queries):
    waiting(40, anna)
    with django_assert_max_num_queries(6):  # two, and what a transaction around them says
        taken = claim.claim(
            worker="w", limit=40, lease=LEASE, now=timezone.now(), provider="local", adopts=()
        )
    assert {job.token for job in taken} == {1}
    assert PhotoJob.objects.filter(lease_owner="w", token=1, attempts=1).count() == 40


@pytest.mark.django_db
def test_of_many_each_learns_whether_its_own_write_held(anna):
    jobs = claimed(5, anna)
    PhotoJob.objects.filter(pk=jobs[1].pk).update(token=9)
    PhotoJob.objects.filter(pk=jobs[3].pk).update(status=JobStatus.CANCELLED)
    moved = move_all(jobs, JobStatus.SENDING, JobStatus.PROCESSING)
    assert moved == {jobs[0].pk, jobs[2].pk, jobs[4].pk}
    # A commit whose answer was lost is asked for again, and holds.
    assert move_all(jobs, JobStatus.SENDING, JobStatus.PROCESSING) == moved


@pytest.mark.django_db
@pytest.mark.parametrize("lost", ["token", "lease", "status", "send"])
def test_of_many_at_the_barrier_the_lost_one_stays_behind(anna, lost):
    jobs = claimed(4, anna)
    now = timezone.now()
    rows = send.intend(
        jobs=jobs, sizes={job.pk: 1 for job in jobs}, capabilities=Capabilities(operations={}),
        now=now,
    )  # fmt: skip
    mine = PhotoJob.objects.filter(pk=jobs[2].pk)
    if lost == "send":
        Disclosure.objects.filter(pk=rows[jobs[2].pk].pk).update(state=SendState.REFUSED)
    else:
        changes = {"token": {"token": 2}, "lease": {"lease_until": now}, "status": {
            "status": JobStatus.HELD}}  # fmt: skip
        mine.update(**changes[lost])
    entries = [(job, rows[job.pk]) for job in jobs]
    assert send.pass_barrier_all(entries=entries, now=now) == [True, True, False, True]
    assert Disclosure.objects.filter(state=SendState.PASSED).count() == 3
    with pytest.raises(LostLeaseError):
        send.pass_barrier(job=jobs[2], send=rows[jobs[2].pk], now=now)


@pytest.mark.django_db
def test_who_takes_a_silent_senders_job_over_sees_a_barrier_passed_meanwhile(anna, monkeypatch):
    job = claimed(1, anna)[0]
    now = timezone.now()
    row = send.intend(
        jobs=[job], sizes={job.pk: 1}, capabilities=Capabilities(operations={}), now=now
    )[job.pk]
    PhotoJob.objects.filter(pk=job.pk).update(lease_until=now)
    real = send._is_past_barrier

    def overtaken(job, now):
        # The row was read as intended; the barrier is committed before it is closed.
        Disclosure.objects.filter(pk=row.pk).update(state=SendState.PASSED)
        return real(job, now)

    monkeypatch.setattr(send, "_is_past_barrier", overtaken)
    send.recover(job=job, is_free_again=False, now=now)
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.SEND_UNKNOWN)


@pytest.mark.django_db
@pytest.mark.parametrize("passed", [0, 1])
def test_one_of_two_rows_of_a_send_past_the_barrier_is_a_doubt(anna, passed):
    """The first was committed and never heard of, so its worker wrote a second."""
    job = claimed(1, anna)[0]
    now = timezone.now()
    rows = [
        send.intend(
            jobs=[job], sizes={job.pk: 1}, capabilities=Capabilities(operations={}), now=now
        )[job.pk]
        for _ in range(2)
    ]
    rows.sort(key=lambda row: row.pk)
    Disclosure.objects.filter(pk=rows[passed].pk).update(state=SendState.PASSED)
    PhotoJob.objects.filter(pk=job.pk).update(lease_until=now)
    send.recover(job=job, is_free_again=False, now=now)
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.SEND_UNKNOWN)
    states = dict(Disclosure.objects.values_list("pk", "state"))
    assert states.pop(rows[passed].pk) == SendState.UNKNOWN
    assert list(states.values()) == [SendState.REFUSED]


@pytest.mark.django_db
def test_every_row_gets_its_own_value(anna):
    jobs = waiting(3, anna)
    words = {job.pk: [f"w{number}"] for number, job in enumerate(jobs)}
    stages = {job.pk: f"s{number % 2}" for number, job in enumerate(jobs)}
    PhotoJob.objects.filter(pk__in=list(words)).update(
        warnings=each(PhotoJob, "warnings", words, using="default"),
        stage=each(PhotoJob, "stage", stages, using="default"),
    )
    for job in jobs:
        job.refresh_from_db()
        assert (job.warnings, job.stage) == (words[job.pk], stages[job.pk])


@pytest.mark.django_db
def test_a_provider_that_is_gone_leaves_no_job_in_the_dark(anna, work, caplog):
    job = waiting(1, anna, provider="sold")[0]
    report = work()
    job.refresh_from_db()
    assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.PROVIDER_PAUSED)
    assert (job.code, report.held) == (Code.PROVIDER_PAUSED, 1)
    assert "'sold'" in caplog.text


@pytest.mark.parametrize(
    ("due", "pause"), [(0.1, 0.1), (5, run.BUSY_PAUSE), (-1, run.BUSY_PAUSE), (math.inf, 0.25)]
)
def test_a_worker_is_there_when_a_question_is_due(due, pause):
    async def story() -> float:
        runner, loop = Runner(), asyncio.get_running_loop()
        runner._loop = loop
        now = loop.time()
        loop.time = lambda: now
        runner._lanes = {"hili": SimpleNamespace(is_busy=True, next_tick=now + due)}
        return runner._seconds_to_next_look()

    assert asyncio.run(story()) == pytest.approx(pause)


def test_what_is_held_meanwhile_is_counted_too(monkeypatch):
    async def story() -> int:
        runner = Runner()
        runner._loop = asyncio.get_running_loop()

        async def rows(verb, **_):
            runner._desk.report.held += verb is claim.hold_paused  # a send that ended in doubt
            return 2 if verb is claim.hold_paused else {}

        monkeypatch.setattr(runner._desk, "rows", rows)
        await runner._hold_back()
        return runner._desk.report.held

    assert asyncio.run(story()) == 3


@pytest.mark.django_db(transaction=True)
def test_an_idle_worker_asks_once_a_second_at_most():
    asked = []

    def note(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    def watch(connection, **_):
        connection.execute_wrappers.append(note)

    def until_swept() -> None:
        swept = Heartbeat.objects.filter(finished_at__isnull=False)
        wait_until(swept.exists, what="the first sweep")
        connections.close_all()

    async def idle_for(seconds: float) -> int:
        worker = Runner()
        running = asyncio.create_task(worker.run())
        await asyncio.to_thread(until_swept)
        await asyncio.sleep(2.5)  # the first look
        before = len(asked)
        await asyncio.sleep(seconds)
        count = len(asked) - before
        worker.stop()
        await running
        return count

    connections.close_all()
    connection_created.connect(watch)
    try:
        assert 1 <= asyncio.run(idle_for(5)) <= 5
    finally:
        connection_created.disconnect(watch)


def test_what_gathers_is_written_together_and_a_culprit_alone_fails():
    calls = []

    async def rows(call, orders):
        return call(orders)

    def verb(*, entries, now):
        calls.append(list(entries))
        if "bad" in entries:
            raise ValueError("bad")
        return [entry.upper() for entry in entries]

    async def write() -> list:
        gatherer = Gatherer(rows)
        return await asyncio.gather(
            *(gatherer.write(verb, word, company=3, patience=1, is_atomic=False)
              for word in ("a", "bad", "c")),
            return_exceptions=True,
        )  # fmt: skip

    first, second, third = asyncio.run(write())
    assert (first, third, type(second)) == ("A", "C", ValueError)
    assert calls == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


def test_a_database_that_is_away_is_told_to_all_at_once():
    calls = []

    async def rows(call, orders):
        calls.append(orders)
        raise OperationalError

    async def write() -> list:
        gatherer = Gatherer(rows)
        writes = (gatherer.write(str, word, company=2, patience=1) for word in ("a", "b"))
        return await asyncio.gather(*writes, return_exceptions=True)

    assert [type(error) for error in asyncio.run(write())] == [OperationalError] * 2
    assert len(calls) == 1


def test_too_many_halves_the_budget_and_success_lets_it_grow():
    async def play() -> None:
        budget = Budget(8)
        busy = ProviderError(Code.PROVIDER_BUSY, retryable=True)
        budget.heard(busy)
        budget.heard(busy)
        assert budget.slots == 2
        budget.heard(ProviderError(Code.PROVIDER_DOWN, retryable=True))
        assert budget.slots == 2
        most = 0

        async def call() -> None:
            nonlocal most
            async with budget.slot():
                most = max(most, budget.open)
                await asyncio.sleep(0.001)
            budget.grow()

        await asyncio.gather(*(call() for _ in range(4)))
        assert most <= 4
        await asyncio.gather(*(call() for _ in range(80)))
        assert budget.slots == 8
        assert budget.open == 0

    asyncio.run(play())


def test_a_slot_given_to_somebody_cancelled_is_not_lost():
    async def play() -> None:
        budget = Budget(1)

        async def hold(seconds: float) -> None:
            async with budget.slot():
                await asyncio.sleep(seconds)

        first = asyncio.create_task(hold(0.01))
        await asyncio.sleep(0)
        second = asyncio.create_task(hold(1))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.wait_for(hold(0), timeout=1)
        assert budget.open == 0

    asyncio.run(play())


@pytest.mark.django_db
def test_all_workers_wait_as_long_as_the_provider_said():
    now = timezone.now()
    busy = ProviderError(Code.PROVIDER_BUSY, retryable=True, retry_after=7.0)
    assert breakers.note_failure("hili", busy, now) == now + dt.timedelta(seconds=7)
    other = breakers.Gate("hili")
    assert not other.is_open(now + dt.timedelta(seconds=6))
    assert other.is_open(now + dt.timedelta(seconds=8))
    assert not other.is_quiet


@pytest.mark.django_db
def test_a_wait_that_was_told_is_neither_cleared_nor_cut_short():
    now = timezone.now()
    told, down = now + dt.timedelta(seconds=60), ProviderError(Code.PROVIDER_DOWN, retryable=True)
    breakers.note_failure("hili", busy_for(60), now)
    breakers.note_success("hili")  # of a photo that was on its way
    assert breakers.note_failure("hili", busy_for(5), now) == told
    assert breakers.note_failure("hili", down, now) == told
    state = ProviderState.objects.get()
    assert (state.ask_again_at, state.breaker, state.failures) == (told, Breaker.DOWN, 3)
    ProviderState.objects.update(ask_again_at=now)
    breakers.note_success("hili")
    state.refresh_from_db()
    assert (state.ask_again_at, state.breaker, state.failures) == (None, Breaker.CLOSED, 0)


@pytest.mark.django_db
def test_too_many_halves_the_slots_of_the_account_once_for_each_wait():
    now, slots = timezone.now(), ProviderState.objects.values_list("slots", flat=True)
    for _ in range(4):  # four photos were on their way, and each is told
        breakers.note_failure("hili", busy_for(7), now)
    assert slots.get() == 4
    for _ in range(3):
        now += dt.timedelta(seconds=8)
        breakers.note_failure("hili", busy_for(7), now)
    assert slots.get() == 1
    for _ in range(20):
        breakers.note_round("hili")
    assert slots.get() == 8


@pytest.mark.django_db
def test_the_slots_of_an_account_are_shared_by_all_workers(anna):
    waiting(4, anna, provider="hili")
    now = timezone.now()
    assert taken_in_hand_by("a", now)
    gates = [breakers.Gate("hili", name) for name in "ab"]
    assert [gate.is_open(now) and gate.share for gate in gates] == [8, 4]  # b has nothing yet
    assert taken_in_hand_by("b", now)
    later = now + dt.timedelta(seconds=2)
    assert [gate.is_open(later) and gate.share for gate in gates] == [4, 4]
    PhotoJob.objects.filter(lease_owner="a").update(lease_until=now)  # fell silent
    assert gates[1].is_open(later + dt.timedelta(seconds=2))
    assert gates[1].share == 8


def taken_in_hand_by(worker: str, now: dt.datetime) -> list[PhotoJob]:
    return claim.claim(
        worker=worker, limit=2, lease=LEASE, now=now, provider="hili", takes_up_as=JobStatus.SENDING
    )


def test_shares_together_are_the_slots_and_everybody_has_a_turn():
    names, now = [f"worker {number}" for number in range(5)], timezone.now()
    for slots in range(1, 9):
        turns = [
            [breakers.share_of(name, names, slots=slots, now=now + dt.timedelta(minutes=n))
             for name in names]
            for n in range(60)
        ]  # fmt: skip
        assert {sum(shares) for shares in turns} == {slots}
        assert all(any(shares[who] for shares in turns) for who in range(len(names)))


def test_a_share_is_given_taken_and_closed():
    async def play() -> None:
        share = Share(8)
        share.take(0, account=2)
        waits = [asyncio.create_task(share._enter()) for _ in range(3)]
        await asyncio.sleep(0)
        assert share.open == 0
        share.take(1, account=2)
        await waits[0]
        assert share.open == 1
        share.grow()
        assert not share.has_earned
        share.grow()
        assert share.has_earned
        share.close()
        rest = await asyncio.gather(*waits[1:], return_exceptions=True)
        assert [type(each) for each in rest] == [asyncio.CancelledError] * 2

    asyncio.run(play())


@pytest.mark.django_db
def test_that_sends_are_held_back_is_told_once(caplog, django_capture_on_commit_callbacks):
    told: list[tuple[str, str, dt.datetime]] = []

    def hear(sender, provider, reason, until, **_):
        told.append((provider, reason, until))

    provider_held_back.connect(hear)
    now, broke = timezone.now(), ProviderError(Code.PROVIDER_NO_CREDITS, retryable=True)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            again = breakers.note_failure("hili", broke, now)
            for worker in range(3):
                breakers.note_failure("hili", broke, now + dt.timedelta(seconds=worker))
    finally:
        provider_held_back.disconnect(hear)
    assert told == [("hili", "no_credits", again)]
    line, when = caplog.messages, again.isoformat(timespec="seconds")
    assert line == [
        f"Sends to the provider 'hili' are held back (no_credits); it is asked again at {when}."
    ]


def busy_for(seconds: float) -> ProviderError:
    return ProviderError(Code.PROVIDER_BUSY, retryable=True, retry_after=seconds)
