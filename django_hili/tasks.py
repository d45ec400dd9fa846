"""The queue's door: tasks without arguments that may be lost, late or run twice.

A task raises nothing and returns nothing: whatever django-q2 would store of it could hold
something personal, and what it would repeat is already in the job rows.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time

from django.db import connections
from django.utils import timezone

from django_hili import queue
from django_hili.exceptions import log_name
from django_hili.jobs.moves import claim
from django_hili.jobs.worker.probe import has_questions
from django_hili.jobs.worker.run import Runner
from django_hili.jobs.worker.upkeep import upkeep

logger = logging.getLogger(__name__)


def shift() -> None:
    """Work on due jobs until there are none or the time is up; hand over what is left."""
    _guarded_shift(time.monotonic())


def _guarded_shift(began: float) -> None:
    try:
        _shift(began)
    except Exception as error:  # noqa: BLE001 - a failed task would be stored with its traceback
        logger.warning("A shift ended early: %s.", log_name(error))


def tick() -> None:
    """Once a minute: sweep, then take up what is due in case a wake-up was lost.

    Both are one task to the queue: what the sweep takes, the shift has less.
    """
    began = time.monotonic()
    try:
        upkeep()
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("The sweep stopped early: %s.", log_name(error))
    _guarded_shift(began)


def _shift(began: float) -> None:
    times = queue.shift_times()
    left = times.cap - dt.timedelta(seconds=time.monotonic() - began)
    runner = Runner(is_shift=True, time_cap=left, grace=times.grace)
    now = timezone.now()
    if claim.takes_one_worker() and claim.another_worker_is_busy(worker=runner.name, now=now):
        return
    if not (claim.has_work(now=now) or has_questions(now=now)):
        return
    if left <= dt.timedelta(0):
        queue.hand_over()
        return
    # The loop has a thread of its own for rows; this one's connections would only idle.
    connections.close_all()
    asyncio.run(runner.run())
    if claim.has_work(now=timezone.now()):
        queue.hand_over()
