"""Has nobody's photo enhanced as everybody's is: by a worker of the site, or by one here.

Owns how long a worker of the site is waited for.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Final

from django.db import connections
from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.jobs.worker.run import Runner
from django_hili.models import Heartbeat, JobStatus, PhotoJob

_WORKER_HAS: Final = 20.0
"""Seconds that a worker of the site has to take the photo up, where one seems to run."""
_LONGEST: Final = dt.timedelta(minutes=5)


def enhance(job: PhotoJob) -> str:
    """Leave the photo to a worker of the site where one runs; else work on it here. Say which."""
    if seems_to_run():
        end = time.monotonic() + _WORKER_HAS
        waiting = PhotoJob.objects.filter(pk=job.pk, status=JobStatus.QUEUED)
        while time.monotonic() < end and waiting.exists():
            time.sleep(0.2)
    runner = Runner(until_idle=True, only=[job.pk], time_cap=_LONGEST)
    connections.close_all()
    report = asyncio.run(runner.run())
    return "here" if report.done else "worker"


def seems_to_run() -> bool:
    """Whether a worker of the site has looked for deadlines lately."""
    last = Heartbeat.objects.last()
    interval = get_settings().worker.sweep_interval
    return last is not None and last.began_at > timezone.now() - 2 * interval
