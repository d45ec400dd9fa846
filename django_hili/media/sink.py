"""The copy of the receipts outside the database: one line a receipt, appended, never rewritten.

Owns the files and what they give away about the database: where the copy goes further than the
database does, the database was put back from an older copy, and nothing that it calls live can
be trusted until everything erased since has been erased again.
Clauses C21: PIXEL-6.2c, MIAO-8.2b. C28: MIAO-7.3c.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.core.signals import setting_changed
from django.db import connections, router

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import StorageError
from django_hili.media.storages import folder_beside_the_photos
from django_hili.models import Chain

Missing = Callable[[int, int], Iterable[str]]
"""Gives the lines of the receipts from one number up to, not including, another."""
ANCHORS = "anchors.jsonl"
_LOOK_AGAIN_SECONDS = 10.0
_TAIL = 16 * 1024
"""More than the longest receipt."""


def evidence_folder() -> Path:
    """Return the folder of the copies."""
    return Path(get_settings().vault.evidence_folder or folder_beside_the_photos("evidence"))


def sink_path(origin: str) -> Path:
    """Return the file of one chain's receipts. A new database begins a new chain, and a file."""
    return evidence_folder() / f"receipts-{origin[:16]}.jsonl"


def append_lines(path: Path, first: int, lines: Sequence[str], *, missing: Missing) -> None:
    """Append receipts numbered from `first`; what was left out before is fetched by `missing`.

    Safe side by side: who comes late finds the lines already there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "rb+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        last = _mend(opened)
        if last + 1 < first:
            opened.writelines(f"{line}\n".encode("ascii") for line in missing(last + 1, first))
            last = first - 1
        new = lines[last + 1 - first :]
        opened.write("".join(f"{line}\n" for line in new).encode("ascii"))


def flush(path: Path) -> None:
    """Have what was appended survive a power cut."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as opened:
        os.fsync(opened.fileno())


def read_lines(path: Path, *, after: int = 0) -> Iterator[str]:
    """Yield the receipts in a copy, those after number `after`."""
    with contextlib.suppress(FileNotFoundError), path.open(encoding="ascii") as opened:
        for line in opened:
            if line.endswith("\n") and (not after or json.loads(line)["number"] > after):
                yield line.rstrip("\n")


def last_number(path: Path) -> int:
    """Return the number of the newest receipt in a copy; 0 where there is none."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as opened:
        return _last(opened)
    return 0


def is_behind() -> bool:
    """Whether the copy knows receipts that the database has not replayed."""
    return _watch.is_behind()


def refuse_if_behind() -> None:
    """Raise `StorageError` while the copy knows receipts that the database has not replayed."""
    if is_behind():
        raise StorageError(Code.REPLAY_NEEDED)


def look_again() -> None:
    """Forget what was found out about the database."""
    _watch.forget()


@dataclass(slots=True)
class _Watch:
    """What this process last found out, looked at again every few seconds."""

    found: bool = False
    at: float | None = None

    def is_behind(self) -> bool:
        if self._is_old():
            with _lock:
                if self._is_old():  # nobody else has looked while this thread waited
                    self.found, self.at = _database_is_behind(), time.monotonic()
        return self.found

    def _is_old(self) -> bool:
        return self.at is None or time.monotonic() - self.at >= _LOOK_AGAIN_SECONDS

    def forget(self) -> None:
        self.at = None


_watch = _Watch()
_lock = threading.Lock()


def _database_is_behind() -> bool:
    connection = connections[router.db_for_read(Chain)]
    was_open = connection.connection is not None
    try:
        if Chain.objects.exclude(replay_from=None).exists():
            return True
        origins = dict(Chain.objects.values_list("origin", "number"))
        copies = {origin: last_number(sink_path(origin)) for origin in origins}
        if all(copies[origin] <= number for origin, number in origins.items()):
            return False
        # A receipt may have been copied between the two looks; only then is the row older.
        newer = dict(Chain.objects.values_list("origin", "number"))
        return any(copies[origin] > newer.get(origin, 0) for origin in origins)
    finally:
        if not was_open:  # threads that only read photos come and go
            connection.close()


def _last(opened: IO[bytes]) -> int:
    size = opened.seek(0, os.SEEK_END)
    opened.seek(max(size - _TAIL, 0))
    whole = opened.read().rpartition(b"\n")[0]
    newest = whole.rpartition(b"\n")[2]
    return int(json.loads(newest)["number"]) if newest else 0


def _mend(opened: IO[bytes]) -> int:
    """Cut off half a line that a crash left at the end; return the last whole one's number."""
    size = opened.seek(0, os.SEEK_END)
    opened.seek(max(size - _TAIL, 0))
    tail = opened.read()
    half = len(tail) - (tail.rfind(b"\n") + 1)
    if half:
        opened.truncate(size - half)
    return _last(opened)


def _reset(*, setting: str, **_: object) -> None:
    if setting in {"HILI", "MEDIA_ROOT", "STORAGES"}:
        look_again()


setting_changed.connect(_reset, dispatch_uid="django_hili.media.sink")
