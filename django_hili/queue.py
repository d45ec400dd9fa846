"""The only importer of django-q2: wakes a worker, and says what the queue is set to.

The queue never owns the truth. A task carries no photo, no name and no option, may be lost,
late or run twice, and leaves no result behind: the job rows say what there is to do.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps as django_apps
from django.conf import settings
from django.db import connections, router, transaction
from django.utils import timezone

logger = logging.getLogger(__name__)

SHIFT = "django_hili.tasks.shift"
TICK = "django_hili.tasks.tick"
SCHEDULE_NAME = "django-hili: every minute"
_LONGEST_SHIFT = 60.0
_LONGEST_GRACE = 30.0
_MARGIN = 0.1
"""The part of the queue's limit that is left for starting, handing over and closing."""


def is_installed() -> bool:
    """Whether the site runs django-q2; without it `hili_run` does the work."""
    return django_apps.is_installed("django_q")


def wake(using: str) -> None:
    """Ask for a shift, to begin once the open transaction of the database `using` has committed.

    Where the queue lies in the same database, the request is part of that transaction and
    costs no commit of its own. A broker that is down loses nothing: the schedule finds the
    job within a minute.
    """
    if not is_installed():
        return
    if getattr(settings, "Q_CLUSTER", {}).get("orm") == using:
        _enqueue_shift(inside=using)
    else:
        transaction.on_commit(_enqueue_shift, using=using, robust=True)


def hand_over() -> None:
    """Ask for another shift at once: this one ends while work is left."""
    if is_installed():
        _enqueue_shift()


def ensure_schedule(*, using: str | None = None, apps: Any = django_apps) -> None:
    """Make sure the queue looks once a minute for what is due, stalled or expired.

    Where the database `using` has no table for it, there is nothing to make sure of. During
    migrations, `apps` are the models as far as they are there.
    """
    from django_q.models import Schedule

    database = using or router.db_for_write(Schedule)
    try:
        plans = apps.get_model(Schedule._meta.label)
    except LookupError:
        return
    if not router.allow_migrate_model(database, plans):
        return
    connection = connections[database]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    if plans._meta.db_table in tables:
        plans.objects.using(database).get_or_create(
            name=SCHEDULE_NAME,
            defaults={"func": TICK, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
        )


@dataclass(frozen=True, slots=True)
class ShiftTimes:
    """How long a shift takes up work, and how long it then lets what is in hand finish."""

    cap: timedelta
    grace: timedelta


def shift_times() -> ShiftTimes:
    """Return times that keep a shift inside the queue's own limits, from its start to its end.

    A task that outlives `timeout` is killed, and one that outlives `retry` runs twice.
    """
    cluster = getattr(settings, "Q_CLUSTER", {})
    retry = float(cluster.get("retry") or 60)
    limit = min(retry, float(cluster.get("timeout") or retry))
    grace = min(_LONGEST_GRACE, limit / 3)
    cap = min(_LONGEST_SHIFT, 0.4 * retry, limit * (1 - _MARGIN) - grace)
    return ShiftTimes(timedelta(seconds=cap), timedelta(seconds=grace))


def lies_in_the_database() -> bool:
    """Whether tasks wait in a table; else the broker is a service of its own."""
    return bool(getattr(settings, "Q_CLUSTER", {}).get("orm"))


def tasks_waiting() -> int:
    """Return how many tasks the broker holds. Raises what the broker raises where it is down."""
    from django_q.brokers import get_broker

    broker = get_broker()
    broker.ping()
    return int(broker.queue_size() or 0)


def next_look() -> datetime | None:
    """Return when the schedule is due next; None where it is missing."""
    from django_q.models import Schedule

    planned = Schedule.objects.filter(func=TICK).values_list("next_run", flat=True)
    return min((moment for moment in planned if moment), default=None)


def stored_texts(*, most: int | None = None) -> Iterator[str]:
    """Yield what the queue's tables hold of tasks, the newest first, each as text."""
    from django_q.models import OrmQ, Schedule, Task

    for waiting in OrmQ.objects.order_by("-pk")[:most].iterator():
        yield repr((waiting.key, waiting.task))
    for task in Task.objects.order_by("-started")[:most].iterator():
        yield repr((task.name, task.func, task.args, task.kwargs, task.result))
    for plan in Schedule.objects.all()[:most].iterator():
        yield repr((plan.name, plan.func, plan.args, plan.kwargs))


@contextmanager
def planted_rows(word: str) -> Iterator[None]:
    """Have tasks with a word in them stand in the queue's tables, in an open transaction."""
    from django_q.models import OrmQ, Task
    from django_q.signing import SignedPackage

    now, database = timezone.now(), OrmQ.objects.db
    with transaction.atomic(using=database):
        payload = SignedPackage.dumps({"func": SHIFT, "args": (word,)})
        OrmQ.objects.create(key="canary", payload=payload, lock=now)
        words = {"name": "canary", "func": SHIFT, "started": now, "stopped": now}
        Task.objects.create(id=secrets.token_hex(16), result=word, **words)
        try:
            yield
        finally:
            transaction.set_rollback(True, using=database)


def waiting_texts(list_key: str | None = None) -> Iterator[str] | None:
    """Yield what waits at a broker that is no table, each task as text; None where none can see."""
    from django_q.brokers import get_broker
    from django_q.signing import SignedPackage

    broker = get_broker(list_key)
    if not hasattr(broker.connection, "lrange"):
        return None
    packed = broker.connection.lrange(broker.list_key, 0, -1)
    return (repr(SignedPackage.loads(each.decode())) for each in packed)


@contextmanager
def planted_at_the_broker(word: str) -> Iterator[str]:
    """Have a task with a word in it wait in a queue no worker serves, an hour at the longest.

    Yields the name of that queue.
    """
    from django_q.brokers import get_broker
    from django_q.signing import SignedPackage

    key = f"canary-{secrets.token_hex(8)}"
    broker = get_broker(key)
    broker.enqueue(SignedPackage.dumps({"func": SHIFT, "args": (word,)}))
    broker.connection.expire(broker.list_key, 3600)
    try:
        yield key
    finally:
        broker.delete_queue()


def tasks_with_content() -> int:
    """Count tasks of ours in the queue's tables that carry or left anything; there must be none."""
    if not is_installed():
        return 0
    from django_q.models import OrmQ, Task

    ours = Task.objects.filter(func__in=[SHIFT, TICK])
    ended = sum(bool(row.args or row.kwargs or row.result) for row in ours.iterator())
    waiting = (row.task for row in OrmQ.objects.iterator())
    mine = (task for task in waiting if task and task.get("func") in {SHIFT, TICK})
    return ended + sum(bool(task.get("args") or task.get("kwargs")) for task in mine)


def _enqueue_shift(*, inside: str | None = None) -> None:
    from django_q.tasks import async_task

    try:
        # In the job's own transaction an error of the queue's must not spoil the job.
        with transaction.atomic(using=inside) if inside else nullcontext():
            async_task(SHIFT, save=False)
    except Exception:  # noqa: BLE001 - whatever broker and whatever it raises: the row is safe
        logger.warning("The queue could not be told about new work; the schedule will find it.")
