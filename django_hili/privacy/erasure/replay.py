"""After the database was put back from a copy: erases again everything that was ever erased.

The copy of the receipts outside the database knows what the restored rows do not. Until it has
been replayed nothing is served and no receipt is written. Replaying takes the missing receipts
back into the database, number by number; condemns every photo that has a receipt; has erased
what the storage still holds of them; and lets whoever keeps other things that must stay undone
(withdrawals, cancelled accounts) undo them again.
Clauses C21: PIXEL-6.2c, MIAO-8.2b. C22: HILI-4.2. C31: HILI-6, PIXEL-6.3, MIAO-8.3.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.db import router, transaction
from django.utils import timezone

from django_hili.exceptions import HiliConfigurationError
from django_hili.media import sink
from django_hili.media.storages import photo_storage
from django_hili.media.vault import id_of
from django_hili.models import Chain, EraseCause, Media, MediaState, Receipt
from django_hili.privacy.erasure.erase import RECEIPT, condemn, erase_condemned, erase_files
from django_hili.privacy.erasure.orphans import folders_of, places, rows_in
from django_hili.privacy.erasure.undone import UNDOS
from django_hili.privacy.evidence import receipts
from django_hili.privacy.evidence.receipts import Event, append
from django_hili.privacy.evidence.verify_receipts import verify

BATCH = 1000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What one replay did."""

    taken_back: int
    """Receipts that the database did not have."""
    condemned: int
    """Photos that had been erased and were back."""
    files: int
    """Files without a row whose photos had been erased and were back."""
    remaining: int
    """Photos whose file could not be deleted; the sweep goes on with them."""


@dataclass(frozen=True, slots=True)
class ReplayOutlook:
    """What a replay would do."""

    taken_back: int
    condemned: int
    files: int
    undone: int
    """Receipts, such as of withdrawals and cancelled accounts, that would be made true again."""


def is_needed() -> bool:
    """Whether the copy of the receipts goes further than the database has replayed."""
    chain = Chain.objects.the_one()
    is_behind = sink.last_number(sink.sink_path(chain.origin)) > chain.number
    return is_behind or chain.replay_from is not None


def replay(now: dt.datetime | None = None) -> ReplayReport:
    """Make the database know again what it knew, and erase again what it erased.

    Cut short, it is done again from where the database stood. Raises `HiliConfigurationError`
    where the copy does not continue the database's chain.
    """
    now = now or timezone.now()
    chain = Chain.objects.the_one()
    taken_back = _take_back(chain)
    condemned = _condemn_erased(now)
    files = _erase_files()
    start = Chain.objects.the_one().replay_from
    if start is not None:
        for line in receipts.lines(start - 1):
            one = json.loads(line)
            if one["kind"] in UNDOS:
                UNDOS[one["kind"]](one)
    remaining = erase_condemned().remaining
    if taken_back or condemned or files:
        facts = {"count": condemned + files, "first": start, "last": taken_back and chain.number}
        append([Event("replayed", chain.origin[:32], facts)], now=now)
    Chain.objects.filter(pk=chain.pk, replay_from=start).update(replay_from=None)
    sink.look_again()
    return ReplayReport(taken_back, condemned, files, remaining)


def look() -> ReplayOutlook:
    """Say what a replay would do; change nothing. Raises what `replay` raises."""
    chain = Chain.objects.the_one()
    path, _ = _checked_copy(chain)
    missing = [json.loads(line) for line in sink.read_lines(path, after=chain.number)]
    if missing:
        _check_continues(chain, missing[0])
    start = chain.replay_from
    again = [json.loads(line) for line in receipts.lines(start - 1)] if start is not None else []
    erased = {one["object"] for one in missing if one["kind"] == RECEIPT}
    condemned = 0
    live = Media.objects.exclude(state=MediaState.CONDEMNED).values_list("pk", flat=True)
    for page in _batches(live.iterator(chunk_size=BATCH)):
        condemned += len(_erased_of(page, erased))
    return ReplayOutlook(
        taken_back=len(missing),
        condemned=condemned,
        files=sum(len(names) for _, names in _files_of_erased(erased)),
        undone=sum(one["kind"] in UNDOS for one in (*again, *missing)),
    )


def _checked_copy(chain: Chain) -> tuple[Path, int]:
    """Return the copy's path and its newest number, if all of it is one unbroken chain."""
    path = sink.sink_path(chain.origin)
    wrong, number = verify(sink.read_lines(path))
    if wrong:
        raise HiliConfigurationError(f"The copy of the receipts cannot be replayed: {wrong}.")
    return path, number


def _check_continues(held: Chain, first: Mapping[str, Any]) -> None:
    if first["previous"] != (held.hash or held.origin):
        raise HiliConfigurationError(
            "The copy of the receipts does not continue this database's: they differ at "
            f"or before receipt {held.number}."
        )


def _take_back(chain: Chain) -> int:
    """Insert the receipts that only the copy has."""
    path, number = _checked_copy(chain)
    taken, previous = 0, ""
    with transaction.atomic(using=router.db_for_write(Receipt)):
        held = Chain.objects.select_for_update().get(pk=chain.pk)
        if number <= held.number:
            return 0
        for page in _pages(sink.read_lines(path, after=held.number)):
            if not taken:
                _check_continues(held, page[0])
            Receipt.objects.bulk_create([_row_of(one) for one in page])
            previous, taken = page[-1]["hash"], taken + len(page)
        start = held.replay_from or held.number + 1
        Chain.objects.filter(pk=chain.pk).update(number=number, hash=previous, replay_from=start)
    return taken


def _condemn_erased(now: dt.datetime) -> int:
    """Condemn every row whose photo has been erased, whenever that was."""
    condemned, after = 0, None
    while True:
        rows = Media.objects.order_by("pk")
        page = list(
            (rows.filter(pk__gt=after) if after else rows).values_list("pk", flat=True)[:BATCH]
        )
        if not page:
            return condemned
        after = page[-1]
        gone = Media.objects.filter(pk__in=_erased_of(page))
        condemned += condemn(gone, EraseCause.REPLAYED, now)
        # Condemned again before this ran, for a cause that would leave a second receipt.
        gone.filter(state=MediaState.CONDEMNED).update(cause=EraseCause.REPLAYED)


def _erase_files() -> int:
    """Delete the files that a restored storage holds of erased photos no row knows."""
    return sum(len(erase_files(alias, gone)) for alias, gone in _files_of_erased())


def _files_of_erased(also: Collection[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield, folder by folder, the names without a row whose photos have been erased."""
    for alias in places():
        for folder, names in folders_of(photo_storage(alias)):
            unknown = names - set(rows_in(folder).values_list("name", flat=True))
            ids = {object_id: name for name in unknown if (object_id := id_of(name)) is not None}
            if gone := [ids[pk] for pk in _erased_of(list(ids), also)]:
                yield alias, gone


def _erased_of(ids: Sequence[uuid.UUID], also: Collection[str] = ()) -> list[uuid.UUID]:
    """Return those that have a receipt in the database, or are among `also`."""
    found = Receipt.objects.filter(kind=RECEIPT, object_id__in=[str(pk) for pk in ids])
    known = set(found.values_list("object_id", flat=True))
    return [pk for pk in ids if str(pk) in known or str(pk) in also]


def _row_of(line: dict[str, Any]) -> Receipt:
    return Receipt(
        number=line["number"],
        at=receipts.moment_of(line),
        kind=line["kind"],
        object_id=line["object"],
        facts=receipts.canonical(line["facts"]),
        previous=line["previous"],
        hash=line["hash"],
    )


def _pages(lines: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    for page in _batches(lines):
        yield [json.loads(line) for line in page]


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    items = iter(items)
    while page := list(islice(items, BATCH)):
        yield page
