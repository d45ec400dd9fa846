"""Own the plain lists of what the sandbox holds, for its page and its tests; must not know HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Sum

from django_hili.sandbox import contract, faults, state
from django_hili.sandbox import pictures as lives
from django_hili.sandbox.models import (
    CreditPackage,
    FaultRule,
    LedgerEntry,
    Partner,
    Picture,
    StoredBehaviour,
)
from django_hili.sandbox.records import records

Row = dict[str, Any]


def partners(*, now: float) -> list[Row]:
    """List the accounts with their packages, those that lapse first first."""
    listed = []
    for partner in Partner.objects.prefetch_related("packages"):
        packages = [
            {
                "id": package.pk,
                "size": package.size,
                "left": package.unspent,
                "bought_at": package.bought_at,
                "expires_at": package.expires_at,
                "is_lapsed": package.expires_at <= now,
            }
            for package in partner.packages.all()
        ]
        listed.append(
            {
                "third_code": partner.third_code,
                "secret_key": partner.secret_key,
                "charging": partner.charging,
                "left": sum(each["left"] for each in packages if not each["is_lapsed"]),
                "packages": packages,
            }
        )
    return listed


def rules() -> list[Row]:
    """List the faults that are switched on, and those that have run out."""
    return [dict(row) for row in FaultRule.objects.values()]


def kinds() -> list[Row]:
    """List what faults there are, with their figures and the closed choices among them."""
    return [
        {
            "name": kind.name,
            "title": kind.title,
            "text": kind.text,
            "endpoints": kind.endpoints,
            "params": dict(kind.params),
            "choices": {
                name: choices
                for (of_kind, name), choices in faults.CHOICES.items()
                if of_kind == kind.name
            },
        }
        for kind in faults.KINDS.values()
    ]


def pictures(*, now: float, latest: int | None = None) -> list[Row]:
    """List the pictures that are still here, newest first, as a status call would tell them."""
    columns = (*lives.Standing._fields, "partner__third_code", "downloads", "file_name", "platform")
    rows = Picture.objects.values_list(*columns)
    return [_picture(row, now=now) for row in (rows[:latest] if latest else rows)]


def _picture(row: tuple[Any, ...], *, now: float) -> Row:
    width = len(lives.Standing._fields)
    standing = lives.Standing(*row[:width])
    third_code, downloads, file_name, platform = row[width:]
    stage = standing.stage_at(now)
    return {
        **standing._asdict(),
        "third_code": third_code,
        "downloads": downloads,
        "file_name": file_name,
        "platform": platform,
        "code_now": standing.code_at(now),
        "stage_now": stage,
        "state": contract.STATES[stage],
        "stage_name": contract.STAGE_NAMES[stage],
    }


def totals() -> Row:
    """Sum the ledger up, by account: what an outside judge compares a client's books with."""
    rows = LedgerEntry.objects.order_by().values("third_code", "event")
    counted = rows.annotate(count=Count("id"), credits=Sum("credits"))
    summed: dict[str, Row] = {}
    for row in counted:
        account = summed.setdefault(row["third_code"], {"credits": 0})
        account[row["event"]] = row["count"]
        account["credits"] += row["credits"]
    return summed


def reset(*, with_partners: bool) -> Row:
    """Empty the sandbox: pictures with their files, ledger, faults, settings and counts."""
    forgotten = lives.forget(
        list(Picture.objects.order_by().values_list("mdf", flat=True)),
        now=state.snapshot().now(),
    )
    with state.writing():
        LedgerEntry.objects.all().delete()
        FaultRule.objects.all().delete()
        StoredBehaviour.objects.all().delete()
        if with_partners:
            CreditPackage.objects.all().delete()
            Partner.objects.all().delete()
    state.forget()
    records.clear()
    return {"forgotten": forgotten}
