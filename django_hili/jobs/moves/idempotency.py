"""Whose turn it is to answer a request that its client may send again.

Owns the row that is written before anything is stored and says what came of it in the very
transaction that makes it. Whoever holds a turn names its token with every write; a server that
fell silent loses its turn to the next attempt, and whatever it still does is undone.
Clauses C08: HILI-0.4: a client's key is taken and nothing else.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.files.base import File
from django.db import IntegrityError
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from django_hili.codes import Code
from django_hili.exceptions import (
    HiliError,
    InvalidOptionsError,
    LostLeaseError,
    Problem,
    WrongStateError,
)
from django_hili.models import IdempotencyKey, PhotoBatch, PhotoJob
from django_hili.privacy.consent.subjects import subject_ref_for

HEADER: Final = "Idempotency-Key"
KEPT: Final = dt.timedelta(days=1)
"""How long a key means the same request."""
LEASE: Final = dt.timedelta(seconds=60)
"""After how long a silent server's turn goes to the next attempt; far more than a photo takes."""
LONGEST: Final = 255
_SALT = "django_hili.idempotency"


@dataclass(slots=True)
class Turn:
    """One attempt at a request: to make what it asks for, or to tell what was made."""

    row: IdempotencyKey

    @property
    def is_answered(self) -> bool:
        """Whether an earlier attempt has made everything."""
        return self.row.answered_at is not None

    @property
    def refused(self) -> list[tuple[int, HiliError]]:
        """The photos of a batch that were not taken."""
        return [
            (number, HiliError(Code(code), **params)) for number, code, params in self.row.refused
        ]

    def made(self, job: PhotoJob) -> None:
        """Say what came of it. In the job's transaction; raises `LostLeaseError`."""
        self._write(job_id=job.pk, answered_at=timezone.now(), lease_until=None)

    def began(self, batch: PhotoBatch) -> None:
        """Say which batch the photos go into. In the batch's transaction; raises as `made`."""
        self._write(batch_id=batch.pk, lease_until=timezone.now() + LEASE)

    def took(self, number: int, job: PhotoJob) -> None:
        """Say that a photo of a batch has its job. In the job's transaction; raises as `made`."""
        del job  # it names its batch itself
        self._write(taken=number + 1, lease_until=timezone.now() + LEASE)

    def refuse(self, number: int, error: HiliError) -> None:
        """Say that a photo of a batch was not taken, and why."""
        params = {
            name: value if isinstance(value, int | float) else str(value)
            for name, value in error.params.items()
        }
        refused = [*self.row.refused, [number, error.code.value, params]]
        self._write(taken=number + 1, refused=refused, lease_until=timezone.now() + LEASE)

    def ended(self) -> None:
        """Say that every photo of a batch has been decided on."""
        self._write(answered_at=timezone.now(), lease_until=None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Give the turn back if nothing comes of it. Raises `WrongStateError` if it was lost."""
        try:
            yield
        except LostLeaseError:
            raise WrongStateError(Code.KEY_IN_FLIGHT) from None
        except BaseException:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Let the next attempt go on at once: from the start, or with what a batch still lacks."""
        mine = IdempotencyKey.objects.held(self.row.pk, self.row.token)
        batch_id = self.row.batch_id
        if batch_id is not None and PhotoBatch.objects.filter(pk=batch_id).exists():
            mine.update(lease_until=timezone.now())
        else:
            mine.delete()

    def _write(self, **changes: Any) -> None:
        if not IdempotencyKey.objects.held(self.row.pk, self.row.token).update(**changes):
            raise LostLeaseError
        for name, value in changes.items():
            setattr(self.row, name, value)


def take_turn(
    *, subject: Any, key: str, kind: str, words: Mapping[str, Any], photos: Sequence[File[bytes]]
) -> Turn:  # fmt: skip
    """Take up a request under its client's key, or find what an earlier attempt has made.

    Raises `InvalidOptionsError` for a key that is none or was used for another request, and
    `WrongStateError` while another attempt is at it, or where what it made has been deleted.
    """
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        raise InvalidOptionsError(Problem(HEADER, Code.KEY_INVALID, {"limit": LONGEST}))
    now = timezone.now()
    ref = subject_ref_for(subject)
    key_hash = hashlib.sha256(key.encode()).hexdigest()
    prints = _fingerprints(key, _digest(kind, words, photos))
    mine = IdempotencyKey.objects.filter(subject_ref=ref, key_hash=key_hash)
    mine.past(now).delete()
    fresh = {"fingerprint": prints[0], "lease_until": now + LEASE, "created_at": now,
             "expires_at": now + KEPT}  # fmt: skip
    try:
        row, is_new = mine.get_or_create(subject_ref=ref, key_hash=key_hash, defaults=fresh)
    except IntegrityError:  # it was there, and has been given back since
        raise WrongStateError(Code.KEY_IN_FLIGHT) from None
    if is_new:
        return Turn(row)
    if not row.fingerprint:
        raise WrongStateError(Code.KEY_SPENT)
    if not any(constant_time_compare(row.fingerprint, known) for known in prints):
        raise InvalidOptionsError(Problem(HEADER, Code.KEY_REUSED))
    if row.answered_at is None:
        _take_over(row, now)
    return Turn(row)


def _take_over(row: IdempotencyKey, now: dt.datetime) -> None:
    until = now + LEASE
    if not IdempotencyKey.objects.take_over(row.pk, row.token, now=now, lease_until=until):
        raise WrongStateError(Code.KEY_IN_FLIGHT)
    row.token, row.lease_until = row.token + 1, until


def _digest(kind: str, words: Mapping[str, Any], photos: Sequence[File[bytes]]) -> bytes:
    """Hash what was asked for and every photo. It stays in memory."""
    whole = hashlib.sha256(json.dumps([kind, words], sort_keys=True, default=str).encode())
    for photo in photos:
        one = hashlib.sha256()
        for piece in photo.chunks():
            one.update(piece)
        whole.update(one.digest())
    return whole.digest()


def _fingerprints(key: str, digest: bytes) -> list[str]:
    """Return the request's hash under the site's secret and under those it had before."""
    value = key.encode() + b"\0" + digest
    return [
        salted_hmac(_SALT, value, secret=secret, algorithm="sha256").hexdigest()
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
