"""The queue: whether its broker answers and its schedule runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.utils import timezone

from django_hili import queue
from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign, counted, in_words
from django_hili.jobs.doctor.patience import within
from django_hili.models import Heartbeat

_OVERDUE = dt.timedelta(minutes=5)


def look_at_queue(*, offline: bool) -> Iterator[Finding]:
    """Yield whether django-q2 can be told about work, and looks for work by itself."""
    if not queue.is_installed():
        text = "django-q2 is not installed: `manage.py hili_run` is the worker."
        yield Finding(Area.QUEUE, Level.OK, Sign.QUEUE_ABSENT, text)
        return
    yield _broker(offline=offline)
    if (problem := _schedule()) is not None:
        yield problem


def _broker(*, offline: bool) -> Finding:
    if offline and not queue.lies_in_the_database():
        text = "The queue's broker is not in the database and was not asked."
        return Finding(Area.QUEUE, Level.OK, Sign.BROKER_NOT_ASKED, text)
    try:
        if queue.lies_in_the_database():
            waiting = queue.tasks_waiting()
        else:
            waiting = within(seconds=15, verb=queue.tasks_waiting)
    except Exception as error:  # noqa: BLE001 - every broker raises errors of its own
        return Finding(
            Area.QUEUE,
            Level.ERROR,
            Sign.BROKER_DOWN,
            f"The queue's broker does not answer ({type(error).__name__}): new photos wait for the "
            "schedule, and the schedule waits for the broker.",
            "Start the broker, and check its address in Q_CLUSTER.",
        )
    text = f"The queue's broker answers; {counted(waiting, 'task')} in it."
    return Finding(Area.QUEUE, Level.OK, Sign.QUEUE_OK, text, facts={"tasks_waiting": waiting})


def _schedule() -> Finding | None:
    now = timezone.now()
    planned = queue.next_look()
    beat = Heartbeat.objects.last()
    is_covered = beat is not None and now - beat.began_at < _OVERDUE
    level = Level.WARNING if is_covered else Level.ERROR
    if planned is None:
        text = "The queue has no schedule for django-hili: nothing enforces deadlines by itself."
        step = "Run: python manage.py migrate (it makes the schedule)."
        return Finding(Area.QUEUE, level, Sign.SCHEDULE_MISSING, text, step)
    if now - planned < _OVERDUE or is_covered:
        return None  # in time, or `hili_run` keeps house and no cluster is needed
    late = (now - planned).total_seconds()
    return Finding(
        Area.QUEUE,
        Level.ERROR,
        Sign.SCHEDULE_STUCK,
        f"The queue's schedule is {in_words(late)} late: no cluster runs, or its scheduler fails.",
        "Start `manage.py qcluster`. If it runs, look for a malformed row among the scheduled "
        "tasks in the admin: one stops them all.",
        facts={"late_seconds": round(late)},
    )
