"""Every host of the worker leaves a sign of life, and a round that fails leaves none of its end."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from django_hili.jobs.worker import upkeep as module
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.models import Heartbeat
from tests.processes import finish

pytestmark = pytest.mark.django_db(transaction=True)


def test_there_is_none_before_the_first_round():
    assert Heartbeat.objects.last() is None


def test_a_round_notes_its_beginning_and_its_end():
    now = timezone.now()
    upkeep(now)
    later = now + dt.timedelta(minutes=1)
    upkeep(later)
    beat = Heartbeat.objects.get()
    assert (beat.began_at, beat.finished_at) == (later, later)


def test_a_round_that_fails_has_begun_and_not_finished(monkeypatch):
    now = timezone.now()
    upkeep(now)

    def fail(now):
        raise OSError

    monkeypatch.setattr(module, "sweep", fail)
    with pytest.raises(OSError):  # noqa: PT011 - what is raised does not matter
        upkeep(now + dt.timedelta(minutes=1))
    beat = Heartbeat.objects.get()
    assert beat.began_at - beat.finished_at == dt.timedelta(minutes=1)


@pytest.mark.process
def test_the_plain_worker_leaves_one():
    code, said = finish("hili_run", "--until-idle")
    assert code == 0, said
    beat = Heartbeat.objects.last()
    assert beat is not None
    assert beat.finished_at is not None


def test_one_worker_an_hour_looks_at_everything(monkeypatch):
    """Whichever process it is: a cron job is a new one each time."""
    looks = []
    monkeypatch.setattr(module, "sweep_thoroughly", looks.append)
    now = timezone.now()
    minute, hour = dt.timedelta(minutes=1), dt.timedelta(hours=1)
    for moment in (now, now + minute, now + hour - minute, now + hour, now + hour + minute):
        upkeep(moment)
    assert looks == [now, now + hour]
    upkeep(now)
    assert looks[2:] == [now], "a clock that went wrong does not hold it up"
