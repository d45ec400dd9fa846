"""Scratch masks of jobs that somebody waits for: drawn by hand before, shown afterwards.

Owns them while the job is worked on, in memory alone: a mask is never stored. Only the worker
that was lent them knows them, so such a job is due for every other worker later than for it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django_hili.providers.base import EnhancedPhoto, Photo

HEAD_START = dt.timedelta(minutes=30)
"""How much later a job with a mask is due for the workers that know nothing of the mask. After it,
or after a first try that failed, one of them may take it up, and `taken` has nothing to give."""


class Masks:
    """The masks of some jobs."""

    def __init__(self) -> None:
        self._drawn: dict[uuid.UUID, bytes | None] = {}
        self._filled: dict[uuid.UUID, bytes] = {}

    @property
    def jobs(self) -> Sequence[uuid.UUID]:
        """The jobs with a mask."""
        return list(self._drawn)

    def expect(self, job_id: uuid.UUID, *, drawn: bytes | None = None) -> None:
        """Have a job's mask shown afterwards; `drawn` is what it shall fill, else it finds out."""
        self._drawn[job_id] = drawn

    def photo(self, job_id: uuid.UUID, content: bytes, content_type: str) -> Photo:
        """Return a job's photo as its provider gets it."""
        if job_id not in self._drawn:
            return Photo(content, content_type)
        return Photo(content, content_type, mask=self._drawn[job_id], wants_mask=True)

    def keep(self, job_id: uuid.UUID, result: EnhancedPhoto) -> None:
        """Remember what was filled."""
        if result.mask is not None and job_id in self._drawn:
            self._filled[job_id] = result.mask

    def taken(self, job_id: uuid.UUID) -> bytes | None:
        """Return what was filled, as PNG, and forget the job's masks.

        None where a worker did the job that knew nothing of them.
        """
        self._drawn.pop(job_id, None)
        return self._filled.pop(job_id, None)
