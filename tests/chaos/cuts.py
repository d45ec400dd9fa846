"""Takes the database away from the workers for a moment; counts who asks a vendor that is away.

PostgreSQL: a wire between workers and server that can be cut, or made to swallow what the server
says, so that a commit is done and nobody hears of it. SQLite: a lock held by somebody else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator

from django.db import connection

CUT, SWALLOW = "cut", "swallow"
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """A TCP wire to PostgreSQL, or to a vendor, that every worker of a campaign goes through."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.trouble = ""
        self.connected_at: list[float] = []
        """When somebody connected."""
        self.asked_at: list[tuple[float, str]] = []
        """When an HTTP request began, and its path."""
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connected_at.append(time.monotonic())
            if self.trouble:
                _reset(near)
                near.close()
                continue
            far = socket.create_connection(self._target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {near, far}
            for source, sink, is_answer in ((near, far, False), (far, near, True)):
                self._run(self._carry, source, sink, is_answer)

    def _run(self, work: Callable[..., None], *words: object) -> None:
        thread = threading.Thread(target=work, args=words, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _carry(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if not is_answer and piece.startswith((b"POST ", b"GET ")):
                    self.asked_at.append((time.monotonic(), piece.split()[1].decode()))
                if is_answer and self.trouble == SWALLOW:
                    continue
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source}
            source.close()  # the other end is the other thread's

    def break_for(self, seconds: float, trouble: str) -> None:
        """Break every connection, and let nobody in for so long."""
        self.trouble = trouble
        if trouble == SWALLOW:
            time.sleep(0.1)  # what is under way is carried out, and nobody hears of it
        with self._lock:
            for end in self._open:
                _reset(end)
        time.sleep(seconds)
        self.trouble = ""

    def close(self) -> None:
        """Stop."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_for(0, CUT)
        for thread in self._threads:
            thread.join(timeout=10)


class Cutter:
    """Cuts the database at hand."""

    def __init__(self, wire: Wire | None) -> None:
        self._wire = wire

    @property
    def variables(self) -> dict[str, str]:
        """What the workers' environment needs."""
        if self._wire:
            return {"PGPORT": str(self._wire.port)}
        return {"HILI_TEST_LOCK_WAIT": "0.3"}

    def cut(self, seconds: float, trouble: str) -> None:
        """Take the database away for so long."""
        if self._wire:
            self._wire.break_for(seconds, trouble)
            return
        with contextlib.closing(
            sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=30)
        ) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            other.execute("ROLLBACK")


@contextlib.contextmanager
def open_cutter() -> Iterator[Cutter]:
    """A cutter for the database at hand, while the block lasts."""
    if connection.vendor != "postgresql":
        yield Cutter(None)
        return
    wire = Wire(int(os.environ.get("PGPORT", "5432")))
    try:
        yield Cutter(wire)
    finally:
        wire.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
