"""The queue's door: tasks without arguments that may be lost, late or run twice.

A task raises nothing and returns nothing: whatever django-q2 would store of it could hold
something personal, and what it would repeat is already in the job rows.
"""

from __future__ import annotations

import asyncio
import logging

from django.db import connections
from django.utils import timezone

from django_hili import queue
from django_hili.jobs import claim
from django_hili.jobs.run import Runner
from django_hili.jobs.upkeep import upkeep

logger = logging.getLogger(__name__)


def shift() -> None:
    """Work on due jobs until there are none or the time is up; hand over what is left."""
    try:
        _shift()
    except Exception as error:  # noqa: BLE001 - a failed task would be stored with its traceback
        logger.warning("A shift ended early: %s.", type(error).__name__)


def tick() -> None:
    """Once a minute: sweep, then take up what is due in case a wake-up was lost."""
    try:
        upkeep()
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("The sweep stopped early: %s.", type(error).__name__)
    shift()


def _shift() -> None:
    runner = Runner(is_shift=True, time_cap=queue.shift_length())
    now = timezone.now()
    if claim.takes_one_worker() and claim.another_worker_is_busy(worker=runner.name, now=now):
        return
    if not claim.has_work(now=now):
        return
    # The loop has a thread of its own for rows; this one's connections would only idle.
    connections.close_all()
    asyncio.run(runner.run())
    if claim.has_work(now=timezone.now()):
        queue.hand_over()
