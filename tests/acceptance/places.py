"""Everything a site keeps, read by other means than the app's own: place by place, as bytes.

Rows come by SQL past the models, files by the file system, and the pages of the database as the
server lays them down: SQLite's file with its journals; PostgreSQL's files of this database, where
its folder can be read from here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django_q.models import OrmQ, Task

from django_hili.queue import waiting_texts
from tests.chaos.cuts import Wire

SLOT = f"hili_test_{os.getpid()}"
MUST = {"rows", "queue", "photos", "keys", "evidence", "uploads", "open files", "cache"}


def everywhere() -> dict[str, bytes]:
    """Return what lies in each place now."""
    base = settings.BASE_DIR
    places = {
        "rows": b"\n".join(rows()),
        "queue": b"\n".join(tasks()),
        "photos": files_in(base / "photos"),
        "keys": files_in(base / "photos-keys"),
        "evidence": files_in(base / "photos-evidence"),
        "uploads": files_in(Path(settings.FILE_UPLOAD_TEMP_DIR)),
        "open files": b"\n".join(nameless()),
        "cache": repr([(key, cache.get(key.split(":", 2)[2])) for key in cache._cache]).encode(),
    }
    if (pages := database_pages()) is not None:
        places["pages"] = pages
    return places


def rows() -> Iterator[bytes]:
    """Every row of every table, as SQL gives it."""
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            for row in cursor.fetchall():
                yield b"|".join(
                    bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    for value in row
                )


def tasks() -> Iterator[bytes]:
    """Every task that waits or has ended, unpacked."""
    yield from (repr(row.task).encode() for row in OrmQ.objects.all())
    for row in Task.objects.all():
        yield repr((row.name, row.args, row.kwargs, row.result)).encode()
    yield from (text.encode() for text in waiting_texts() or ())


def files_in(folder: Path) -> bytes:
    """The names and the bytes of every file under a folder."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(path.name.encode() + b"\n" + path.read_bytes() for path in found)


def nameless() -> Iterator[bytes]:
    """The bytes of files that this process has open and no folder lists."""
    for handle in Path("/proc/self/fd").iterdir():
        try:
            if handle.stat().st_nlink == 0 and handle.is_file():
                yield handle.read_bytes()
        except OSError:
            continue


def database_pages() -> bytes | None:
    """The database's pages as they lie on the disk; None where they cannot be read from here."""
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        return b"\n".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    return postgres_files() if connection.vendor == "postgresql" else None


def postgres_files() -> bytes | None:
    """Every file of this database in PostgreSQL's folder, once everything has been written."""
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT current_setting('data_directory'), oid FROM pg_database "
                       "WHERE datname = current_database()")  # fmt: skip
        folder, oid = cursor.fetchone()
    path = Path(folder) / "base" / str(oid)
    if not os.access(path, os.R_OK | os.X_OK):
        return None
    return b"\n".join(each.read_bytes() for each in path.iterdir() if each.is_file())


def write_ahead_log() -> bytes | None:
    """PostgreSQL's log of every change; None where it cannot be read from here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory')")
        path = Path(cursor.fetchone()[0]) / "pg_wal"
    if not os.access(path, os.R_OK | os.X_OK):
        return None
    return b"\n".join(each.read_bytes() for each in path.iterdir() if each.is_file())


@contextlib.contextmanager
def kept_log() -> Iterator[None]:
    """Have PostgreSQL throw away no part of its log that begins now, as for a standby."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_create_physical_replication_slot(%s, true, true)", [SLOT])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


def vacuum() -> None:
    """Have PostgreSQL write every table anew, without what is dead."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL")


def found(words: Collection[bytes], places: dict[str, bytes]) -> dict[str, set[bytes]]:
    """Return the words that stand in each place, places without one left out."""
    hits = {name: {word for word in words if word in kept} for name, kept in places.items()}
    return {name: words for name, words in hits.items() if words}


class Recorder(Wire):
    """A wire to a vendor that keeps every byte the site sends."""

    def __init__(self, port: int) -> None:
        self.sent = bytearray()
        self._keeping = threading.Lock()
        super().__init__(port)

    def _carry(self, source: Any, sink: Any, is_answer: bool) -> None:
        if is_answer:
            super()._carry(source, sink, is_answer)
            return
        recorder = self

        class Kept:
            """The far end, overheard."""

            def sendall(self, piece: bytes) -> None:
                with recorder._keeping:
                    recorder.sent += piece
                sink.sendall(piece)

            def shutdown(self, how: int) -> None:
                sink.shutdown(how)

        super()._carry(source, Kept(), is_answer)
