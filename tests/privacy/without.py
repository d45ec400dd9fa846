"""Guards that can be switched off, so that a test sees that the histories notice their loss."""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

GUARDS = {
    "sealing": ("INV-07", 1),
    "shredding": ("INV-16", 1),
    "deleting": ("INV-15", 1),
    "receipt": ("INV-20", 1),
    "replay": ("INV-24", 33),
    "keys": ("INV-23", 1),
    "barrier": ("INV-02", 1),
    "asking": ("INV-02", 5),
    "doubt": ("INV-21", 66),
    "intentions": ("INV-02", 6),
    "handles": ("INV-09", 1),
    "questions": ("INV-19", 4),
    "outcomes": ("INV-19", 1),
    "words": ("INV-07", 2),
    "ends of words": ("INV-27", 17),
    "clock": ("INV-28", 2),
    "overdue": ("INV-28", 7),
    "regions": ("INV-11", 4),
    "queue": ("INV-08", 1),
    "uploads": ("INV-01", 22),
}
"""Each guard, what is broken without it, and from which seed on: one that notices at once.

Where the seed has come to mean another life, some life after it notices.
"""

OF_SENDS = {"barrier", "asking", "intentions", "doubt", "questions", "outcomes", "handles"}
"""What only a life with a vendor can notice."""


def take_out(guard: str) -> Any:
    """Return what switches a guard off while it is entered."""
    from django_hili import queue, tasks
    from django_hili.jobs.moves import send
    from django_hili.media import vault
    from django_hili.models.case import CaseQuerySet
    from django_hili.privacy.audit import invariants
    from django_hili.privacy.consent import entry
    from django_hili.privacy.erasure import erase, replay, sweep, tend
    from django_hili.privacy.rights import casetext, clock

    put = mock.patch.object
    return {
        "sealing": lambda: put(vault.sealing, "seal", lambda pieces, **_: pieces),
        "shredding": lambda: put(erase.MediaQuerySet, "update", _leaving_keys()),
        "deleting": lambda: put(erase, "erase_files", lambda _, names: names),
        "receipt": lambda: put(erase, "append_alike", return_value=0),
        "replay": lambda: put(replay, "UNDOS", {}),
        "keys": lambda: put(sweep, "destroy_past_keys", return_value=0),
        "barrier": lambda: put(send, "pass_barrier_all", _let_all_pass),
        "asking": lambda: put(send, "with_consent", lambda *, jobs: list(jobs)),
        "doubt": lambda: put(send, "_is_past_barrier", _knows_of_no_doubt()),
        "intentions": lambda: put(send, "append", return_value=0),
        "handles": lambda: put(send, "seal_handle", lambda handle, **_: handle),
        "questions": lambda: put(tasks, "has_questions", return_value=False),
        "outcomes": lambda: put(sweep, "settle_without_asking", return_value=0),
        "words": lambda: put(casetext, "sealed", _open_words),
        "ends of words": lambda: put(tend.cases, "drop_expired", return_value=0),
        "clock": lambda: put(clock, "due_at", lambda *, received_at, verified_at: (
            received_at + dt.timedelta(days=60)
        )),
        "overdue": lambda: put(CaseQuerySet, "overdue", lambda rows, now: rows.none()),
        "regions": lambda: put(invariants, "residency_problems", return_value=()),
        "uploads": lambda: put(entry.Entry, "confirm", lambda permit: permit.ref),
        "queue": lambda: put(queue, "_enqueue_shift", _tell_all),
    }[guard]()  # fmt: skip


def _let_all_pass(*, entries: Any, now: dt.datetime) -> list[bool]:
    del now
    return [True] * len(entries)


def _leaving_keys() -> Any:
    from django_hili.models import MediaState
    from django_hili.privacy.erasure import erase

    update = erase.MediaQuerySet.update

    def leaves_the_key(rows: Any, **changes: Any) -> int:
        if changes.get("state") == MediaState.CONDEMNED:
            changes = {key: value for key, value in changes.items() if "key" not in key}
        return update(rows, **changes)

    return leaves_the_key


def _knows_of_no_doubt() -> Any:
    from django_hili.jobs.moves import send

    closes = send._is_past_barrier

    def says_no(*words: Any) -> bool:
        closes(*words)
        return False

    return says_no


def _open_words(case: Any, deadline: dt.datetime, **texts: str) -> dict[str, Any]:
    del case, deadline
    return {part: text.encode() for part, text in texts.items() if text}


def _tell_all(*, inside: str | None = None) -> None:
    from django_q.tasks import async_task

    from django_hili import queue

    del inside
    async_task(queue.SHIFT, "CANARYNAMEanna", save=False)
