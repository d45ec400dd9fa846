"""Own the ledger: what was accepted, granted, charged and forgotten; must not know pictures.

It is the outside oracle of a client's crash tests: written in the transaction of the event, never
changed, and told apart from what the caller was answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from django_hili.sandbox import statements
from django_hili.sandbox.bodies import SentFile
from django_hili.sandbox.models import LedgerEntry


class Remark(NamedTuple):
    """What is to be written about one picture."""

    mdf: str
    event: LedgerEntry.Event
    credits: int = 0
    file_name: str = ""
    sha256: str = ""
    size_bytes: int = 0


def fingerprint(mdf: str, event: LedgerEntry.Event, file: SentFile) -> Remark:
    """Note a file so that its sender can find it again: name, hash and size."""
    digest = hashlib.sha256(file.content).hexdigest()
    return Remark(mdf, event, 0, file.name[:255], digest, len(file.content))


def remark(
    remarks: Sequence[Remark], *, third_code: str, now: float, request: str, faults: str
) -> None:
    """Write down what one request did, in the caller's transaction."""
    statements.insert(
        [
            LedgerEntry(
                at=now,
                request=request,
                third_code=third_code,
                faults=faults[:255],
                **each._asdict(),
            )
            for each in remarks
        ],
        LedgerEntry,
    )


def forgotten(mdf: str, *, third_code: str, now: float) -> None:
    """Write down that a picture was deleted after its time."""
    LedgerEntry.objects.create(
        at=now, event=LedgerEntry.Event.FORGOTTEN, third_code=third_code, mdf=mdf
    )


def entries(
    *, since: int = 0, third_code: str = "", latest: int | None = None
) -> list[dict[str, Any]]:
    """Return entries as plain dictionaries, oldest first; ``latest`` keeps the last few only."""
    rows = LedgerEntry.objects.filter(id__gt=since)
    if third_code:
        rows = rows.filter(third_code=third_code)
    if latest is not None:
        return [dict(row) for row in rows.order_by("-id").values()[:latest]][::-1]
    return [dict(row) for row in rows.values()]
