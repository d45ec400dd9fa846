"""Kills a process for good, at a statement, a commit, a file or a named point of its way.

The step runs in a child of this process that is ended by SIGKILL: no `finally`, no rollback by
Python, no clean-up of any kind. What it had committed and written is what the parent finds.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from django_hili.jobs.worker import crash
from django_hili.media import files, keystore, sink, spool, storages


class Trap:
    """Counts the points passed and dies at the one that was chosen."""

    left: ClassVar[int] = 0
    at: ClassVar[str] = ""
    """The name of the points that are counted; empty: all are."""
    told: ClassVar[int] = -1
    """Where to say at which point it was."""
    name = "any"

    @classmethod
    def passes(cls, point: str) -> None:
        """Pass a point, alive or not."""
        if cls.told < 0 or cls.at not in {"", point}:
            return
        cls.left -= 1
        if cls.left == 0:
            os.write(cls.told, point.encode()[:100])
            os.kill(os.getpid(), signal.SIGKILL)

    def springs_at(self, name: str) -> bool:
        """Be asked at a named point of a worker."""
        self.passes(name)
        return False


def set_traps() -> None:
    """Have every statement, commit, file and named point ask whether it is the last."""
    _set(contextlib.ExitStack())


@contextlib.contextmanager
def traps() -> Iterator[None]:
    """Set the traps while the block lasts, and one at every piece of an upload and of a file."""
    with contextlib.ExitStack() as undo:
        _set(undo)
        _around(spool.SealedSpool, "add", "piece spooled", undo)
        _around(spool.SealedSpool, "opened", "spool ended", undo)
        _around(os, "link", "key linked", undo)
        _put(files.Laid, "chunks", _piece_by_piece(files.Laid.chunks), undo)
        yield


def _set(undo: contextlib.ExitStack) -> None:
    _put(crash, "_crash", Trap(), undo)
    connection_created.connect(_watch_statements, weak=False)
    undo.callback(connection_created.disconnect, _watch_statements)
    _around(BaseDatabaseWrapper, "_commit", "commit", undo)
    _around(os, "unlink", "unlink", undo)
    _around(keystore.FolderKeyStore, "create", "key made", undo)
    _around(keystore.FolderKeyStore, "destroy", "key destroyed", undo)
    _around(sink, "append_lines", "receipts copied", undo)
    _around(storages.FileSystemStorage, "_save", "file written", undo)


def killed_during(step: Callable[[], Any], at: int | str) -> str:
    """Run a step in a child that dies at its `at`-th point; say which that was, or "".

    With a name, it dies the first time it comes to the point of that name.
    """
    connections.close_all()
    ear, mouth = os.pipe()
    child = os.fork()
    if not child:
        _live_and_die(step, at, mouth)
    os.close(mouth)
    with os.fdopen(ear, "rb") as opened:
        told = opened.read().decode()
    os.waitpid(child, 0)
    return told


def _live_and_die(step: Callable[[], Any], at: int | str, mouth: int) -> None:
    Trap.left, Trap.at = (1, at) if isinstance(at, str) else (at, "")
    Trap.told = mouth
    try:
        with contextlib.suppress(Exception):
            step()
    finally:
        os._exit(0)


def _watch_statements(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_statement)


def _statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    words = sql.split(None, 3)
    if words and words[0].upper() in {"INSERT", "UPDATE", "DELETE"}:
        table = words[1] if words[0].upper() == "UPDATE" else words[2]
        bare = table.strip('"`')
        Trap.passes(f"{words[0].lower()} {bare}")
    return execute(sql, params, many, context)


def _piece_by_piece(chunks: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
    def watched(laid: files.Laid, chunk_size: int | None = None) -> Iterator[bytes]:
        for piece in chunks(laid, chunk_size):
            Trap.passes("before piece laid")
            yield piece

    return watched


def _around(owner: Any, name: str, point: str, undo: contextlib.ExitStack) -> None:
    done = getattr(owner, name)

    def watched(*args: Any, **options: Any) -> Any:
        Trap.passes(f"before {point}")
        result = done(*args, **options)
        Trap.passes(f"after {point}")
        return result

    _put(owner, name, watched, undo)


def _put(owner: Any, name: str, value: Any, undo: contextlib.ExitStack) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)
