"""By when a request has to be answered. Owns the arithmetic; asks no database.

Fifteen calendar days from the day it is known who asks, or one month from receipt, whichever is
first: calendar days, so no calendar of holidays is needed and every policy is kept.
Clauses C33: HILI-9, AIART-5.5, AIART-9, MIAO-8.2a, MIAO-11.
"""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Final

from django_hili.conf import get_settings

DAYS_FROM_VERIFICATION: Final = 15
"""Also where a policy says working days: those are never fewer."""
MONTHS_FROM_RECEIPT: Final = 1
MONTHS_AT_MOST: Final = 3
"""With an extension; the law allows two further months."""


def due_at(*, received_at: dt.datetime, verified_at: dt.datetime | None) -> dt.datetime:
    """Return the moment by which a request has to be answered."""
    profile = get_settings().privacy.effective
    months = min(profile.answer_months or MONTHS_FROM_RECEIPT, MONTHS_FROM_RECEIPT)
    from_receipt = months_later(received_at, months)
    if verified_at is None:
        return from_receipt
    stated = (profile.answer_days, profile.answer_working_days, DAYS_FROM_VERIFICATION)
    days = min(number for number in stated if number is not None)
    return min(verified_at + dt.timedelta(days=days), from_receipt)


def latest_due_at(*, received_at: dt.datetime) -> dt.datetime:
    """Return the moment beyond which no extension reaches."""
    return months_later(received_at, MONTHS_AT_MOST)


def text_deadline(*, received_at: dt.datetime, closed_at: dt.datetime | None = None) -> dt.datetime:
    """Return the moment what was written is gone. Closing a case never makes it later."""
    kept = get_settings().privacy.effective.case_text_kept
    latest = latest_due_at(received_at=received_at) + kept
    return latest if closed_at is None else min(latest, closed_at + kept)


def months_later(moment: dt.datetime, months: int) -> dt.datetime:
    """Return the same day some months on, or that month's last day where it has no such day."""
    month = moment.month - 1 + months
    year, month = moment.year + month // 12, month % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
