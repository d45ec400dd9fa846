"""Which storage photos lie in: the `STORAGES` alias of the site, else a private folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import (
    FileSystemStorage,
    InvalidStorageError,
    Storage,
    default_storage,
    storages,
)
from django.core.signals import setting_changed

from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError


def photo_storage(alias: str | None = None) -> Storage:
    """Return the storage of that alias, by default the one new photos go to."""
    alias = alias or get_settings().storage
    try:
        return storages[alias]
    except InvalidStorageError:
        if alias in settings.STORAGES:
            raise
        return private_folder()


def delete_files(storage: Storage, names: Sequence[str]) -> list[str]:
    """Delete files and return the names for which the storage raised nothing.

    Names are the vault's own, so a folder's files are unlinked directly: the storage's checks
    against names that climb out of it cost several times what the unlink does. Where a storage
    has a method `delete_versions(name)`, it is called after each deletion.
    """
    if type(storage) is FileSystemStorage:
        root = storage.path("")
        return [name for name in names if _is_unlinked(f"{root}/{name}")]
    return [name for name in names if _is_deleted(storage, name)]


def _is_unlinked(path: str) -> bool:
    try:
        os.unlink(path)  # noqa: PTH108 - making a Path costs more than the unlink
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def removes_versions(storage: Storage) -> bool:
    """Whether the site's storage says how the earlier versions of a file are removed."""
    return callable(getattr(storage, "delete_versions", None))


def _is_deleted(storage: Any, name: str) -> bool:
    try:
        storage.delete(name)
        if removes_versions(storage):
            storage.delete_versions(name)
    except Exception:  # noqa: BLE001 - any backend, any error: the caller keeps the row
        return False
    return True


@lru_cache(maxsize=1)
def private_folder() -> FileSystemStorage:
    """Return a folder beside the default storage that only this user can read and no URL serves.

    Raises `HiliConfigurationError` where the default storage is not a folder.
    """
    if not isinstance(default_storage, FileSystemStorage) and not hasattr(
        default_storage, "base_location"
    ):
        alias = get_settings().storage
        raise HiliConfigurationError(
            f'The default storage is not a folder, so add STORAGES["{alias}"]: a private place '
            "for photos."
        )
    return FileSystemStorage(
        location=_beside_the_default(),
        base_url=None,
        file_permissions_mode=0o600,
        directory_permissions_mode=0o700,
    )


def folder_beside_the_photos(purpose: str) -> Path:
    """Return where a folder for `purpose` lies by default: beside the photos' own, not in it.

    Where photos lie in no folder, beside `MEDIA_ROOT`.
    """
    location = getattr(photo_storage(), "location", "")
    beside = Path(location) if location else _beside_the_default()
    return beside.with_name(f"{beside.name}-{purpose}")


def _beside_the_default() -> Path:
    if settings.MEDIA_ROOT:
        media_root = Path(settings.MEDIA_ROOT).absolute()
        return media_root.with_name(f"{media_root.name}-hili")
    return Path(getattr(settings, "BASE_DIR", Path.cwd())) / "media-hili"


def _reset(*, setting: str, **_: object) -> None:
    if setting in {"STORAGES", "MEDIA_ROOT", "HILI", "BASE_DIR"}:
        private_folder.cache_clear()


setting_changed.connect(_reset, dispatch_uid="django_hili.media.storages")
