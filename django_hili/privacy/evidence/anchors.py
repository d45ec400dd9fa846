"""Writes down, outside the database, how far the chain of receipts has come.

An anchor names the newest receipt and its hash. Whoever holds one can prove later that receipts
were cut off or written anew; so anchors are worth most where the operator cannot change them.
Clauses C28: MIAO-7.3c.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import IO

from django.utils import timezone

from django_hili.media.sink import ANCHORS, evidence_folder
from django_hili.models import Chain
from django_hili.privacy.evidence.receipts import canonical, copy_all


def anchor(path: Path | None = None, *, now: dt.datetime | None = None) -> str | None:
    """Append an anchor to a file and return it; None where there is no receipt yet.

    What a process that died right after a commit left out of the copy is copied first: else the
    anchor would say of the copy that it was cut off.
    """
    copy_all()
    chain = Chain.objects.the_one()
    if not chain.number:
        return None
    at = (now or timezone.now()).astimezone(dt.UTC)
    line = canonical(
        {
            "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "hash": chain.hash,
            "number": chain.number,
            "origin": chain.origin,
        }
    )
    path = path or evidence_folder() / ANCHORS
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab+") as opened:
        _cut_half_a_line(opened)
        opened.write(f"{line}\n".encode("ascii"))
        opened.flush()
        os.fsync(opened.fileno())
    return line


def kept_anchors(path: Path | None = None) -> list[str]:
    """Return the anchors of this database's chain, the oldest first, and what cannot be read."""
    origins = set(Chain.objects.values_list("origin", flat=True))
    try:
        kept = (path or evidence_folder() / ANCHORS).read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        return []
    return [line for line in kept.splitlines() if _origin_of(line) in {None, *origins}]


def _origin_of(line: str) -> str | None:
    """Return the chain an anchor is of; None where the line is no anchor."""
    try:
        return str(json.loads(line)["origin"])
    except (ValueError, KeyError, TypeError):
        return None


def _cut_half_a_line(opened: IO[bytes]) -> None:
    """Cut off what a crash left of an anchor, so that the next one is not written behind it."""
    opened.seek(0)
    content = opened.read()
    opened.truncate(content.rfind(b"\n") + 1)
