"""Where wrapping keys lie: outside the database and outside the photos, one for each hour.

Owns the places and nothing else: a folder for one host, a database of its own for several. What
a key may be used for, and until when, is `keys.py`'s.
Clauses C21: PIXEL-6.2c, MIAO-8.2b. C25: AIART-4.2.1b.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from django.db import connections, transaction

from django_hili.conf import get_settings
from django_hili.media.storages import folder_beside_the_photos
from django_hili.models import WrappingKey

logger = logging.getLogger(__name__)

KEY_BYTES = 32
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_UNFINISHED_SECONDS = 3600
_NAME = "%Y%m%dT%HZ.key"
_ENDING = ".gone"
"""How the file of a key ends that is being destroyed: no name a key is read by."""
_NO_KEY = bytes(KEY_BYTES)
"""What a destroyed key is written over with. It opens nothing and seals nothing."""


class KeyStore(Protocol):
    """Keeps wrapping keys by the hour from which they may not be used any more."""

    def create(self, not_after: dt.datetime) -> bytes:
        """Return the key of that hour; make it where there is none. Safe side by side."""

    def get(self, not_after: dt.datetime) -> bytes | None:
        """Return the key of that hour, or None where there is none."""

    def destroy(self, not_after: dt.datetime) -> None:
        """Make the key unreadable for good. Does nothing where there is none."""

    def list(self) -> list[dt.datetime]:
        """Return the hours of all keys there are."""


def key_store() -> KeyStore:
    """Return the key store of the settings."""
    vault = get_settings().vault
    if vault.key_database:
        return DatabaseKeyStore(vault.key_database)
    return FolderKeyStore(key_folder())


def key_folder() -> Path:
    """Return the folder keys lie in, where they lie in one."""
    return Path(get_settings().vault.key_folder or folder_beside_the_photos("keys"))


def _hour_of(name: str) -> dt.datetime | None:
    with contextlib.suppress(ValueError):
        return dt.datetime.strptime(name, _NAME).replace(tzinfo=dt.UTC)
    return None


class FolderKeyStore:
    """One file a key, readable by this user alone. For sites on one host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, not_after: dt.datetime) -> bytes:
        """Write a new key beside and link it into place: whoever is first has made it."""
        existing = self.get(not_after)
        if existing is not None:
            return existing
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f"{secrets.token_hex(8)}.new"
        self._write(beside, secrets.token_bytes(KEY_BYTES))
        try:
            with contextlib.suppress(FileExistsError):
                os.link(beside, self._path(not_after))
            if self.get(not_after) is None:
                self._put_aside(not_after)
                with contextlib.suppress(FileExistsError):
                    os.link(beside, self._path(not_after))
        finally:
            beside.unlink()
        self._flush_folder()
        made = self.get(not_after)
        assert made is not None  # noqa: S101 - linked above, by us or by another process
        return made

    def get(self, not_after: dt.datetime) -> bytes | None:
        """Read the key's file. What has been written over, or is cut short, is none."""
        try:
            key = self._path(not_after).read_bytes()
        except FileNotFoundError:
            return None
        return key if len(key) == KEY_BYTES and key != _NO_KEY else None

    def destroy(self, not_after: dt.datetime) -> None:
        """Take the key out of the way, write over it, then remove its file.

        In this order: whoever looks for the key meanwhile finds it whole or finds none. Where a
        process dies in between, the hour stays listed and the next call goes on.
        """
        path, gone = self._path(not_after), self._path(not_after).with_suffix(_ENDING)
        with contextlib.suppress(FileNotFoundError):
            path.rename(gone)
        with contextlib.suppress(FileNotFoundError):
            with gone.open("r+b") as opened:
                opened.write(_NO_KEY)
                opened.flush()
                os.fsync(opened.fileno())
            gone.unlink()
            self._drop_unfinished()
            self._flush_folder()

    def list(self) -> list[dt.datetime]:
        """Read the hours off the names. A file with another name is no key of ours."""
        if not self._folder.is_dir():
            return []
        paths = [*self._folder.glob("*.key"), *self._folder.glob(f"*{_ENDING}")]
        hours = {_hour_of(path.with_suffix(".key").name) for path in paths}
        if None in hours:
            logger.warning("The folder of the keys holds files that are no keys of ours.")
        return sorted(hour for hour in hours if hour is not None)

    def _path(self, not_after: dt.datetime) -> Path:
        return self._folder / not_after.astimezone(dt.UTC).strftime(_NAME)

    def _put_aside(self, not_after: dt.datetime) -> None:
        """Rename a file that is no key any more, so that a new one can be made in its place."""
        path, aside = self._path(not_after), self._folder / f"{secrets.token_hex(8)}.new"
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside)
            key = aside.read_bytes()
            if len(key) == KEY_BYTES and key != _NO_KEY:  # made by another process meanwhile
                with contextlib.suppress(FileExistsError):
                    os.link(aside, path)
            aside.unlink()

    def _drop_unfinished(self) -> None:
        """Delete what processes have left beside that were killed while they made a key."""
        for beside in self._folder.glob("*.new"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - beside.stat().st_mtime > _UNFINISHED_SECONDS:
                    beside.unlink()

    @staticmethod
    def _write(path: Path, key: bytes) -> None:
        with os.fdopen(os.open(path, _NEW, 0o600), "wb") as opened:
            opened.write(key)
            opened.flush()
            # A key lost in a power cut would take every photo of its hour along.
            os.fsync(opened.fileno())

    def _flush_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class DatabaseKeyStore:
    """A table in a database of its own, for sites on several hosts."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def create(self, not_after: dt.datetime) -> bytes:
        """Insert a new key unless there is one; whoever is first has made it."""
        with self._database():
            rows = WrappingKey.objects.using(self._alias)
            new = secrets.token_bytes(KEY_BYTES)
            row, _ = rows.get_or_create(not_after=not_after, defaults={"key": new})
            if bytes(row.key) == _NO_KEY:
                rows.filter(not_after=not_after, key=_NO_KEY).update(key=new)
                row = rows.get(not_after=not_after)
        return bytes(row.key)

    def get(self, not_after: dt.datetime) -> bytes | None:
        """Read the key's row."""
        with self._database():
            rows = WrappingKey.objects.using(self._alias).filter(not_after=not_after)
            key = rows.values_list("key", flat=True).first()
        return None if key is None or bytes(key) == _NO_KEY else bytes(key)

    def destroy(self, not_after: dt.datetime) -> None:
        """Write over the key, then delete its row: to others both happen at once."""
        with self._database(), transaction.atomic(using=self._alias):
            rows = WrappingKey.objects.using(self._alias).filter(not_after=not_after)
            rows.update(key=_NO_KEY)
            rows.delete()

    def list(self) -> list[dt.datetime]:
        """Read the hours of all rows."""
        with self._database():
            rows = WrappingKey.objects.using(self._alias).order_by("not_after")
            return list(rows.values_list("not_after", flat=True))

    @contextlib.contextmanager
    def _database(self) -> Iterator[None]:
        """Close a connection that was opened for this: storage threads come and go."""
        connection = connections[self._alias]
        was_open = connection.connection is not None
        try:
            yield
        finally:
            if not was_open:
                connection.close()
