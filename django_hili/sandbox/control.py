"""Own the control page and the JSON behind it; must not decide what a fault or a charge is.

Whoever reaches these addresses can read the secrets and break the service on purpose, so they
open only on the sandbox's own server, with ``DEBUG``, or to a superuser. Writes must be JSON from
the same origin: a page elsewhere cannot send those to a loopback address.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import wraps
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from django_hili.sandbox import faults, inventory, ledger, pictures, rules, state
from django_hili.sandbox.models import Partner
from django_hili.sandbox.records import records
from django_hili.sandbox.wire import KEY

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)

Json = dict[str, Any]
Verb = Callable[..., Any]


class ControlError(Exception):
    """The request does not fit; the text goes back as it is."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(message)


def _let_in(request: HttpRequest, methods: tuple[str, ...]) -> None:
    """Raise a ControlError for who may not come in, or not this way."""
    try:
        # A foreign name that was made to point at loopback ends here.
        request.get_host()
    except DisallowedHost:
        raise ControlError("this name is not known here", status=403) from None
    user = getattr(request, "user", None)
    is_superuser = user is not None and user.is_active and user.is_superuser
    if not (KEY in request.META or settings.DEBUG or is_superuser):
        raise ControlError("not allowed", status=403)
    if request.method not in methods:
        raise ControlError(f"send {' or '.join(methods)}", status=405)


def _guarded(*methods: str) -> Callable[[Verb], Callable[..., HttpResponse]]:
    """Open a view to those who may, for these methods, and turn what it returns into JSON."""

    def decorate(view: Verb) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @wraps(view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            try:
                _let_in(request, methods)
                body = {} if request.method == "GET" else _body(request)
                answer = view(request, body, **kwargs)
            except (ControlError, ValueError) as error:
                status = getattr(error, "status", 400)
                return JsonResponse({"error": str(error)}, status=status)
            if isinstance(answer, HttpResponse):
                return answer
            return JsonResponse(answer, json_dumps_params={"ensure_ascii": False})

        return guarded

    return decorate


def _body(request: HttpRequest) -> Json:
    """Read the JSON of a write, refusing what a foreign page could have sent."""
    if request.content_type != "application/json":
        raise ControlError("send application/json", status=415)
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.get_host():
        raise ControlError("the request comes from another site", status=403)
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        raise ControlError("this is not JSON") from None
    if not isinstance(body, dict):
        raise ControlError("send a JSON object")
    return body


def _take(body: Json, **types: type | tuple[type, ...]) -> Json:
    """Take the known keys of a body, each held against its type."""
    unknown = sorted(set(body) - set(types))
    if unknown:
        raise ControlError(f"there is no {unknown[0][:40]!r} here; known are {', '.join(types)}")
    for name, value in body.items():
        if not isinstance(value, types[name]):
            raise ControlError(f"{name} has the wrong type")
    return dict(body)


def home(request: HttpRequest) -> HttpResponse:
    """Send whoever opens the sandbox in a browser to its control page."""
    del request
    return HttpResponseRedirect(reverse("hili_sandbox:control"))


def _asset(name: str, content_type: str) -> HttpResponse:
    text = resources.files("django_hili.sandbox").joinpath("page", name).read_text("utf-8")
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return HttpResponse(text, content_type=content_type, headers=headers)


@_guarded("GET")
def page(_request: HttpRequest, _body: Json) -> HttpResponse:
    """Show the control page."""
    return _asset("index.html", "text/html; charset=utf-8")


@_guarded("GET")
def style(_request: HttpRequest, _body: Json) -> HttpResponse:
    """Serve the page's style."""
    return _asset("page.css", "text/css; charset=utf-8")


@_guarded("GET")
def script(_request: HttpRequest, _body: Json) -> HttpResponse:
    """Serve the page's script."""
    return _asset("page.js", "text/javascript; charset=utf-8")


@_guarded("GET")
def everything(request: HttpRequest, _body: Json) -> Json:
    """Return all that the page shows, in one answer."""
    now = state.snapshot().now()
    root = reverse("hili_sandbox:home").rstrip("/")
    return {
        "base_url": f"{request.scheme}://{request.get_host()}{root}",
        "now": now,
        "settings": dataclasses.asdict(state.snapshot().behaviour),
        "partners": inventory.partners(now=now),
        "faults": inventory.rules(),
        "kinds": inventory.kinds(),
        "pictures": inventory.pictures(now=now, latest=40),
        "summary": pictures.summary(now),
        "ledger": ledger.entries(latest=40)[::-1],
        "totals": inventory.totals(),
        "counts": records.counts(),
        "requests": records.latest(),
    }


@_guarded("GET", "PATCH")
def settings_view(request: HttpRequest, body: Json) -> Json:
    """Show the settings, or change those that are named."""
    if request.method == "PATCH":
        return dataclasses.asdict(state.change_behaviour(body))
    return dataclasses.asdict(state.snapshot().behaviour)


@_guarded("GET", "POST", "DELETE")
def faults_view(request: HttpRequest, body: Json) -> Json:
    """Show the faults, switch one on, or switch all off."""
    if request.method == "DELETE":
        return {"removed": rules.remove()}
    if request.method == "POST":
        taken = _take(
            body,
            kind=str,
            endpoint=str,
            times=(int, type(None)),
            skip=int,
            chance=(int, float),
            third_code=str,
            params=dict,
        )
        if "kind" not in taken:
            raise ControlError("kind is missing")
        return {"id": rules.add(**taken).pk}
    return {"faults": inventory.rules(), "kinds": inventory.kinds(), "endpoints": faults.ENDPOINTS}


@_guarded("DELETE")
def fault_view(_request: HttpRequest, _body: Json, *, rule_id: int) -> Json:
    """Switch one fault off."""
    return {"removed": rules.remove(rule_id)}


@_guarded("GET", "POST")
def partners_view(request: HttpRequest, body: Json) -> Json:
    """Show the accounts, or open or change one."""
    if request.method == "POST":
        taken = _take(body, third_code=str, secret_key=str, charging=str, credit_count=int)
        if not taken.get("third_code") or not taken.get("secret_key"):
            raise ControlError("third_code and secret_key are missing")
        state.add_partner(**taken)
    return {"partners": inventory.partners(now=state.snapshot().now())}


@_guarded("POST")
def packages_view(_request: HttpRequest, body: Json) -> Json:
    """Sell a package of credits to an account."""
    taken = _take(body, third_code=str, credit_count=int, days=(int, float))
    partner = Partner.objects.filter(third_code=taken.pop("third_code", "")).first()
    if partner is None or "credit_count" not in taken:
        raise ControlError("name a known third_code and a credit_count", status=404)
    package = state.add_package(partner=partner, **taken)
    return {"id": package.pk, "expires_at": package.expires_at}


@_guarded("GET")
def pictures_view(_request: HttpRequest, _body: Json) -> Json:
    """Show every picture that is still here, with the moment it was or will be ready."""
    return {"pictures": inventory.pictures(now=state.snapshot().now())}


@_guarded("GET")
def ledger_view(request: HttpRequest, _body: Json) -> HttpResponse:
    """Export the ledger, or what was added to it since an entry, or one partner's part."""
    since = request.GET.get("since", "0")
    if not since.isdigit():
        raise ControlError("since is the id of an entry")
    entries = ledger.entries(since=int(since), third_code=request.GET.get("third_code", ""))
    answer = JsonResponse(
        {"entries": entries, "totals": inventory.totals()},
        json_dumps_params={"ensure_ascii": False},
    )
    if "save" in request.GET:
        answer["Content-Disposition"] = 'attachment; filename="hili-sandbox-ledger.json"'
    return answer


@_guarded("GET", "DELETE")
def counts_view(request: HttpRequest, _body: Json) -> Json:
    """Show what this process served, or begin anew."""
    if request.method == "DELETE":
        records.clear()
    return {"counts": records.counts(), "requests": records.latest()}


@_guarded("POST")
def sweep_view(_request: HttpRequest, _body: Json) -> Json:
    """Forget every picture past its hour, now."""
    return {"forgotten": pictures.sweep(now=state.snapshot().now())}


@_guarded("POST")
def reset_view(_request: HttpRequest, body: Json) -> Json:
    """Forget pictures, ledger, faults, settings and counts; keep the accounts unless told."""
    taken = _take(body, partners=bool)
    return inventory.reset(with_partners=taken.get("partners", False))
