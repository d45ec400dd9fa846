"""Own the serving of pictures' files: result, source, preview, thumbnail, and their faults.

Must not know the API's calls. A result is served only after a download call granted it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotFound
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from django_hili.sandbox import (
    answers,
    behaviour,
    contract,
    faults,
    pictures,
    previews,
    rules,
    state,
    statements,
    storage,
)
from django_hili.sandbox.records import records
from django_hili.sandbox.wire import obey

_RESULT: Final = re.compile(r"([0-9a-f]{32})01100\.(jpg|png|gif|webp)")
_OTHER: Final = re.compile(r"([0-9a-f]{32})_(src|out|wmk|icon)\.(?:jpg|png|gif|webp)")
_MIME: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}


@require_safe
def result(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve a finished picture that was granted, or what a fault makes of it."""
    started = time.perf_counter()
    snapshot = state.snapshot()
    match = _RESULT.fullmatch(name)
    picture = _live(match[1], snapshot.now()) if match else None
    if picture is not None and not (picture.downloads and picture.code == contract.DONE):
        picture = None
    third_code = _third_code(picture, snapshot)
    plan = rules.draw(snapshot, endpoint=faults.FILE, third_code=third_code)
    if picture is not None and "expired" in plan:
        pictures.forget([picture.mdf], now=snapshot.now())
        picture = None
    if "token" in request.headers:
        records.count("tokens_sent_to_files")
    response = _answer(request, picture, plan)
    response["Date"] = http_date()
    answers.wait(plan)
    records.request(
        endpoint=faults.FILE,
        outcome=f"HTTP {response.status_code}",
        faults=",".join(plan),
        seconds=time.perf_counter() - started,
        third_code=third_code,
    )
    return obey(request, response, answers.wire_of(plan)) if plan else response


class Shown(NamedTuple):
    """What serving a file reads of a picture; the columns of one query, in order."""

    mdf: str
    partner_id: int
    mode: str
    code: int
    source_format: str
    result_format: str
    downloads: int
    ready_at: float
    expires_at: float

    @property
    def result_path(self) -> Path:
        """Return where the finished picture is; an echoed one is its own source."""
        kind = storage.SOURCE if self.mode == behaviour.ECHO else storage.RESULT
        return storage.path_of(self.mdf, kind)


def _live(mdf: str, now: float) -> Shown | None:
    """Return a picture that is still here; one past its hour goes now."""
    row = statements.picture(Shown._fields, mdf)
    shown = Shown(*row) if row else None
    if shown is not None and shown.expires_at <= now:
        pictures.forget([mdf], now=now)
        return None
    return shown


def _third_code(picture: Shown | None, snapshot: state.Snapshot) -> str:
    if picture is None:
        return ""
    codes = (code for code, each in snapshot.partners.items() if each.pk == picture.partner_id)
    return next(codes, "")


def _answer(request: HttpRequest, picture: Shown | None, plan: rules.Plan) -> HttpResponseBase:
    spoiled = answers.spoiled_status(plan, clock=time.time())
    if spoiled is not None:
        return spoiled
    if picture is None:
        return HttpResponseNotFound("图片不存在", content_type="text/plain; charset=utf-8")
    if "redirect" in plan:
        target = _next_hop(request, plan["redirect"])
        if target:
            status = plan["redirect"]["status"]
            return HttpResponse(status=status, headers={"Location": target})
    path = picture.result_path
    mime = _MIME[picture.result_format]
    if "wrong_file" in plan and path.exists():
        return _wrong(path, mime, what=plan["wrong_file"]["what"])
    return _file(path, mime, name=request.path.rpartition("/")[2])


def _file(path: Path, mime: str, *, name: str) -> HttpResponseBase:
    try:
        return FileResponse(path.open("rb"), content_type=mime, filename=name)
    except FileNotFoundError:
        return HttpResponseNotFound()


def _next_hop(request: HttpRequest, figures: Mapping[str, Any]) -> str:
    """Return where to send the caller on: a given address, or here again until the last hop."""
    if figures["to"]:
        return str(figures["to"])
    hop = request.GET.get("hop", "0")
    done = int(hop) if hop.isdigit() else 0
    return f"{request.path}?hop={done + 1}" if done < figures["hops"] else ""


def _wrong(path: Path, mime: str, *, what: str) -> HttpResponse:
    """Serve something that is not the result, in one of the ways servers do."""
    content = path.read_bytes()
    if what == "html":
        return answers.page(200)
    if what == "text":
        return HttpResponse("这不是图片\n", content_type=mime)
    if what == "empty":
        return HttpResponse(b"", content_type=mime)
    if what == "other":
        return HttpResponse(previews.stranger(), content_type=mime)
    if what == "truncated":
        return HttpResponse(content[: len(content) // 2], content_type=mime)
    lie = len(content) // 2 if what == "short_length" else len(content) * 2
    return HttpResponse(content, content_type=mime, headers={"Content-Length": str(lie)})


@require_safe
def other(_request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve the source, the watermarked preview or the thumbnail of a picture."""
    snapshot = state.snapshot()
    match = _OTHER.fullmatch(name)
    picture = _live(match[1], snapshot.now()) if match else None
    if match is None or picture is None:
        return HttpResponseNotFound()
    if match[2] in ("src", "out"):
        path = storage.path_of(picture.mdf, storage.SOURCE)
        return _file(path, _MIME[picture.source_format], name=name)
    if picture.code != contract.DONE or snapshot.now() < picture.ready_at:
        return HttpResponseNotFound()
    try:
        return _file(_rendered(picture, match[2]), "image/jpeg", name=name)
    except OSError:
        # Forgotten this very moment, or echoed without ever having been decoded.
        return HttpResponseNotFound()


def _rendered(picture: Shown, what: str) -> Path:
    """Draw the preview or the thumbnail when it is first asked for."""
    kind, draw = {
        "wmk": (storage.PREVIEW, previews.preview),
        "icon": (storage.ICON, previews.icon),
    }[what]
    path = storage.path_of(picture.mdf, kind)
    if not path.exists():
        storage.write(picture.mdf, kind, draw(picture.result_path))
    return path
