"""Says what lies where it must not: keys and receipts beside what they are to protect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import router

from django_hili.conf import get_settings
from django_hili.media.keystore import key_folder
from django_hili.media.sink import evidence_folder
from django_hili.media.storages import photo_storage
from django_hili.models import Media


def misplaced() -> list[str]:
    """Return what is wrong with the places of keys and receipts; empty where all is well."""
    vault = get_settings().vault
    found = list(_inside("receipts", evidence_folder()))
    if not vault.key_database:
        return [*_inside("wrapping keys", key_folder()), *found]
    if vault.key_database not in settings.DATABASES:
        found.append("VAULT.KEY_DATABASE names a database that is not in DATABASES.")
    elif vault.key_database == router.db_for_write(Media):
        found.append("The wrapping keys would lie in the database that holds the photos' rows.")
    return found


def _inside(what: str, folder: Path) -> Iterator[str]:
    location = str(getattr(photo_storage(), "location", ""))
    for place, name in ((location, "the photos' folder"), (str(settings.MEDIA_ROOT), "MEDIA_ROOT")):
        if place and folder.resolve().is_relative_to(Path(place).resolve()):
            yield f"The {what} would lie inside {name}."
