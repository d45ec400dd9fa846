"""Until when things may exist. Owns every deadline; reads them from the settings at call time.

Clauses C16, C17: HILI-4.2, PIXEL-3.1, MIAO-5.2, MIAO-7.7.
"""

from __future__ import annotations

import datetime as dt

from django_hili.conf import get_settings


def source_deadline(
    uploaded_at: dt.datetime, *, promised: dt.timedelta | None = None
) -> dt.datetime:
    """The moment a source is gone at the latest, whether or not its job was taken up."""
    return uploaded_at + _shorter(get_settings().privacy.source_ceiling, promised)


def unfinished_result_deadline(now: dt.datetime) -> dt.datetime:
    """The moment a result is gone that was written but never became part of an ended job."""
    return now + get_settings().privacy.source_ceiling


def result_deadline(ended_at: dt.datetime, *, promised: dt.timedelta | None = None) -> dt.datetime:
    """The moment a result is gone unless it was deleted earlier.

    What was `promised` when the photo came in holds, unless the site has become stricter since.
    Clauses C06: HILI-8a, MIAO-10.1.
    """
    return ended_at + _shorter(get_settings().privacy.result_kept, promised)


def job_deadline(since: dt.datetime) -> dt.datetime:
    """The moment the row of a job that began or ended at `since` is gone."""
    return since + get_settings().privacy.job_kept


def _shorter(now: dt.timedelta, promised: dt.timedelta | None) -> dt.timedelta:
    return now if promised is None else min(now, promised)
