"""Own a picture's life here: accepted, described, granted, forgotten; must not know HTTP.

Each verb is one short transaction. What a caller is told follows from the row and the calendar
alone, so a picture without a worker (mode *echo*) costs one INSERT and nothing more.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from django.db import transaction

from django_hili.sandbox import balance, behaviour, contract, state, statements, storage
from django_hili.sandbox.bodies import SentFile
from django_hili.sandbox.contract import BAD_PARAMETERS, GONE_MESSAGE, NOT_FOUND, RefusalError
from django_hili.sandbox.inspection import Inspected, inspect
from django_hili.sandbox.ledger import Remark, fingerprint, forgotten, remark
from django_hili.sandbox.models import LedgerEntry, Partner, Picture
from django_hili.sandbox.orders import Order
from django_hili.sandbox.rules import Plan
from django_hili.sandbox.workers import pool

_QUEUE_SHARE: Final = 0.1
"""The part of a simulated processing time that is spent waiting in the queue."""

_dice = random.Random()  # noqa: S311 - processing times, nothing secret
_seeded_with: list[int] = []


class Upload(NamedTuple):
    """One call that brings pictures: who, what for, and under which faults."""

    partner: Partner
    order: Order
    snapshot: state.Snapshot
    plan: Plan
    request: str


class Standing(NamedTuple):
    """What a status call reads of a picture; the columns of one query, in order."""

    mdf: str
    seq: str
    rgb: str
    mode: str
    result_format: str
    source_format: str
    width: int
    height: int
    size_bytes: int
    code: int
    stage: int
    reason: str
    accepted_at: float
    ready_at: float
    expires_at: float

    @property
    def file_kind(self) -> str:
        """Return which of the picture's files is the result."""
        return storage.SOURCE if self.mode == behaviour.ECHO else storage.RESULT

    def code_at(self, now: float) -> int:
        """Return 0 working, 1 done or 2 failed as of now."""
        return contract.PROCESSING if now < self.ready_at else self.code

    def stage_at(self, now: float) -> int:
        """Return the stage as of now: what a worker reported, else what the time suggests."""
        code = self.code_at(now)
        if code == contract.DONE:
            return contract.DONE_STAGE
        if code == contract.FAILED:
            return contract.FAILED_STAGE
        if self.stage and self.code == contract.PROCESSING:
            return self.stage
        whole = self.ready_at - self.accepted_at
        share = (now - self.accepted_at) / whole if whole > 0 else 0.0
        if share <= _QUEUE_SHARE or now >= self.ready_at:
            return contract.QUEUED_STAGE
        stages = contract.stages_of(self.seq.split(","), rgb=self.rgb)
        worked = (share - _QUEUE_SHARE) / (1 - _QUEUE_SHARE)
        return stages[min(len(stages) - 1, int(worked * len(stages)))]


def accept(upload: Upload, files: Sequence[SentFile], again: Sequence[str]) -> list[str]:
    """Take pictures in, charge them, and hand them to the workers; all of them or none.

    Raises RefusalError: 9005, 9006, 9009 for a file, 9001 for an unknown picture to process
    again, 9101 without credits. Nothing is kept and nothing charged then.
    """
    now = upload.snapshot.now()
    mode = upload.snapshot.behaviour.mode
    inspected = [inspect(file.content, mode=mode) for file in files]
    old = _to_process_again(upload, again, now=now)
    rows: list[Picture] = []
    remarks: list[Remark] = []
    try:
        for file, seen in zip(files, inspected, strict=True):
            rows.append(_row(upload, seen, now=now, name=file.name, size=len(file.content)))
            storage.write(rows[-1].mdf, storage.SOURCE, file.content)
            remarks.append(fingerprint(rows[-1].mdf, LedgerEntry.Event.ACCEPTED, file))
        for picture in old:
            rows.append(_row_again(upload, picture, now=now))
            storage.share(rows[-1].mdf, storage.SOURCE, of=picture.mdf)
            name = picture.file_name
            remarks.append(Remark(rows[-1].mdf, LedgerEntry.Event.AGAIN, file_name=name))
        with state.writing():
            _charge(upload, fresh=len(files), again=len(old), now=now, remarks=remarks)
            statements.insert(rows, Picture)
            if mode != behaviour.ECHO:
                transaction.on_commit(lambda: pool.submit([row.mdf for row in rows]))
    except BaseException:
        for row in rows:
            storage.remove(row.mdf)
        raise
    return [row.mdf for row in rows]


def _to_process_again(upload: Upload, mdfs: Sequence[str], *, now: float) -> list[Picture]:
    if not mdfs:
        return []
    found = Picture.objects.filter(partner=upload.partner, expires_at__gt=now).in_bulk(set(mdfs))
    if any(mdf not in found for mdf in mdfs):
        raise RefusalError(BAD_PARAMETERS)
    return [found[mdf] for mdf in mdfs]


def _charge(upload: Upload, *, fresh: int, again: int, now: float, remarks: list[Remark]) -> None:
    """Spend what the call costs and write it down; 9101 where the credits do not reach."""
    partner = upload.partner
    again_costs = upload.snapshot.behaviour.charge_again
    by_upload = partner.charging == Partner.Charging.UPLOAD
    if by_upload:
        balance.spend(fresh + again * again_costs, partner_id=partner.pk, now=now)
    elif balance.left(partner_id=partner.pk, now=now) == 0:
        raise RefusalError(contract.NO_CREDITS)
    costs = {
        LedgerEntry.Event.ACCEPTED: by_upload,
        LedgerEntry.Event.AGAIN: by_upload and again_costs,
    }
    remark(
        [each._replace(credits=int(costs[each.event])) for each in remarks],
        third_code=partner.third_code,
        now=now,
        request=upload.request,
        faults=",".join(upload.plan),
    )


def _row(upload: Upload, seen: Inspected, *, now: float, name: str, size: int) -> Picture:
    order = upload.order
    mode = upload.snapshot.behaviour.mode
    ready_at = now + _processing_seconds(upload)
    fails = upload.plan.get("fails")
    code = contract.DONE if mode == behaviour.ECHO else contract.PROCESSING
    result_format = seen.image_format if mode == behaviour.ECHO else "JPEG"
    if mode == behaviour.ENGINE and order.rgb == contract.TRANSPARENT:
        result_format = "PNG"
    return Picture(
        mdf=uuid.uuid4().hex,
        partner=upload.partner,
        seq=order.seq,
        image_type=order.image_type,
        rate=order.rate,
        rgb=order.rgb,
        dpi=order.dpi,
        platform=order.platform,
        mode=mode,
        file_name=name[:255],
        source_format=seen.image_format,
        result_format=result_format,
        width=seen.width,
        height=seen.height,
        size_bytes=size,
        code=contract.FAILED if fails else code,
        reason=fails["reason"][:255] if fails else "",
        accepted_at=now,
        ready_at=ready_at,
        expires_at=ready_at + upload.snapshot.behaviour.lifetime_seconds,
    )


def _row_again(upload: Upload, picture: Picture, *, now: float) -> Picture:
    source = storage.path_of(picture.mdf, storage.SOURCE)
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        raise RefusalError(BAD_PARAMETERS) from None
    seen = inspect(content, mode=behaviour.ECHO)
    return _row(upload, seen, now=now, name=picture.file_name, size=len(content))


def _processing_seconds(upload: Upload) -> float:
    """Draw how long a picture takes at least, from a row of numbers that the seed repeats."""
    figures = upload.snapshot.behaviour
    if _seeded_with != [figures.seed]:
        _seeded_with[:] = [figures.seed]
        _dice.seed(figures.seed)
    shortest = figures.processing_seconds_min
    drawn = _dice.uniform(shortest, max(shortest, figures.processing_seconds_max))
    slower = upload.plan.get("slow_processing", {})
    return drawn + float(slower.get("seconds", 0.0))


def standings(mdfs: Iterable[str], *, partner_id: int, now: float) -> dict[str, Standing]:
    """Read the pictures of one partner by their ids in one query; what is past its hour goes."""
    asked = list(dict.fromkeys(mdfs))
    rows = statements.pictures(Standing._fields, asked, partner_id) if asked else []
    found = {row[0]: Standing(*row) for row in rows}
    past = [mdf for mdf, standing in found.items() if standing.expires_at <= now]
    if past:
        forget(past, now=now)
        for mdf in past:
            del found[mdf]
    return found


def grant(mdf: str, *, partner: Partner, now: float, request: str, plan: Plan) -> Standing:
    """Let a finished picture be downloaded, charging the first time where downloads cost.

    Raises RefusalError: 9002 for one that is unknown, gone or failed, 500 while it is worked on,
    9101 without credits.
    """
    standing = standings([mdf], partner_id=partner.pk, now=now).get(mdf)
    if standing is None or standing.code_at(now) == contract.FAILED:
        raise RefusalError(NOT_FOUND, GONE_MESSAGE)
    if standing.code_at(now) == contract.PROCESSING:
        raise RefusalError(contract.OTHER_ERROR)
    with state.writing():
        is_first = statements.count_download(mdf, only_first=True)
        if not is_first:
            statements.count_download(mdf, only_first=False)
        costs = is_first and partner.charging == Partner.Charging.DOWNLOAD
        if costs:
            balance.spend(1, partner_id=partner.pk, now=now)
        remark(
            [Remark(mdf, LedgerEntry.Event.DOWNLOADED, credits=int(costs))],
            third_code=partner.third_code,
            now=now,
            request=request,
            faults=",".join(plan),
        )
    return standing


def forget(mdfs: Iterable[str], *, now: float) -> int:
    """Delete pictures with all their files; the ledger keeps that they were here."""
    gone = 0
    for mdf in mdfs:
        with state.writing():
            owner = Picture.objects.filter(pk=mdf).values_list("partner__third_code", flat=True)
            third_code = owner.first()
            deleted, _ = Picture.objects.filter(pk=mdf).delete()
            if deleted:
                forgotten(mdf, third_code=third_code or "", now=now)
        storage.remove(mdf)
        gone += bool(deleted)
    return gone


def sweep(*, now: float) -> int:
    """Forget every picture past its hour, asked for or not."""
    past = Picture.objects.filter(expires_at__lte=now).order_by().values_list("mdf", flat=True)
    return forget(list(past), now=now)


class _Sweeper:
    """Remembers when this process last swept, so that requests sweep once a minute at most."""

    every_seconds: Final = 60.0

    def __init__(self) -> None:
        self.swept_at = 0.0

    def sweep_if_due(self, now: float) -> None:
        clock = time.monotonic()
        if clock - self.swept_at >= self.every_seconds:
            self.swept_at = clock
            sweep(now=now)


sweeper = _Sweeper()


def summary(now: float) -> dict[str, Any]:
    """Count the pictures by what they are now."""
    counts = {"processing": 0, "done": 0, "failed": 0}
    for code, ready_at in Picture.objects.order_by().values_list("code", "ready_at"):
        with contextlib.suppress(IndexError):
            counts[("processing", "done", "failed")[0 if now < ready_at else code]] += 1
    return counts
