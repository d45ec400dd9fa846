"""Own a picture's life here: described, granted, forgotten; must not know HTTP.

What a caller is told follows from the row and the calendar alone, so a picture without a worker
(mode *echo*) costs nothing between its upload and its download.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from django_hili.sandbox import balance, behaviour, contract, state, statements, storage
from django_hili.sandbox.contract import GONE_MESSAGE, NOT_FOUND, RefusalError
from django_hili.sandbox.ledger import Remark, forgotten, remark
from django_hili.sandbox.models import LedgerEntry, Partner, Picture
from django_hili.sandbox.rules import Plan
from django_hili.sandbox.workers import pool

_QUEUE_SHARE: Final = 0.1
"""The part of a simulated processing time that is spent waiting in the queue."""


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
    patience_seconds: Final = 300.0
    """After so long a claimed picture is thought to have lost its worker."""

    def __init__(self) -> None:
        self.swept_at = 0.0

    def sweep_if_due(self, now: float) -> None:
        clock = time.monotonic()
        if clock - self.swept_at >= self.every_seconds:
            self.swept_at = clock
            sweep(now=now)
            pool.adopt(accepted_before=now - self.patience_seconds)


sweeper = _Sweeper()


def summary(now: float) -> dict[str, Any]:
    """Count the pictures by what they are now."""
    counts = {"processing": 0, "done": 0, "failed": 0}
    for code, ready_at in Picture.objects.order_by().values_list("code", "ready_at"):
        with contextlib.suppress(IndexError):
            counts[("processing", "done", "failed")[0 if now < ready_at else code]] += 1
    return counts
