"""What must hold after every step of a history, found out by other means than the app's own.

Lists files with the file system, opens copies with the bare cipher, reads receipts with the
offline verifier, and knows from the history itself what was agreed, uploaded and copied.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import sqlite3
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection

from django_hili.exceptions import HiliError
from django_hili.media import keys, keystore, sink, vault
from django_hili.models import (
    AgeBand,
    Chain,
    Consent,
    Media,
    MediaKind,
    MediaState,
    PhotoJob,
    Receipt,
    Subject,
)
from django_hili.models.job import ENDED
from django_hili.privacy.audit.check import audit
from django_hili.privacy.evidence import receipts
from django_hili.privacy.evidence.verify_receipts import verify
from tests.privacy import oracle_outside
from tests.privacy.deeds import spoken
from tests.privacy.far_vendor import SECRETS

if TYPE_CHECKING:
    from tests.privacy.histories import Life

LATE = {"INV-05", "INV-06", "INV-23", "INV-27"}
"""What only a sweep ends: allowed while none has run."""
OLD = {"INV-05", "INV-13", "INV-16", "INV-17", "INV-19", "INV-20", "INV-24", "INV-25", "INV-27",
       "INV-28"}  # fmt: skip
"""What an old copy of the database brings back: allowed until it has been replayed."""
HOUR = dt.timedelta(hours=1)
CANARIES = (b"CANARYCAMERA", b"CANARYCOMMENT", b"CANARYFILENAME", b"CANARYTRAILER")
UNWRITTEN = (*CANARIES, *(word.encode() for word in SECRETS))
"""What stands in no file of the site."""


def problems(life: Life) -> Iterator[str]:
    """Yield everything that does not hold now."""
    yield from _the_audit(life)
    yield from _receipts(life)
    yield from _photos(life)
    yield from _files(life)
    yield from _people(life)
    yield from _copies(life)
    yield from oracle_outside.problems(life)


def _the_audit(life: Life) -> Iterator[str]:
    wrote: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.split(None, 1)[0].upper() not in {"SELECT", "PRAGMA"}:
            wrote.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        found = {answer.invariant.id for answer in audit(now=life.now).findings}
    if wrote:
        yield f"INV-22: the audit wrote: {wrote[0][:80]}"
    allowed = {"INV-04"} | (LATE if life.is_unswept else set()) | (OLD if life.is_behind else set())
    if life.strays:
        allowed = allowed | {"INV-06"}
    if life.is_unlooked:
        allowed = allowed | {"INV-25"}
    expected = oracle_outside.known_faults(life)
    for broken in sorted(found - allowed - expected.may):
        yield f"{broken}: the audit says so"
    if not life.is_behind:
        for missed in sorted(expected.must - found):
            yield f"{missed}: the audit does not see it"


def _photos(life: Life) -> Iterator[str]:
    """INV-03, 04, 05, 12, 15, 16, 20, 27: each photo ever seen, as it is now."""
    rows = {row.pk: row for row in Media.objects.select_related("job")}
    for row in rows.values():
        yield from _one_photo(life, row)
    receipted = {str(one["object"]) for one in life.receipts if one["kind"] == "erased"}
    for pk, was in life.seen.items():
        if pk in rows or pk in life.lost:
            continue
        if str(pk) not in receipted:
            yield f"INV-20: {was.kind} {pk} went without a receipt"
        # A storage put back may have the file; no row has the key, and copies have their bound.
        if was.name not in life.strays and _opens(was):
            yield f"INV-15: erased {was.kind} {pk} opens"
    life.seen.update(rows)
    live = {pk: row for pk, row in rows.items() if row.state == MediaState.LIVE}
    for pk, row in live.items():
        before = life.deadlines.get(pk)
        if before is not None and row.expires_at > before and pk not in life.longer:
            yield f"INV-03: the deadline of {pk} moved later"
        if row.kind == MediaKind.RESULT and pk not in life.longer and row.job is not None:
            kept = life.promised.get(row.job_id)
            if kept is not None and row.expires_at > (row.job.ended_at or life.now) + kept:
                yield f"INV-12: {pk} is kept for longer than its person agreed to"
    life.deadlines = {pk: row.expires_at for pk, row in live.items()}


def _one_photo(life: Life, row: Media) -> Iterator[str]:
    if row.expires_at is None:
        yield f"INV-03: {row.pk} has no deadline"
    if row.state == MediaState.CONDEMNED and row.wrapped_key is not None:
        yield f"INV-16: condemned {row.pk} has a key"
    is_over = row.state != MediaState.LIVE or row.expires_at <= life.now
    content = _opens(row)
    if content is not None and (is_over or life.is_behind):
        yield f"INV-15/24/27: {row.kind} {row.pk} opens ({row.state})"
    if is_over or life.is_behind:
        return
    if row.kind == MediaKind.SOURCE and (row.job is None or row.job.status in ENDED):
        yield f"INV-05: source {row.pk} is live after its job"
    wanted = life.photos.get(row.job_id, {}).get(row.kind)
    if content is None and row.pk not in life.unreadable:
        yield f"INV-04: live {row.kind} {row.pk} does not open"
    if content is not None and wanted is not None and not life.is_photo(row, content):
        yield f"INV-04: {row.kind} {row.pk} is another photo"
    if content is not None and any(word in content for word in CANARIES):
        yield f"INV-10: {row.kind} {row.pk} holds metadata"


def _opens(row: Media) -> bytes | None:
    """Open a photo with the row in hand, which may be an old one: past the vault's own question."""
    if row.state != MediaState.LIVE:
        return None
    try:
        sink.refuse_if_behind()
        return b"".join(vault._open(row, 0, None))
    except HiliError:
        return None


def _files(life: Life) -> Iterator[str]:
    """INV-06, 07, 09, 17, 18: every file there is, read as bytes."""
    names = set(Media.objects.values_list("name", flat=True))
    erased = {str(one["object"]).replace("-", "") for one in life.receipts
              if one["kind"] == "erased"}  # fmt: skip
    root = Path(settings.STORAGES["hili"]["OPTIONS"]["location"])
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or name in names or name in life.strays or life.is_behind:
            continue
        yield f"INV-{'17' if path.name in erased else '06'}: {name} has no row"
    for path in sorted(settings.BASE_DIR.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        for word in life.needles:
            if word in content:
                yield f"INV-07/09: a photo or its metadata lies open in {path.name}"
        if path.suffix in {".jsonl", ".key"} and b"CANARYNAME" in content:
            yield f"INV-09: a name in {path.name}"
    if any(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()):
        yield "INV-18: a file in the temp folder"
    log = life.log.getvalue().encode()
    for word in (b"CANARYNAME", b"CANARYWORDS", *UNWRITTEN):
        if word in log:
            yield f"INV-09: {word.decode()} in the log"


def _receipts(life: Life) -> Iterator[str]:
    """INV-20: the copy by the offline verifier, the database against it, one for each object."""
    lines = list(sink.read_lines(sink.sink_path(Chain.objects.the_one().origin)))
    wrong, _ = verify(lines, life.anchors)
    if wrong:
        yield f"INV-20: {wrong}"
    mine = list(receipts.lines())
    if lines[: len(mine)] != mine and mine[: len(lines)] != lines:
        yield "INV-20: database and copy tell different stories"
    if len(lines) > len(mine) and not life.is_behind:
        yield "INV-24: the database lacks receipts"
    newest = lines if len(lines) > len(mine) else mine
    if newest[: len(life.lines)] != life.lines:
        yield "INV-20: receipts were lost or changed"
    life.lines, life.receipts = newest, [json.loads(line) for line in newest]
    number = Counter(one["object"] for one in life.receipts if one["kind"] == "erased")
    for object_id, count in number.items():
        if count > 1:
            yield f"INV-20: {count} receipts for {object_id}"
    for one in life.receipts:
        if not set(one["facts"]) <= receipts.KINDS[one["kind"]]:
            yield f"INV-20: a receipt with {sorted(one['facts'])}"
    if b"CANARY" in "".join(newest).encode():
        yield "INV-20: a name in a receipt"
    if Receipt.objects.count() != len(mine):
        yield "INV-20: receipts outside the chain"


def _people(life: Life) -> Iterator[str]:
    """INV-13, 24, 25: what each person wants now is what the rows say."""
    if life.is_behind:
        return
    linked = set(Subject.objects.exclude(user_key=None).values_list("pk", flat=True))
    owners = set(PhotoJob.objects.exclude(subject_ref=None).values_list("subject_ref", flat=True))
    if owners - linked and not life.is_unlooked:
        yield "INV-25: a job of somebody who has been cut off"
    for person in life.people:
        subject = Subject.objects.filter(user_key=str(person.pk)).first()
        if subject is None:
            continue
        if not person.is_there and not life.is_unlooked:
            yield "INV-25: somebody who is gone is still known"
        standing = Consent.objects.all().standing([subject.ref])
        granted = {spoken(event) for event in standing if event.action == "grant"}
        for purpose in granted - life.wants(person):
            yield f"INV-24: {purpose} stands though it was taken back"
        if life.is_flagged(person) and subject.age_band == AgeBand.ADULT:
            yield "INV-13: somebody under age is an adult again"
        jobs = PhotoJob.objects.filter(subject_ref=subject.ref)
        is_unapproved = life.is_flagged(person) and not life.has_guardian(person)
        if is_unapproved and Media.objects.live().filter(job__in=jobs).exists():
            yield "INV-13: a live photo of a minor nobody agreed for"


def _copies(life: Life) -> Iterator[str]:
    """INV-23: nothing in a copy opens past its bound, with whatever keys there are now."""
    for copy in life.copies:
        for pk, wrapped, hour, deadline in copy.sealed:
            bound = min(copy.at + copy.lease + keys.GRANULE, deadline + keys.GRANULE)
            if life.now < bound:
                continue
            if _unwraps(pk, wrapped, hour, life.now):
                yield f"INV-23: {pk} opens from a copy of {copy.at} at {life.now}"
            if not life.is_unswept and _key_is_there(pk, wrapped, hour):
                yield f"INV-23: the key of {pk} is still there"
        for pk, sealed, until in copy.handles:
            bound = min(copy.at + copy.lease, until) + keys.GRANULE
            if life.now >= bound and _opens_words(pk, sealed, life.now):
                yield f"INV-23: the handle of {pk} opens from a copy of {copy.at}"


def _unwraps(pk: Any, wrapped: bytes, hour: dt.datetime, now: dt.datetime) -> bool:
    try:
        keys.unwrap(wrapped, object_id=pk, not_after=hour, now=now)
    except keys.KeyGoneError:
        return False
    return True


def _opens_words(pk: Any, sealed: str, now: dt.datetime) -> bool:
    try:
        return bool(keys.open_words(sealed, object_id=pk, now=now))
    except keys.KeyGoneError:
        return False


def _key_is_there(pk: Any, wrapped: bytes, hour: dt.datetime) -> bool:
    """Whether the bare cipher opens it with the file in the key store's folder."""
    path = keystore.key_folder() / hour.strftime("%Y%m%dT%HZ.key")
    if not path.exists():
        return False
    bound = b"hili wrapped key 1" + pk.bytes + str(int(hour.timestamp())).encode()
    try:
        AESGCM(path.read_bytes()).decrypt(wrapped[:12], wrapped[12:], bound)
    except InvalidTag:
        return False
    return True


def sealed_in(database: Path) -> list[tuple[Any, bytes, dt.datetime, dt.datetime]]:
    """Return what a copy of the database holds of keys: read from the file, past Django."""
    with sqlite3.connect(database) as opened:
        rows = opened.execute(
            "SELECT id, wrapped_key, key_bucket, expires_at FROM django_hili_media"
            " WHERE wrapped_key IS NOT NULL UNION ALL "
            "SELECT id, wrapped_key, key_bucket, expires_at FROM django_hili_case"
            " WHERE wrapped_key IS NOT NULL"
        ).fetchall()
    opened.close()
    return [
        (uuid.UUID(pk), bytes(key), _moment(hour), _moment(deadline))
        for pk, key, hour, deadline in rows
    ]


def handles_in(database: Path) -> list[tuple[Any, str, dt.datetime]]:
    """Return the vendor's handles that a copy of the database holds, and when they must not open.

    A day and an hour after the vendor's own time: until then somebody may still ask.
    """
    with sqlite3.connect(database) as opened:
        rows = opened.execute(
            "SELECT id, handle, vendor_due_at FROM django_hili_disclosure"
            " WHERE handle != '' AND vendor_due_at IS NOT NULL"
        ).fetchall()
    opened.close()
    return [(uuid.UUID(pk), handle, _moment(due) + 25 * HOUR) for pk, handle, due in rows]


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def foreign_in(archive: bytes, others: set[str]) -> set[str]:
    """Return the references in an export that are somebody else's."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        words = b"".join(opened.read(name) for name in opened.namelist() if name.endswith("json"))
        words += " ".join(opened.namelist()).encode()
    found = re.findall(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", words)
    return {one.decode() for one in found} & others
