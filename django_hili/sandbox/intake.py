"""Own the taking in of pictures: inspected, charged, stored and queued; must not know HTTP.

All pictures of an upload are taken, or none: nothing is kept and nothing charged for a refusal.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction

from django_hili.sandbox import balance, behaviour, contract, state, statements, storage
from django_hili.sandbox.bodies import SentFile
from django_hili.sandbox.contract import BAD_PARAMETERS, UPLOAD_FAILED, RefusalError
from django_hili.sandbox.inspection import Inspected, inspect
from django_hili.sandbox.ledger import Remark, fingerprint, remark
from django_hili.sandbox.models import LedgerEntry, Partner, Picture
from django_hili.sandbox.orders import Order
from django_hili.sandbox.rules import Plan
from django_hili.sandbox.workers import pool


class _Times:
    """Processing times, drawn from a row of numbers that the seed repeats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seed: int | None = None
        self._dice = random.Random()  # noqa: S311 - how long a picture takes is no secret

    def draw(self, figures: behaviour.Behaviour) -> float:
        shortest = figures.processing_seconds_min
        with self._lock:
            if self._seed != figures.seed:
                self._seed = figures.seed
                self._dice.seed(figures.seed)
            return self._dice.uniform(shortest, max(shortest, figures.processing_seconds_max))


_times = _Times()


class Upload(NamedTuple):
    """One call that brings pictures: who, what for, and under which faults."""

    partner: Partner
    order: Order
    snapshot: state.Snapshot
    plan: Plan
    request: str


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
            name = picture.file_name
            content = storage.path_of(picture.mdf, storage.SOURCE).read_bytes()
            seen = inspect(content, mode=behaviour.ECHO)
            rows.append(_row(upload, seen, now=now, name=name, size=len(content)))
            storage.write(rows[-1].mdf, storage.SOURCE, content)
            remarks.append(Remark(rows[-1].mdf, LedgerEntry.Event.AGAIN, file_name=name))
        with state.writing():
            _charge(upload, fresh=len(files), again=len(old), now=now, remarks=remarks)
            statements.insert(rows, Picture)
            if mode != behaviour.ECHO:
                transaction.on_commit(lambda: pool.submit([row.mdf for row in rows]))
    except BaseException as error:
        for row in rows:
            storage.remove(row.mdf)
        if isinstance(error, OSError):
            # The disk is full, or the old picture went this very moment.
            raise RefusalError(UPLOAD_FAILED) from error
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
    slower = float(upload.plan.get("slow_processing", {}).get("seconds", 0.0))
    ready_at = now + _times.draw(upload.snapshot.behaviour) + slower
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
