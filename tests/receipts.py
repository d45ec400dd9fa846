"""What the copy of the receipts outside the database says, and the end of everything stored."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media import sink
from django_hili.models import Chain, Media
from django_hili.privacy.erasure.sweep import sweep_thoroughly
from django_hili.privacy.evidence import receipts
from django_hili.privacy.evidence.verify_receipts import verify


def erased() -> Iterator[dict[str, Any]]:
    """Yield the receipts of erasures in the copy, once it has been held against the database."""
    lines = list(sink.read_lines(sink.sink_path(Chain.objects.the_one().origin)))
    assert lines == list(receipts.lines())
    assert verify(lines, [])[0] is None
    return (one for one in map(json.loads, lines) if one["kind"] == "erased")


def per_object() -> Counter[str]:
    """Return how many receipts of erasure each object has."""
    return Counter(one["object"] for one in erased())


def sweep_later(*, hours: int) -> None:
    """Do what a worker does in the hours to come."""
    now = timezone.now() + dt.timedelta(hours=hours)
    sweep_thoroughly(now)
    upkeep(now)


def files() -> list[Path]:
    """Return every file in the photo storage."""
    root = settings.BASE_DIR / "photos"
    return [path for path in root.rglob("*") if path.is_file()]


def check_the_end(*, sources: int, known: Collection[object] = ()) -> None:
    """Nothing is stored any more, and whatever ever was has one receipt: INV-20, INV-21."""
    sweep_later(hours=3)  # also what a dead worker had begun to write
    assert not Media.objects.exists()
    assert files() == []
    each = per_object()
    assert set(each.values()) == {1}
    assert {str(pk) for pk in known} <= each.keys()
    assert sum(one["facts"]["kind"] == "source" for one in erased()) == sources
