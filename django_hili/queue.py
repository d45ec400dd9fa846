"""The only importer of django-q2: wakes a worker, and says what the queue is set to.

The queue never owns the truth. A task carries no photo, no name and no option, may be lost,
late or run twice, and leaves no result behind: the job rows say what there is to do.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

SHIFT = "django_hili.tasks.shift"
TICK = "django_hili.tasks.tick"
SCHEDULE_NAME = "django-hili: every minute"
_LONGEST_SHIFT = 60.0


def is_installed() -> bool:
    """Whether the site runs django-q2; without it `hili_run` does the work."""
    return apps.is_installed("django_q")


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


def ensure_schedule() -> None:
    """Make sure the queue looks once a minute for what is due, stalled or expired."""
    from django_q.models import Schedule

    Schedule.objects.get_or_create(
        name=SCHEDULE_NAME,
        defaults={"func": TICK, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
    )


def shift_length() -> timedelta:
    """How long a shift may last: well inside the queue's own time limits.

    A task that outlives `timeout` is killed, and one that outlives `retry` runs twice.
    """
    cluster = getattr(settings, "Q_CLUSTER", {})
    limits = [float(cluster.get("retry", 60)) / 2]
    if timeout := cluster.get("timeout"):
        limits.append(float(timeout))
    return timedelta(seconds=min(_LONGEST_SHIFT, min(limits) * 0.8))


def _enqueue_shift(*, inside: str | None = None) -> None:
    from django_q.tasks import async_task

    try:
        # In the job's own transaction an error of the queue's must not spoil the job.
        with transaction.atomic(using=inside) if inside else nullcontext():
            async_task(SHIFT, save=False)
    except Exception:  # noqa: BLE001 - whatever broker and whatever it raises: the row is safe
        logger.warning("The queue could not be told about new work; the schedule will find it.")
