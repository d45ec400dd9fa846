"""Checks a file of receipts, and anchors if there are any. Needs Python and nothing else.

    python verify_receipts.py receipts.jsonl [anchors.jsonl]

A receipt is a line of JSON. Its "hash" is the SHA-256 of the rest of it, written with sorted keys
and no spaces; its "previous" is the hash of the receipt before it, or the chain's "origin". So none
can be changed, left out, slipped in or moved without every later one betraying it, nor be cut from
the end once an anchor that names it lies elsewhere; anchors of other chains may lie with it. Prints
"ok" and ends with 0, or says where the first thing is wrong and ends with 1. Read it, copy it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def hash_of(receipt: dict[str, Any]) -> str:
    """Return what a receipt's hash has to be."""
    rest = {key: value for key, value in receipt.items() if key != "hash"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def verify(lines: Iterable[str], anchors: Iterable[str] = ()) -> tuple[str | None, int]:
    """Return (None, how many) where all is well, else (what is wrong, the number it is at)."""
    anchored: dict[tuple[str, int], set[str]] = {}
    for at, line in enumerate(anchors, 1):
        try:
            anchor = json.loads(line)
            anchored.setdefault((anchor["origin"], anchor["number"]), set()).add(anchor["hash"])
        except (ValueError, KeyError, TypeError):
            return f"anchor {at} cannot be read", 0
    given, number, previous, origin = len(anchored), 0, "", ""
    for number, line in enumerate(lines, 1):
        try:
            receipt = json.loads(line)
            digest, origin = hash_of(receipt), origin or receipt["previous"]
            named = anchored.pop((origin, number), {digest})
            wrong = _wrong(receipt, number, previous, digest, named)
        except (ValueError, KeyError, TypeError, AttributeError):
            wrong = f"receipt {number} cannot be read"
        if wrong:
            return wrong, number
        previous = digest
    if left := [named for chain, named in anchored if chain == origin]:
        return f"receipts after {number} are missing: number {max(left)} was anchored", number + 1
    if given and len(anchored) == given:
        return "none of the anchors is of these receipts", number
    return None, number


def _wrong(
    receipt: dict[str, Any], number: int, previous: str, digest: str, anchored: set[str]
) -> str:
    if receipt["number"] != number:
        return f"receipt {number} is missing: number {receipt['number']} stands in its place"
    if receipt["hash"] != digest:
        return f"receipt {number} was changed after it was written"
    if previous and receipt["previous"] != previous:
        return f"receipt {number} does not follow the one before it"
    return "" if anchored == {digest} else f"receipt {number} is not the one that was anchored"


def main(paths: Sequence[str]) -> int:
    """Check the files and say what was found."""
    anchors = Path(paths[1]).read_text("ascii", "replace").splitlines() if paths[1:] else []
    with Path(paths[0]).open(encoding="ascii", errors="replace") as receipts:
        wrong, number = verify(receipts, anchors)
    sys.stdout.write(f"{wrong}\n" if wrong else f"ok: {number} receipts\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
