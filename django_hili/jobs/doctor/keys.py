"""The keys that photos are sealed with: kept and forgotten as told, private, and all there.

A key is made for an hour long past and destroyed again; one left by a crash is swept at once.
"""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path

from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign, counted
from django_hili.media.keystore import key_folder, key_store
from django_hili.models import Media, MediaState

_LONG_PAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def look_at_keys() -> Iterator[Finding]:
    """Yield whether sealed photos can be sealed and opened, and who else could."""
    vault = get_settings().vault
    if not vault.encrypt:
        text = "Photos are not sealed: whoever copies the storage has them."
        step = 'Remove "ENCRYPT" from HILI["VAULT"], unless the storage encrypts by itself.'
        yield _about(Level.WARNING, Sign.PHOTOS_NOT_SEALED, text, step)
        return
    try:
        _probe()
    except Exception as error:  # noqa: BLE001 - a folder and a database raise errors of their own
        text = f"Keys cannot be kept or destroyed ({type(error).__name__}): no photo is taken in."
        step = "Make the place writable for the user that runs site and worker."
        yield _about(Level.ERROR, Sign.KEYS_UNUSABLE, text, step)
        return
    missing, needed = _missing()
    if missing:
        text = f"{counted(missing, 'key')} of {needed} missing: photos cannot be opened any more."
        step = "Have every host use one place for keys; bring the keys back from where they were."
        yield _about(Level.ERROR, Sign.KEYS_MISSING, text, step, missing=missing, needed=needed)
    if not vault.key_database and _is_readable_by_others(key_folder()):
        text = "Every user of this machine can read the keys of the photos."
        step = "Run chmod -R go= on the folder of the keys."
        yield _about(Level.WARNING, Sign.KEYS_READABLE_BY_OTHERS, text, step)
    where = f"the database {vault.key_database!r}" if vault.key_database else str(key_folder())
    text = f"Keys lie in {where}, {needed} in use. Without them no photo can be opened."
    yield _about(Level.OK, Sign.KEYS_OK, text, in_use=needed)


def _about(level: Level, sign: Sign, message: str, next_step: str = "", **facts: object) -> Finding:
    return Finding(Area.KEYS, level, sign, message, next_step, facts=facts)


def _probe() -> None:
    store = key_store()
    made = store.create(_LONG_PAST)
    kept = store.get(_LONG_PAST)
    store.destroy(_LONG_PAST)
    if kept != made or store.get(_LONG_PAST) is not None:
        raise ValueError("another key, or one that stays")


def _missing() -> tuple[int, int]:
    """Return how many keys of live photos are not there, and how many they need."""
    now = timezone.now()
    live = Media.objects.filter(
        state=MediaState.LIVE, wrapped_key__isnull=False, key_bucket__gt=now
    )
    needed = set(live.values_list("key_bucket", flat=True).distinct())
    return len(needed - set(key_store().list())), len(needed)


def _is_readable_by_others(folder: Path) -> bool:
    place = folder.resolve()
    reachable = all(part.stat().st_mode & stat.S_IXOTH for part in (place, *place.parents))
    return reachable and any(path.stat().st_mode & stat.S_IROTH for path in place.glob("*.key"))
