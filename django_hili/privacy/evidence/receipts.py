"""Writes receipts: proof of what happened, in one chain, without a word about anybody.

Owns the kinds, the facts each may hold and the order of the chain. `append` is called in the
transaction in which the thing happens, as the last thing that touches rows there: it holds the
chain until the commit, and whoever locked other rows first would wait the wrong way round.
Clauses C28: PIXEL-4.2, MIAO-7.3c. C22: HILI-4.2.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from django.db import connections, router, transaction
from django.db.models import F
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import StorageError
from django_hili.media import sink
from django_hili.models import Chain, Receipt
from django_hili.privacy.evidence.verify_receipts import verify

KINDS: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(facts.split())
    for kind, facts in {
        # Photos, and copies of them.
        "erased": "kind cause",
        "store_erased": "store cause",
        "store_given_up": "store cause",
        "photo_deleted": "cause ground",
        "send_intended": "job processor region",
        "disclosed": "processor region state outcome",
        "photo_seen": "by",
        "access_reviewed": "people",
        "keys_destroyed": "count",
        "replayed": "count first last",
        # What people agreed to.
        "consent_given": "purpose processor by policy",
        "consent_withdrawn": "purpose processor",
        "minor_flagged": "",
        "result_kept_longer": "",
        "basis_named": "basis reason",
        "policy_published": "profile number digest",
        # Their requests.
        "case_received": "case_kind",
        "case_verified": "case_kind",
        "case_extended": "case_kind reason",
        "case_closed": "case_kind outcome ground",
        "demand_answered": "scope rows",
        "data_exported": "",
        "handover_made": "",
        "handover_used": "",
        "corrected": "",
        "account_cancelled": "jobs",
        "incident": "step severity",
        "wind_down": "step",
    }.items()
}
"""Every kind of receipt and the facts it may hold. Nothing else can be written down."""
_LONGEST_FACT = 64
_NOBODY = "0"
_Checked = tuple[str, str, str]
"""Kind, object and canonical facts."""
_Row = tuple[int, dt.datetime, str, str, str, str, str]
_REFERENCE = re.compile(r"[0-9a-zA-Z_.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has just happened."""

    kind: str
    object_id: uuid.UUID | str
    """A random reference of ours."""
    facts: Mapping[str, Any] = field(default_factory=dict)


def append(events: Sequence[Event], *, now: dt.datetime | None = None) -> int:
    """Append receipts in order and return the newest number.

    In the caller's transaction; what is rolled back leaves no gap. The copy outside the database
    follows after the commit. Raises `StorageError` while the database is older than that copy:
    numbers given now would be given twice.
    """
    return _append([_checked(event) for event in events], now or timezone.now())


def append_alike(
    kind: str,
    facts: Mapping[str, Any],
    object_ids: Iterable[str],
    *,
    now: dt.datetime | None = None,
) -> int:
    """Append a receipt of one kind and with the same facts for each of many objects."""
    words = _checked(Event(kind, _NOBODY, facts))[2]
    checked = [(kind, object_id, words) for object_id in object_ids]
    return _append(checked, now or timezone.now())


def _append(checked: Sequence[_Checked], now: dt.datetime) -> int:
    if not checked:
        return 0
    database = router.db_for_write(Receipt)
    with transaction.atomic(using=database):
        chain = hold_chain(len(checked))
        rows, lines = _rows(chain, checked, now)
        _insert(database, rows)
        number, digest = rows[-1][0], rows[-1][-1]
        Chain.objects.filter(pk=chain.pk).update(hash=digest)
        transaction.on_commit(
            partial(_copy, chain.origin, rows[0][0], lines), using=database, robust=True
        )
    return number


def hold_chain(count: int = 0) -> Chain:
    """Take the chain for this transaction, with room for `count` receipts; return it as it was.

    An update and not a lock in reading: it makes everybody wait in every database.
    """
    rows = Chain.objects.using(router.db_for_write(Chain))
    if not rows.update(number=F("number") + count):
        Chain.objects.the_one()
        rows.update(number=F("number") + count)
    chain = rows.get()
    chain.number -= count
    if sink.last_number(sink.sink_path(chain.origin)) > chain.number:
        raise StorageError(Code.REPLAY_NEEDED)
    return chain


def lines(after: int = 0, up_to: int | None = None) -> Iterator[str]:
    """Yield the receipts in the database as the lines that go out, those after number `after`."""
    rows = Receipt.objects.filter(number__gt=after).order_by("number")
    if up_to is not None:
        rows = rows.filter(number__lte=up_to)
    columns = ("number", "at", "kind", "object_id", "facts", "previous", "hash")
    for row in rows.values_list(*columns).iterator(chunk_size=2000):
        yield _line(*row)


def verify_all(anchors: Iterable[str] = ()) -> tuple[str | None, int]:
    """Check every receipt in the database: None and how many, or what is wrong and where."""
    return verify(lines(), anchors)


def copy_all() -> int:
    """Bring the copy outside the database up to date; return its newest number."""
    chain = Chain.objects.the_one()
    _copy(chain.origin, chain.number + 1, [])
    path = sink.sink_path(chain.origin)
    sink.flush(path)
    return sink.last_number(path)


def canonical(value: Any) -> str:
    """Return the one way in which a value is written where it is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def moment_of(line: Mapping[str, Any]) -> dt.datetime:
    """Return when the thing happened of which a receipt, as it lies in the copy, speaks."""
    return dt.datetime.strptime(line["at"], "%Y-%m-%dT%H:%M:%S.%f%z")


def _checked(event: Event) -> _Checked:
    allowed = KINDS.get(event.kind)
    if allowed is None:
        raise ValueError(f"there is no receipt of the kind {event.kind!r}")
    facts = {
        name: value for name, value in event.facts.items() if value is not None and value != ""
    }
    if unknown := set(facts) - allowed:
        raise ValueError(f"a receipt of the kind {event.kind!r} has no {min(unknown)!r}")
    for name, value in facts.items():
        is_short = isinstance(value, str) and len(value) <= _LONGEST_FACT and value.isascii()
        if not is_short and not isinstance(value, int):
            raise ValueError(f"{name!r} is not a fact but words")
    object_id = str(event.object_id)
    if not _REFERENCE.fullmatch(object_id):
        raise ValueError("a receipt names a random reference and nothing else")
    return event.kind, object_id, canonical(facts)


def _rows(
    chain: Chain, events: Iterable[_Checked], now: dt.datetime
) -> tuple[list[_Row], list[str]]:
    previous, at = chain.hash or chain.origin, _moment(now)
    rows, lines = [], []
    for number, (kind, object_id, facts) in enumerate(events, chain.number + 1):
        body = _body(number, at, kind, object_id, facts, previous)
        digest = hashlib.sha256(f"{{{body}}}".encode("ascii")).hexdigest()
        rows.append((number, now, kind, object_id, facts, previous, digest))
        lines.append(_sealed(body, digest))
        previous = digest
    return rows, lines


def _body(number: int, at: str, kind: str, object_id: str, facts: str, previous: str) -> str:
    """The canonical JSON of a receipt without its hash; spelt out, since there are many."""
    return (
        f'"at":"{at}","facts":{facts},"kind":"{kind}","number":{number},'
        f'"object":"{object_id}","previous":"{previous}"'
    )


def _sealed(body: str, digest: str) -> str:
    return f'{{{body},"hash":"{digest}"}}'


def _line(
    number: int, at: dt.datetime, kind: str, object_id: str, facts: str, previous: str, digest: str
) -> str:
    return _sealed(_body(number, _moment(at), kind, object_id, facts, previous), digest)


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _insert(database: str, rows: Sequence[_Row]) -> None:
    """Insert plainly: making model instances costs more than everything else here."""
    connection = connections[database]
    names = ("number", "at", "kind", "object_id", "facts", "previous", "hash")
    quote = connection.ops.quote_name
    columns = ", ".join(quote(name) for name in names)
    table = quote(Receipt._meta.db_table)
    adapt = connection.ops.adapt_datetimefield_value
    at = adapt(rows[0][1])
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s)",  # noqa: S608
            [(row[0], at, *row[2:]) for row in rows],
        )


def _copy(origin: str, first: int, new: Sequence[str]) -> None:
    sink.append_lines(
        sink.sink_path(origin), first, new, missing=lambda start, end: lines(start - 1, end - 1)
    )
