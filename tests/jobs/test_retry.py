"""What follows from an error is one table."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import InterfaceError, OperationalError

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError, ProviderError, StorageError
from django_hili.jobs.moves.verdict import GiveUp, TryAgain, decide

S = dt.timedelta(seconds=1)
TABLE = [
    # error, attempt, what follows, remark
    (InvalidPhotoError(Code.PHOTO_DAMAGED), 1, GiveUp(Code.PHOTO_DAMAGED)),  # will not mend
    (ProviderError(Code.ENGINE_CRASHED), 1, GiveUp(Code.ENGINE_CRASHED)),  # would crash again
    (ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True), 1, TryAgain(2 * S)),
    (ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True), 2, TryAgain(4 * S)),  # doubles
    (ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True), 3, GiveUp(Code.ENGINE_UNAVAILABLE)),
    (ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True, retry_after=7), 1, TryAgain(7 * S)),
    (StorageError(Code.STORAGE_FAILED), 1, TryAgain(2 * S)),  # a full disk may be emptied
    (OSError("away"), 1, TryAgain(2 * S)),  # photos or keys lie on something that is away
    (OSError("away"), 3, GiveUp(Code.STORAGE_FAILED)),
    (StorageError(Code.SOURCE_GONE), 1, GiveUp(Code.SOURCE_GONE)),  # nothing left to try with
    (StorageError(Code.REPLAY_NEEDED), 9, TryAgain(2 * S)),  # the site waits, and so may it
    (OperationalError("away"), 9, TryAgain(2 * S)),  # the database's trouble, not the photo's
    (InterfaceError("away"), 9, TryAgain(2 * S)),
    (RuntimeError("anything"), 1, GiveUp(Code.INTERNAL_ERROR)),  # not listed: final
]


@pytest.mark.parametrize(("error", "attempts", "verdict"), TABLE)
def test_the_table(error, attempts, verdict):
    assert decide(error, attempts=attempts, max_attempts=3) == verdict
