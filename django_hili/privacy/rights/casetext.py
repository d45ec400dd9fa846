"""Seals what people write under a key of the case's own, and opens it for them and their answerer.

The key is wrapped like a photo's: under a leased key outside the database that ends with the
deadline. So the words end with the case, in every copy of the database too, and open in no other
case. Clauses C17: AIART-1.2.5, PIXEL-1.1.2.4, MIAO-2.2b.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db.models import F
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import StorageError
from django_hili.media import keys
from django_hili.models import Case

logger = logging.getLogger(__name__)

PARTS: Final = ("sealed_request", "sealed_answer")
GONE: Final[dict[str, Any]] = {
    "sealed_request": None, "sealed_answer": None, "wrapped_key": None, "key_bucket": None,
}  # fmt: skip
"""What an update writes to let every word of a case go, and the key with them."""
_NONCE: Final = 12


def sealed(case: Case, deadline: dt.datetime, **texts: str) -> dict[str, Any]:
    """Return the columns that hold these texts of a case until the deadline, by part.

    What is there already under a key past its hour is gone, and does not stand in the way. Raises
    `StorageError` where its key should still be there and is not.
    """
    now = timezone.now()
    wanted = {part: text for part, text in texts.items() if text.strip()}
    is_past = case.key_bucket is not None and case.key_bucket <= now
    columns: dict[str, Any] = dict(GONE) if is_past else {}
    if not wanted and (is_past or not case.wrapped_key):
        return columns
    is_new = is_past or not case.wrapped_key
    key = AESGCM.generate_key(256) if is_new else _key_of(case, now)
    if key is None:
        raise StorageError(Code.STORAGE_FAILED)
    bucket, wrapped = keys.wrap(key, object_id=case.pk, deadline=deadline, now=now)
    columns |= {"wrapped_key": wrapped, "key_bucket": bucket}
    for part, text in wanted.items():
        nonce = secrets.token_bytes(_NONCE)
        columns[part] = nonce + AESGCM(key).encrypt(nonce, text.encode(), _bound(case, part))
    return columns


def opened(case: Case, part: str) -> str:
    """Return one text of a case; empty where there is none, or where its time is over."""
    value = getattr(case, part)
    key = _key_of(case, timezone.now()) if value and case.wrapped_key else None
    if key is None:
        return ""
    raw = bytes(value)
    try:
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], _bound(case, part)).decode()
    except InvalidTag:
        return ""


def renew_keys(now: dt.datetime) -> int:
    """Wrap anew the keys that would end before the deadlines of their texts. Returns how many."""
    due = Case.objects.filter(
        key_bucket__lt=F("expires_at"), key_bucket__lte=keys.renewal_horizon(now),
        key_bucket__gt=now,
    )  # fmt: skip
    renewed = 0
    for case in due.iterator(chunk_size=200):
        key = _key_of(case, now)
        if key is None:
            logger.warning("The key of a request's text could not be renewed.")
            continue
        bucket, wrapped = keys.wrap(key, object_id=case.pk, deadline=case.expires_at, now=now)
        rows = Case.objects.filter(pk=case.pk, key_bucket=case.key_bucket)
        renewed += rows.update(key_bucket=bucket, wrapped_key=wrapped)
    return renewed


def _key_of(case: Case, now: dt.datetime) -> bytes | None:
    if not case.wrapped_key or case.key_bucket is None:
        return None
    try:
        return keys.unwrap(
            bytes(case.wrapped_key), object_id=case.pk, not_after=case.key_bucket, now=now
        )
    except keys.KeyGoneError:
        return None


def _bound(case: Case, part: str) -> bytes:
    return b"hili case text 1 " + part.encode() + case.pk.bytes
