"""Own the three calls that API version 1 has to itself; must not know how a call is judged."""

from __future__ import annotations

from typing import Any

from django_hili.sandbox import contract, faults, intake, orders, pictures
from django_hili.sandbox.addresses import Addresses
from django_hili.sandbox.calls import Call, api_call
from django_hili.sandbox.contract import BAD_PARAMETERS, NOT_FOUND, OTHER_ERROR, RefusalError
from django_hili.sandbox.records import records
from django_hili.sandbox.v2 import granted


@api_call(faults.UPLOADS)
def upload(call: Call) -> dict[str, Any]:
    """Take one picture in."""
    order = orders.read_v1(call.form)
    files = call.form.files.get("file", [])
    if len(files) != 1:
        raise RefusalError(BAD_PARAMETERS)
    taken = intake.Upload(call.account, order, call.snapshot, call.plan, call.id)
    (mdf,) = intake.accept(taken, files, [])
    records.count("pictures_accepted")
    return {"img_url": Addresses(call.request, call.snapshot).uploaded(mdf), "mdf": mdf}


@api_call(faults.STATUS)
def status(call: Call) -> dict[str, Any]:
    """Tell whether one picture is done; a failed one is an error, for version 1 has no word."""
    now = call.now
    mdf = call.form.first("mdf")
    records.count("ids_asked")
    if "expired" in call.plan:
        pictures.forget([mdf], now=now)
    standing = pictures.standings([mdf], partner_id=call.account.pk, now=now).get(mdf)
    if standing is None:
        raise RefusalError(NOT_FOUND)
    code = standing.code_at(now)
    if code == contract.FAILED:
        raise RefusalError(
            OTHER_ERROR, f"{contract.STATES[contract.FAILED_STAGE]}:{standing.reason}"
        )
    number, text = contract.V1_DONE if code == contract.DONE else contract.V1_PROCESSING
    return {"msg": text, "status": number}


@api_call(faults.DOWNLOAD)
def download(call: Call) -> dict[str, Any]:
    """Grant a finished picture and tell where its file is."""
    return {"url": granted(call)}
