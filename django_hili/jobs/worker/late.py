"""Photos that have been with a provider for half an hour, told while there is time to act.

Owns what counts as late. A vendor deletes a result an hour after it is done, and a result is given
up some minutes before that (see `poll.SAFETY`); nothing here ends a job.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TypeVar

from django.db.models import Count, Exists, OuterRef, QuerySet

from django_hili.models import Disclosure, JobStatus, PhotoJob, SendState

logger = logging.getLogger(__name__)

LATE_AFTER = dt.timedelta(minutes=30)
_WITH_THE_PROVIDER = (JobStatus.PROCESSING, JobStatus.FETCHING)

_Rows = TypeVar("_Rows", bound=QuerySet[PhotoJob])


def late_jobs(now: dt.datetime, *, since: dt.datetime | None = None) -> QuerySet[PhotoJob]:
    """Return the jobs whose photos have been with a provider for half an hour.

    With `since`, those alone that were not late yet at that moment.
    """
    rows = PhotoJob.objects.filter(status__in=_WITH_THE_PROVIDER)
    return rows.filter(Exists(_sends(now, since)))


def with_lateness(rows: _Rows, now: dt.datetime) -> _Rows:
    """Have each job say as `is_late` whether its photo has been away for so long."""
    return rows.annotate(is_late=Exists(_sends(now).filter(job__status__in=_WITH_THE_PROVIDER)))


def tell_late(*, since: dt.datetime | None, now: dt.datetime) -> int:
    """Write one line for each provider whose photos have become late since then. Says how many."""
    late = late_jobs(now, since=since).order_by().values("provider").annotate(number=Count("pk"))
    told = 0
    for row in late:
        told += row["number"]
        logger.warning(
            "Photos with the provider %r for over 30 minutes: %d. It keeps a result for an hour.",
            row["provider"], row["number"],
        )  # fmt: skip
    return told


def _sends(now: dt.datetime, since: dt.datetime | None = None) -> QuerySet[Disclosure]:
    sends = Disclosure.objects.filter(
        job=OuterRef("pk"), state=SendState.ANSWERED, answered_at__lte=now - LATE_AFTER
    )
    return sends if since is None else sends.filter(answered_at__gt=since - LATE_AFTER)
