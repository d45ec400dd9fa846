"""The place for photos: writes, reads and deletes a probe, and looks who else may read it.

The probe lies where photos lie and is named as they are, so that one left by a crash is swept.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage

from django_hili.conf import get_settings
from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign
from django_hili.jobs.doctor.patience import within
from django_hili.media.storages import photo_storage, removes_versions
from django_hili.media.vault import ROOT

_PROBE_BYTES = 4096


def look_at_storage(*, offline: bool) -> Iterator[Finding]:
    """Yield whether the storage keeps what it is given, forgets what it is told, and is private."""
    alias = get_settings().storage
    storage = photo_storage(alias)
    is_folder = isinstance(storage, FileSystemStorage)
    if offline and not is_folder:
        text = f"The storage {alias!r} is not on this machine and was not asked."
        yield Finding(Area.STORAGE, Level.OK, Sign.STORAGE_NOT_ASKED, text)
        return
    try:
        mode = within(seconds=60, verb=lambda: _probe(storage))
    except _StorageFault as fault:
        yield Finding(Area.STORAGE, Level.ERROR, fault.sign, fault.message, fault.next_step)
        return
    except Exception as error:  # noqa: BLE001 - every backend raises errors of its own
        text = f"The storage {alias!r} cannot be used ({type(error).__name__})."
        step = "Make it writable for the user that runs site and worker; check its options."
        yield Finding(Area.STORAGE, Level.ERROR, Sign.STORAGE_UNUSABLE, text, step)
        return
    if mode is not None and mode & stat.S_IROTH:
        yield _readable_by_others(alias)
    text = f"The storage {alias!r} wrote, read and deleted a probe."
    facts = {"is_folder": is_folder, "removes_versions": removes_versions(storage)}
    yield Finding(Area.STORAGE, Level.OK, Sign.STORAGE_OK, text, facts=facts)


class _StorageFault(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, sign: Sign, message: str, next_step: str) -> None:
        super().__init__(message)
        self.sign, self.message, self.next_step = sign, message, next_step


def _probe(storage: Storage) -> int | None:
    """Write, read and delete a file; return what others may do with it, where that is known."""
    content = secrets.token_bytes(_PROBE_BYTES)
    token = secrets.token_hex(16)
    name = storage.save(f"{ROOT}/{token[:2]}/{token}", ContentFile(content))
    try:
        with storage.open(name, "rb") as opened:
            read = opened.read()
        mode = _mode_for_others(storage, name)
    finally:
        storage.delete(name)
        _tidy(storage, name)
    if read != content:
        raise _StorageFault(
            Sign.STORAGE_UNUSABLE,
            "The storage gave other bytes back than it was given.",
            "Look for a proxy, a cache or a backend that alters files.",
        )
    if storage.exists(name):
        raise _StorageFault(
            Sign.STORAGE_KEEPS_DELETED,
            "The storage still has a file after it was deleted.",
            "Photos would outlive their deadlines: switch off versions and delayed deletion.",
        )
    return mode


def _mode_for_others(storage: Storage, name: str) -> int | None:
    """Return the file's mode, as far as others can come near it."""
    if not isinstance(storage, FileSystemStorage):
        return None
    path = Path(storage.path(name)).resolve()
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents):
        return 0
    return path.stat().st_mode


def _tidy(storage: Storage, name: str) -> None:
    """Remove the folder that the probe needed, if it is empty again."""
    if isinstance(storage, FileSystemStorage):
        with suppress(OSError):
            Path(storage.path(name)).parent.rmdir()


def _readable_by_others(alias: str) -> Finding:
    return Finding(
        Area.STORAGE,
        Level.WARNING,
        Sign.STORAGE_READABLE_BY_OTHERS,
        "Every user of this machine can read the photos.",
        f'Give STORAGES["{alias}"] the options "file_permissions_mode": 0o600 and '
        '"directory_permissions_mode": 0o700, and run chmod -R go= on the folder.',
    )
