"""Renews the keys of photos that are kept for longer than a lease, and ends keys that are due.

Clauses C21: PIXEL-6.2c, MIAO-8.2b. C25: PIXEL-4.1a.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.db.models import F, Q

from django_hili.exceptions import StorageError
from django_hili.media import keys, vault
from django_hili.models import Media, MediaState
from django_hili.models.media import MediaQuerySet

logger = logging.getLogger(__name__)

BATCH = 500


def renew_keys(now: dt.datetime) -> int:
    """Wrap anew what would lose its key before its deadline. Returns how many.

    In the second half of the lease, so that a sweep that is down for less than half a lease
    costs nothing.
    """
    return _renew(Q(key_bucket__lt=F("expires_at"), key_bucket__lte=keys.renewal_horizon(now)), now)


def shorten_keys(now: dt.datetime) -> int:
    """Wrap anew what would keep its key after its deadline, since that was moved earlier."""
    return _renew(Q(key_bucket__gte=F("expires_at") + keys.GRANULE), now)


def _renew(due: Q, now: dt.datetime) -> int:
    renewed, after = 0, None
    while page := list(_page(due, now, after)):
        after = page[-1].pk
        for media in page:
            renewed += _renew_one(media, now)
        if len(page) < BATCH:
            break
    return renewed


def _page(due: Q, now: dt.datetime, after: object) -> MediaQuerySet:
    rows = Media.objects.live().filter(due, key_bucket__gt=now, expires_at__gt=now)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    wanted = ("format_number", "wrapped_key", "key_bucket", "expires_at")
    return rows.order_by("pk").only(*wanted)[:BATCH]


def _renew_one(media: Media, now: dt.datetime) -> bool:
    known = media.key_bucket
    try:
        vault.rewrap(media, now)
    except StorageError:
        logger.warning("The key of a stored photo could not be renewed.")
        return False
    # Only what is still live and still as it was read: whoever condemned it meanwhile stays right.
    rows = Media.objects.filter(pk=media.pk, state=MediaState.LIVE, key_bucket=known)
    return bool(rows.update(key_bucket=media.key_bucket, wrapped_key=media.wrapped_key))
