"""Own the four calls of API version 2; must not know how a call is read, judged or spoiled."""

from __future__ import annotations

from typing import Any

from django_hili.sandbox import balance, contract, faults, intake, orders, pictures
from django_hili.sandbox.addresses import Addresses
from django_hili.sandbox.calls import Call, api_call
from django_hili.sandbox.contract import BAD_PARAMETERS, NOT_FOUND, RefusalError
from django_hili.sandbox.records import records


@api_call(faults.UPLOADS)
def uploads(call: Call) -> dict[str, Any]:
    """Take pictures in: files, or ids of pictures to process again, or both."""
    order = orders.read_v2(call.form)
    files = call.form.files.get("file", [])
    again = call.form.fields.get("mdf", [])
    if not files and not again:
        raise RefusalError(BAD_PARAMETERS)
    upload = intake.Upload(call.account, order, call.snapshot, call.plan, call.id)
    mdfs = intake.accept(upload, files, again)
    records.count("pictures_accepted", len(mdfs))
    if "clientip" in call.form.fields:
        records.count("client_addresses_sent")
    return {"mdf": mdfs}


@api_call(faults.STATUS)
def status(call: Call) -> dict[str, Any]:
    """Tell how far one or many pictures are, in the order in which they were asked about."""
    call.require_platform()
    now = call.now
    mdfs = call.form.fields.get("mdf", [])
    records.count("ids_asked", len(mdfs))
    if "expired" in call.plan:
        pictures.forget(mdfs, now=now)
    found = pictures.standings(mdfs, partner_id=call.account.pk, now=now)
    known = [mdf for mdf in mdfs if mdf in found]
    must_refuse = call.snapshot.behaviour.batch_unknown == "refuse" and len(known) < len(mdfs)
    if not known or must_refuse:
        raise RefusalError(NOT_FOUND)
    addresses = Addresses(call.request, call.snapshot)
    return {
        "status": contract.SUCCESS,
        "msg": contract.STATUS_MESSAGE,
        "mdfs": [_standing(found[mdf], now=now, addresses=addresses) for mdf in known],
    }


def _standing(
    standing: pictures.Standing, *, now: float, addresses: Addresses
) -> dict[str, object]:
    stage = standing.stage_at(now)
    is_done = stage == contract.DONE_STAGE
    text = contract.STATES[stage]
    if stage == contract.FAILED_STAGE and standing.reason:
        text = f"{text}:{standing.reason}"
    return {
        "mdf": standing.mdf,
        "code": standing.code_at(now),
        "task": stage,
        "state": text,
        "src_url": addresses.source(standing) if is_done else "",
        "wmk_url": addresses.preview(standing) if is_done else "",
        "icon_url": addresses.icon(standing) if is_done else "",
        "res_size": _size(standing) if is_done else "",
    }


def _size(standing: pictures.Standing) -> str:
    """Write a size as the vendor does: ``1080x1366px 146KB``."""
    kilobytes = max(1, round(standing.size_bytes / 1024))
    return f"{standing.width}x{standing.height}px {kilobytes}KB"


@api_call(faults.DOWNLOAD)
def download(call: Call) -> dict[str, Any]:
    """Grant a finished picture and tell where its file is."""
    return {"url": granted(call)}


def granted(call: Call) -> str:
    """Grant the picture that a call names; return the address of its result."""
    mdf = call.form.first("mdf")
    if "expired" in call.plan:
        pictures.forget([mdf], now=call.now)
    standing = pictures.grant(
        mdf, partner=call.account, now=call.now, request=call.id, plan=call.plan
    )
    if "result_url" in call.plan:
        return str(call.plan["result_url"]["url"])
    return Addresses(call.request, call.snapshot).result(standing)


@api_call(faults.NUMS)
def nums(call: Call) -> dict[str, Any]:
    """Tell how many credits are left; both versions share this call."""
    account = call.account
    left = balance.left(partner_id=account.pk, now=call.now)
    return {"code": account.third_code, "nums": left}
