"""Own the way of one API call: read, judge, carry out, answer, with faults at each step.

Must not know what the calls do: they are handed in by ``v2`` and ``v1``.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt

from django_hili.sandbox import answers, bodies, contract, faults, pictures, rules, state, tokens
from django_hili.sandbox.contract import RefusalError
from django_hili.sandbox.models import Partner
from django_hili.sandbox.records import records
from django_hili.sandbox.wire import Wire, obey

_STALE_SECONDS: Final = 0.5


@dataclasses.dataclass(slots=True)
class Call:
    """One API call on its way."""

    request: HttpRequest
    endpoint: str
    snapshot: state.Snapshot
    form: bodies.Form
    plan: rules.Plan
    partner: Partner | None = None
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def now(self) -> float:
        """Return the sandbox's calendar."""
        return self.snapshot.now()

    @property
    def account(self) -> Partner:
        """Return the partner, once the token was found good."""
        if self.partner is None:
            raise RefusalError(contract.TOKEN_INVALID)
        return self.partner

    def require_platform(self) -> None:
        """Insist on a known platform, as version 2's documents do."""
        if self.form.first("platform") not in contract.PLATFORMS:
            raise RefusalError(contract.OTHER_ERROR, "其他错误:platform")


Handler = Callable[[Call], Any]
View = Callable[..., HttpResponseBase]


def api_call(endpoint: str) -> Callable[[Handler], View]:
    """Turn a handler that returns the answer's data into a view that speaks the vendor's way."""

    def decorate(handler: Handler) -> View:
        @csrf_exempt
        @wraps(handler)
        def view(request: HttpRequest) -> HttpResponseBase:
            return _serve(request, endpoint, handler)

        return view

    return decorate


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call, once its photos are out of the memory again."""

    payload: dict[str, Any]
    plan: rules.Plan
    third_code: str = ""


def _serve(request: HttpRequest, endpoint: str, handler: Handler) -> HttpResponseBase:
    started = time.perf_counter()
    if request.method != "POST":
        return HttpResponse(status=405, headers={"Allow": "POST"})
    try:
        outcome = _outcome(request, endpoint, handler)
    except bodies.BodyCutShortError:
        records.count("bodies_cut_short")
        return obey(request, HttpResponse(status=400), Wire(is_lost=True))
    except bodies.BodyError:
        outcome = Outcome(_failure(RefusalError(contract.UPLOAD_FAILED)), rules.NO_FAULTS)
    plan = outcome.plan
    response = answers.spoiled_status(plan, clock=answers.server_clock(plan))
    if response is None:
        response = answers.shaped(outcome.payload, plan, endpoint=endpoint)
    response["Date"] = http_date(answers.shown_clock(plan))
    answers.wait(plan)
    records.request(
        endpoint=endpoint,
        outcome=_in_a_word(outcome.payload, response),
        faults=",".join(plan),
        seconds=time.perf_counter() - started,
        third_code=outcome.third_code,
    )
    return obey(request, response, answers.wire_of(plan)) if plan else response


def _outcome(request: HttpRequest, endpoint: str, handler: Handler) -> Outcome:
    """Receive a call, decide which faults befall it, and carry it out unless one forbids."""
    started = time.monotonic()
    snapshot = state.snapshot()
    early = rules.draw(snapshot, endpoint=endpoint, third_code="", is_early=True)
    if early:
        bodies.read_partly(request, early["hang_up"]["share"])
        raise bodies.BodyCutShortError("the sandbox hangs up")
    with bodies.received(request) as spool:
        if time.monotonic() - started > _STALE_SECONDS:
            # The body was long on its way, and knobs may have been turned meanwhile.
            snapshot = state.snapshot()
        pictures.sweeper.sweep_if_due(snapshot.now())
        largest = snapshot.behaviour.largest_upload_bytes
        form = bodies.parsed(request, spool, largest_bytes=largest)
        third_code = form.first("third_code")[:64]
        plan = rules.draw(snapshot, endpoint=endpoint, third_code=third_code)
        call = Call(request=request, endpoint=endpoint, snapshot=snapshot, form=form, plan=plan)
        is_turned_away = rules.is_before(plan) and "errno" not in plan
        payload = {} if is_turned_away else _carry_out(call, handler)
    return Outcome(payload, plan, third_code)


def _carry_out(call: Call, handler: Handler) -> dict[str, Any]:
    """Judge the token and run the handler; a refusal becomes the vendor's failure."""
    planned = rules.refusal(call.plan, endpoint=call.endpoint)
    try:
        call.partner = _partner(call)
        if planned is not None and not call.plan.get("errno", {}).get("accepted"):
            raise planned
        data = handler(call)
        if planned is not None:
            raise planned
    except RefusalError as refusal:
        return _failure(refusal)
    return {"code": contract.SUCCESS, "data": data}


def _partner(call: Call) -> Partner:
    third_code = call.form.first("third_code")
    if not third_code and call.endpoint == faults.UPLOADS:
        raise RefusalError(contract.BAD_PARAMETERS)
    partner = call.snapshot.partners.get(third_code)
    if partner is None:
        if call.endpoint == faults.NUMS:
            raise RefusalError(contract.NOT_FOUND, contract.NO_PARTNER_MESSAGE)
        raise RefusalError(contract.TOKEN_INVALID)
    token = call.request.headers.get("token", "")
    is_valid = tokens.is_valid(
        token,
        secret_key=partner.secret_key,
        now=answers.server_clock(call.plan),
        window_seconds=call.snapshot.behaviour.token_window_seconds,
    )
    if not is_valid:
        raise RefusalError(contract.TOKEN_INVALID)
    return partner


def _failure(refusal: RefusalError) -> dict[str, Any]:
    return {"code": contract.FAILURE, "errno": refusal.errno, "msg": refusal.message}


def _in_a_word(payload: dict[str, Any], response: HttpResponse) -> str:
    """Say in a word what became of a call, for the control page."""
    if not payload:
        return f"HTTP {response.status_code}"
    if "errno" in payload:
        return f"errno {payload['errno']}"
    return "ok"
