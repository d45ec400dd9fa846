"""Own the form of an answer: JSON as the vendor writes it, and every way to spoil it.

Must not know what was asked, and must not change what was done: a fault is put on an answer after
the work, unless it turns the request away before.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.http import HttpResponse
from django.utils.http import http_date

from django_hili.sandbox import faults
from django_hili.sandbox.rules import Plan
from django_hili.sandbox.wire import Wire

_NUMBERS: Final = ("code", "errno", "status", "task", "nums")

GATEWAY_PAGE: Final = """<!DOCTYPE html>
<html><head><title>{status} {phrase}</title></head>
<body><center><h1>{status} {phrase}</h1></center><hr><center>nginx</center></body></html>
"""
_PHRASES: Final = {
    200: "OK",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def page(status: int) -> HttpResponse:
    """Return the HTML page that a gateway puts in front of a broken service."""
    text = GATEWAY_PAGE.format(status=status, phrase=_PHRASES.get(status, "Error"))
    return HttpResponse(text, status=status, content_type="text/html")


def json_answer(payload: object) -> HttpResponse:
    """Return JSON as the vendor sends it: status 200 whatever it says, Chinese as it is."""
    return HttpResponse(json.dumps(payload, ensure_ascii=False), content_type="application/json")


def spoiled_status(plan: Plan, *, clock: float) -> HttpResponse | None:
    """Return the answer of a fault that replaces the whole answer, if there is one."""
    if "rate_limit" in plan:
        return _too_many({"form": "seconds", **plan["rate_limit"]}, clock=clock)
    if "rate_limited" in plan:
        return _too_many(plan["rate_limited"], clock=clock)
    if "http_error" in plan:
        return page(plan["http_error"]["status"])
    if "html" in plan:
        return page(plan["html"]["status"])
    return None


def _too_many(figures: Mapping[str, Any], *, clock: float) -> HttpResponse:
    response = page(429)
    if figures["form"] == "seconds":
        response["Retry-After"] = str(figures["retry_after"])
    elif figures["form"] == "date":
        response["Retry-After"] = http_date(clock + figures["retry_after"])
    return response


def shaped(payload: dict[str, Any], plan: Plan, *, endpoint: str) -> HttpResponse:
    """Return a payload as JSON with the plan's faults in it."""
    if not plan:
        return json_answer(payload)
    for kind, spoil in _SPOILERS.items():
        if kind in plan:
            spoil(payload, plan[kind])
    if "no_credits" in plan and endpoint == faults.NUMS and isinstance(payload.get("data"), dict):
        payload["data"]["nums"] = 0
    if "numbers_as_text" in plan:
        payload = _as_text(payload)
    response = json_answer(payload)
    if "broken_json" in plan:
        response.content = response.content[: max(1, len(response.content) * 2 // 3)]
    return response


def _spoil_ids(payload: dict[str, Any], figures: Mapping[str, Any]) -> None:
    data = payload.get("data")
    if not isinstance(data, dict):
        return
    count = int(figures["count"])
    for name in ("mdf", "mdfs"):
        ids = data.get(name)
        if isinstance(ids, list):
            if count < 0:
                del ids[count:]
            ids.extend(_foreign(name) for _ in range(count))


def _foreign(name: str) -> object:
    mdf = uuid.uuid4().hex
    if name == "mdf":
        return mdf
    empty = dict.fromkeys(("src_url", "wmk_url", "icon_url", "res_size"), "")
    return {"mdf": mdf, "state": "任务排队中", "code": 0, "task": 2001, **empty}


def _pictures(payload: dict[str, Any]) -> list[dict[str, Any]]:
    data = payload.get("data")
    return data.get("mdfs", []) if isinstance(data, dict) else []


def _leave_out_code(payload: dict[str, Any], _figures: Mapping[str, Any]) -> None:
    for picture in _pictures(payload):
        picture.pop("code", None)
        picture.pop("task", None)


def _give_state(payload: dict[str, Any], figures: Mapping[str, Any]) -> None:
    for picture in _pictures(payload):
        picture.update(state=figures["state"], code=figures["code"], task=0)


def _leave_out(payload: dict[str, Any], figures: Mapping[str, Any]) -> None:
    _without(payload, figures["field"])


def _without(value: Any, field: str) -> None:
    if isinstance(value, dict):
        value.pop(field, None)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        _without(each, field)


_SPOILERS: Final[Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], None]]] = {
    "wrong_ids": _spoil_ids,
    "unknown_state": _give_state,
    "older_server": _leave_out_code,
    "without_field": _leave_out,
}


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: str(inner) if name in _NUMBERS and isinstance(inner, int) else _as_text(inner)
            for name, inner in value.items()
        }
    return [_as_text(inner) for inner in value] if isinstance(value, list) else value


def wire_of(plan: Plan) -> Wire:
    """Return what a plan does to the bytes of the answer."""
    wire = Wire()
    if "lost_answer" in plan:
        wire.is_lost = True
        wire.is_reset = plan["lost_answer"]["reset"]
    if "cut_short" in plan:
        wire.share = plan["cut_short"]["share"]
    if "dribble" in plan:
        wire.bytes_per_second = plan["dribble"]["bytes_per_second"]
    return wire


def server_clock(plan: Plan) -> float:
    """Return the time by which tokens are judged."""
    off = plan["wrong_clock"]["seconds"] if "wrong_clock" in plan else 0.0
    return time.time() + float(off)


def shown_clock(plan: Plan) -> float:
    """Return the time that the Date header tells."""
    return server_clock(plan) if plan.get("wrong_clock", {}).get("tell") else time.time()


def wait(plan: Plan) -> None:
    """Hold the answer back where the plan says so."""
    if "slow" in plan:
        time.sleep(plan["slow"]["seconds"])
