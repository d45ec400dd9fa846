"""Files: the photo storage, the folders of keys, receipts and uploads, and files without a name."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from django_hili.conf import get_settings
from django_hili.media.keystore import key_folder
from django_hili.media.sink import evidence_folder
from django_hili.media.storages import photo_storage
from django_hili.media.vault import name_of
from django_hili.models import Media
from django_hili.privacy.audit.residue.look import PLANT, new_word, pieces_of_file, pieces_of_path
from django_hili.privacy.erasure.orphans import GRACE, folders_of

_HANDLES: Final = Path("/proc/self/fd")


class PhotoFiles:
    """Every file in the photo storage that was not there when this was made.

    Reading all photos of a large site takes hours, and none that was there before can hold a
    word that did not exist then: files get new names and are never written twice.
    """

    def __init__(self) -> None:
        self._alias = get_settings().storage
        self._known = set(self._names())

    @property
    def name(self) -> str:
        """The alias of the storage."""
        return f"photo storage ({self._alias})"

    def pieces(self) -> Iterator[bytes]:
        """Yield the names and the bytes of files that are new."""
        for name in self._names():
            if name in self._known:
                continue
            yield name.encode()
            with suppress(FileNotFoundError), self._storage.open(name, "rb") as opened:
                yield from pieces_of_file(opened)

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Lay a file down as a photo lies; one left behind has no row and is swept."""
        word = new_word()
        name = self._storage.save(name_of(Media().pk), ContentFile(word))
        try:
            yield [word]
        finally:
            self._storage.delete(name)

    @property
    def _storage(self) -> Storage:
        return photo_storage(self._alias)

    def _names(self) -> Iterator[str]:
        for _, names in folders_of(self._storage):
            yield from sorted(names)


class Folder:
    """The files of one folder, not of folders in it; from `since` on where that is given."""

    def __init__(self, what: str, path: Path, *, since: dt.datetime | None = None) -> None:
        self._what, self.path = what, path
        self._since = since.timestamp() if since else 0.0

    @property
    def name(self) -> str:
        """What the folder is for."""
        return self._what

    def pieces(self) -> Iterator[bytes]:
        """Yield the names and the bytes of the files."""
        for path in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            with suppress(FileNotFoundError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime >= self._since:
                    yield path.name.encode()
                    yield from pieces_of_path(path)

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Write a file beside the others; one left behind goes with `drop_old_plants`."""
        word = new_word()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / f"{PLANT}{secrets.token_hex(8)}"
        path.write_bytes(word)
        try:
            yield [word]
        finally:
            path.unlink(missing_ok=True)


class NamelessFiles:
    """Files that this process has open and no folder lists, such as the spool of an upload."""

    name = "open files without a name"

    def pieces(self) -> Iterator[bytes]:
        """Yield their bytes."""
        for handle in sorted(_HANDLES.iterdir()):
            with suppress(OSError):
                found = handle.stat()
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                    yield from pieces_of_path(handle)

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Open one more; it ends with the process at the latest."""
        word = new_word()
        with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as opened:
            opened.write(word)
            opened.flush()
            yield [word]


def folders(since: dt.datetime) -> Iterator[Folder]:
    """Yield the folders beside the photos, and the one where uploads are spooled."""
    if not get_settings().vault.key_database:
        yield Folder("key folder", key_folder())
    yield Folder("evidence folder", evidence_folder())
    # The system's own may hold anything: only what has come since is read.
    yield Folder("upload folder", _upload_folder(), since=since)


def can_see_nameless() -> bool:
    """Whether this system lists what a process has open."""
    return os.access(_HANDLES, os.R_OK)


def drop_old_plants(now: dt.datetime) -> int:
    """Delete plants that a killed process left behind. Returns how many."""
    dropped = 0
    for folder in folders(now):
        for path in folder.path.glob(f"{PLANT}*"):
            with suppress(OSError):
                if path.stat().st_mtime < (now - GRACE).timestamp():
                    path.unlink()
                    dropped += 1
    return dropped


def _upload_folder() -> Path:
    return Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
