"""Wraps each object's key under a wrapping key that is leased, and destroyed when its hour comes.

Owns the lease. A wrapping key belongs to the hour that follows the object's deadline or the end
of the lease, whichever is first, and opens nothing from that hour on, whether or not it has been
destroyed by then. So a copy of database and storage, wherever it lies, can be opened for no
longer than a lease and an hour, and never longer than an hour past the object's own deadline.
Clauses C21: PIXEL-6.2c, MIAO-8.2b, AIART-5.6b. C22: MIAO-5.5.
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
import threading
import time
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.signals import setting_changed

from django_hili.conf import get_settings
from django_hili.media.keystore import KeyStore, key_store

GRANULE = dt.timedelta(hours=1)
"""How exactly a key's end keeps to the deadlines it serves."""
_KEPT_SECONDS = 60.0
"""How long a process may go on using a key it has read, should the store lose it."""
_NONCE_BYTES = 12
_WORDS = b"words "


class KeyGoneError(Exception):
    """The wrapping key is past its hour, or is no longer there."""


def wrap(
    key: bytes, *, object_id: uuid.UUID, deadline: dt.datetime, now: dt.datetime
) -> tuple[dt.datetime, bytes]:
    """Wrap an object's key; return the hour from which it opens nothing, and the wrapped key."""
    not_after = bucket(deadline, now)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(_wrapping_key(not_after, now, create=True))
    return not_after, nonce + cipher.encrypt(nonce, key, _bound(object_id, not_after))


def unwrap(
    wrapped: bytes, *, object_id: uuid.UUID, not_after: dt.datetime, now: dt.datetime
) -> bytes:
    """Return an object's key. Raises `KeyGoneError`, also for what was wrapped for another."""
    cipher = AESGCM(_wrapping_key(not_after, now))
    nonce, body = bytes(wrapped[:_NONCE_BYTES]), bytes(wrapped[_NONCE_BYTES:])
    try:
        return cipher.decrypt(nonce, body, _bound(object_id, not_after))
    except InvalidTag:
        raise KeyGoneError from None


def bucket(deadline: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Return the end of the hour in which a key has to end; never one that has passed."""
    end = min(deadline, now + get_settings().privacy.effective.key_lease)
    past = (end.astimezone(dt.UTC) - _EPOCH) % GRANULE
    return max(end.astimezone(dt.UTC) + (GRANULE - past if past else dt.timedelta(0)), _next(now))


def seal_words(words: str, *, object_id: uuid.UUID, until: dt.datetime, now: dt.datetime) -> str:
    """Seal a few words that have to be kept for a while, such as a vendor's handle."""
    not_after = bucket(until, now)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(_wrapping_key(not_after, now, create=True))
    sealed = cipher.encrypt(nonce, words.encode(), _WORDS + _bound(object_id, not_after))
    text = base64.urlsafe_b64encode(nonce + sealed).decode("ascii")
    return f"{int(not_after.timestamp())}.{text}"


def open_words(sealed: str, *, object_id: uuid.UUID, now: dt.datetime) -> str:
    """Return what `seal_words` sealed. Raises `KeyGoneError`, also for another object's words."""
    seconds, _, text = sealed.partition(".")
    try:
        not_after = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
        raw = base64.urlsafe_b64decode(text)
        cipher = AESGCM(_wrapping_key(not_after, now))
        bound = _WORDS + _bound(object_id, not_after)
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound).decode()
    except (ValueError, InvalidTag):
        raise KeyGoneError from None


def is_to_be_renewed(*, deadline: dt.datetime, not_after: dt.datetime, now: dt.datetime) -> bool:
    """Whether a key ends before its object and has come into the second half of its lease.

    Also where the object's deadline was moved earlier: its key then has to end earlier, too.
    """
    return (not_after < deadline and not_after <= renewal_horizon(now)) or (
        not_after >= deadline + GRANULE
    )


def renewal_horizon(now: dt.datetime) -> dt.datetime:
    """A key that ends by then is renewed now, if its object goes on."""
    return now + get_settings().privacy.effective.key_lease / 2


def destroy_past_keys(now: dt.datetime) -> int:
    """Destroy every wrapping key whose hour has come. Returns how many."""
    store = key_store()
    past = [not_after for not_after in store.list() if not_after <= now]
    for not_after in past:
        store.destroy(not_after)
    return len(past)


def past_keys(now: dt.datetime) -> int:
    """Count the wrapping keys whose hour has come."""
    return sum(not_after <= now for not_after in key_store().list())


def destroy_all_keys() -> int:
    """Destroy every wrapping key there is: nothing opens any more. Returns how many."""
    store = key_store()
    every = store.list()
    for not_after in every:
        store.destroy(not_after)
    forget_cached()
    return len(every)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_cached: dict[dt.datetime, tuple[bytes, float]] = {}
_lock = threading.Lock()


def forget_cached() -> None:
    """Ask the store again for every key."""
    with _lock:
        _cached.clear()


def _wrapping_key(not_after: dt.datetime, now: dt.datetime, *, create: bool = False) -> bytes:
    if now >= not_after:  # whether or not the sweep has destroyed it
        raise KeyGoneError
    moment = time.monotonic()
    known = _cached.get(not_after)
    if known is not None and moment - known[1] < _KEPT_SECONDS:
        return known[0]
    store: KeyStore = key_store()
    key = store.create(not_after) if create else store.get(not_after)
    if key is None:
        raise KeyGoneError
    with _lock:
        for hour in [
            hour for hour, (_, since) in _cached.items() if moment - since > _KEPT_SECONDS
        ]:
            del _cached[hour]
        _cached[not_after] = (key, moment)
    return key


def _bound(object_id: uuid.UUID, not_after: dt.datetime) -> bytes:
    return b"hili wrapped key 1" + object_id.bytes + str(int(not_after.timestamp())).encode()


def _next(now: dt.datetime) -> dt.datetime:
    """The first full hour after `now`, for an object whose deadline has passed already."""
    now = now.astimezone(dt.UTC)
    return now + GRANULE - (now - _EPOCH) % GRANULE


def _reset(*, setting: str, **_: object) -> None:
    if setting == "HILI":
        forget_cached()


setting_changed.connect(_reset, dispatch_uid="django_hili.media.keys")
