"""G8: a sweep of 100 000 expired rows and files, against one DELETE and as many unlinks."""

from __future__ import annotations

import datetime as dt
import os
import resource
import time
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from django_hili.media.vault import name_of
from django_hili.models import Media, MediaKind, MediaState
from django_hili.privacy.erasure.sweep import sweep

pytestmark = pytest.mark.django_db(transaction=True)
PHOTOS = int(os.environ.get("HILI_BENCH_PHOTOS", "100000"))
BYTES = os.urandom(1024)


def lay_down(count: int) -> list[str]:
    """Make expired rows and their files, fanned out as the vault does."""
    root = Path(settings.BASE_DIR / "photos")
    for folder in range(256):
        (root / "hili" / f"{folder:02x}").mkdir(parents=True, exist_ok=True)
    now = timezone.now()
    names = []
    for start in range(0, count, 5000):
        rows = []
        for _ in range(min(5000, count - start)):
            object_id = uuid.uuid4()
            name = name_of(object_id)
            (root / name).write_bytes(BYTES)
            names.append(name)
            rows.append(
                Media(
                    id=object_id, name=name, storage="hili",
                    kind=MediaKind.RESULT, state=MediaState.LIVE,
                    content_type="image/jpeg", size=len(BYTES), width=1, height=1,
                    created_at=now, expires_at=now,
                )
            )  # fmt: skip
        Media.objects.bulk_create(rows)
    os.sync()
    return names


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_sweep_of_many(say):
    root = str(settings.BASE_DIR / "photos")
    names = lay_down(PHOTOS)
    start, spent = time.perf_counter(), time.process_time()
    for name in names:
        os.unlink(os.path.join(root, name))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {Media._meta.db_table}")
    limit, limit_spent = time.perf_counter() - start, time.process_time() - spent
    del names

    lay_down(PHOTOS)
    before = memory()
    start, spent = time.perf_counter(), time.process_time()
    report = sweep(timezone.now() + dt.timedelta(seconds=1))
    ours, ours_spent = time.perf_counter() - start, time.process_time() - spent
    assert report.erased == PHOTOS
    assert not Media.objects.exists()
    say(
        "G8",
        f"a sweep of {PHOTOS:,} photos: {limit / ours:.2f} of the rate of one DELETE and as "
        f"many unlinks ({PHOTOS / ours:,.0f} against {PHOTOS / limit:,.0f} a second; goal 0.5), "
        f"{limit_spent / ours_spent:.2f} by the processor's time, "
        f"+{memory() - before:.0f} MB (goal 10)",
    )
