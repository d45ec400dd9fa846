"""Reads `If-None-Match` and `If-Range`: what a client has, compared with what there is.

RFC 9110, 13: the first compares weakly, the second strongly.
"""

from __future__ import annotations

import hashlib

from django.utils.http import parse_etags, quote_etag

_WEAK = "W/"


def etag_of(content: bytes, *, is_weak: bool = False) -> str:
    """Return a validator made of `content`, which cannot be read back from it."""
    etag = quote_etag(hashlib.sha256(content).hexdigest()[:32])
    return f"{_WEAK}{etag}" if is_weak else etag


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether the client already has what `etag` stands for."""
    if not if_none_match:
        return False
    known = [given.removeprefix(_WEAK) for given in parse_etags(if_none_match)]
    return "*" in known or etag.removeprefix(_WEAK) in known


def may_go_on(etag: str, if_range: str | None) -> bool:
    """Whether a part may be sent: nothing was asked for, or the very bytes `etag` stands for."""
    return if_range is None or (if_range.strip() == etag and not etag.startswith(_WEAK))
