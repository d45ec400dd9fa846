"""The round of what rights of people need every minute: deadlines of words and links, messages.

Clauses C17, C33: AIART-1.2.5, PIXEL-1.1.2.4, MIAO-2.2b. C34: HILI-5f, PIXEL-4.5.
"""

from __future__ import annotations

import datetime as dt

from django_hili.privacy.rights import cases, casetext, handover, messages


def tend(now: dt.datetime) -> int:
    """Let go of what is past its time, keep keys alive, deliver messages. Returns what it did."""
    gone = cases.drop_expired(now) + handover.drop_past(now) + messages.drop_past(now)
    return gone + casetext.renew_keys(now) + messages.deliver(now).delivered
