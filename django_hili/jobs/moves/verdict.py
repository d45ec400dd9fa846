"""Whether a failed attempt is made again, as a pure function of the error and the attempts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from django_hili.codes import Code
from django_hili.exceptions import HiliError, InvalidPhotoError, ProviderError, StorageError

FIRST_DELAY = dt.timedelta(seconds=2)
_AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Make another attempt after `delay`."""

    delay: dt.timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the job as failed with `code`."""

    code: Code


def decide(error: Exception, *, attempts: int, max_attempts: int) -> TryAgain | GiveUp:
    """Say what follows from `error` in the `attempts`-th attempt. What is not listed is final."""
    if isinstance(error, _AWAY) or _awaits_replay(error):
        # A database that was away says nothing about the photo; its source's ceiling ends it.
        return TryAgain(FIRST_DELAY)
    if isinstance(error, OSError):
        # Photos or keys could not be read just now: what is gone for good says so by a code.
        error = StorageError(Code.STORAGE_FAILED)
    code = error.code if isinstance(error, HiliError) else Code.INTERNAL_ERROR
    if not _may_pass(error):
        return GiveUp(code)
    if attempts >= max_attempts:
        return GiveUp(code)
    told = error.retry_after if isinstance(error, ProviderError) else None
    if told is not None:
        return TryAgain(dt.timedelta(seconds=told))
    return TryAgain(FIRST_DELAY * 2 ** (attempts - 1))


def _awaits_replay(error: Exception) -> bool:
    return isinstance(error, StorageError) and error.code is Code.REPLAY_NEEDED


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ProviderError):
        return error.retryable
    if isinstance(error, InvalidPhotoError):
        return False
    if isinstance(error, StorageError):
        return error.code is Code.STORAGE_FAILED
    return False
