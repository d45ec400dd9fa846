"""Leaves receipts of what happens to people's rights, each as the last thing of its transaction.

The chain of receipts is held until the commit, so whoever appends to it and then touches other
rows may wait for somebody who waits for the chain. Within `noting`, receipts are kept back and
appended together at the end. Clauses C28: PIXEL-4.2, MIAO-7.3c.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import router, transaction

from django_hili.models import Receipt
from django_hili.privacy.evidence.receipts import Event, append

_kept_back: ContextVar[list[Event] | None] = ContextVar("hili_kept_back", default=None)


def note(kind: str, /, object_id: uuid.UUID | str, **facts: Any) -> None:
    """Leave a receipt in the caller's transaction; at its end, where the caller is `noting`."""
    event = Event(kind, object_id, facts)
    waiting = _kept_back.get()
    if waiting is None:
        append([event])
    else:
        waiting.append(event)


@contextmanager
def noting() -> Iterator[None]:
    """Open a transaction whose receipts are appended last; within another one, join it.

    What is rolled back leaves no receipt.
    """
    database = router.db_for_write(Receipt)
    outer = _kept_back.get()
    if outer is not None:
        before = len(outer)
        try:
            with transaction.atomic(using=database):
                yield
        except BaseException:
            del outer[before:]
            raise
        return
    own: list[Event] = []
    token = _kept_back.set(own)
    try:
        with transaction.atomic(using=database):
            yield
            append(own)
    finally:
        _kept_back.reset(token)
