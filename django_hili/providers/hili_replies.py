"""What each answer of the vendor means, as closed tables: what is not listed is a real error.

Owns error numbers, stages and the words kept for the operator, for both versions of the API.
Makes no request and decides no retry: it says what an answer says, and what that says about the
credit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.exchange import Answer
from django_hili.providers.remote import RemoteStage, RemoteState

SUCCESS: Final = 200
BAD_TOKEN: Final = 9999
NOT_FOUND: Final = 9002


class Call(StrEnum):
    """The calls that have tables of their own."""

    UPLOAD = "upload"
    AGAIN = "again"
    STATUS = "status"
    DOWNLOAD = "download"
    CREDITS = "credits"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer means."""

    code: Code
    retryable: bool = False
    charged: bool | None = False
    """False: this call has cost nothing. None: nobody knows."""


_BAD_TOKEN: Final = Verdict(Code.PROVIDER_BAD_CREDENTIALS, retryable=True)
_NO_CREDITS: Final = Verdict(Code.PROVIDER_NO_CREDITS, retryable=True)
_DOWN: Final = Verdict(Code.PROVIDER_DOWN, retryable=True)
_UNREADABLE: Final = Verdict(Code.PROVIDER_ANSWER_UNREADABLE, retryable=True)
_GONE: Final = Verdict(Code.PROVIDER_COPY_GONE)
_REFUSALS: Final = {
    9001: Verdict(Code.PROVIDER_REFUSED_OPTIONS),
    9005: Verdict(Code.PROVIDER_REFUSED_FILE),
    9009: Verdict(Code.PROVIDER_DAMAGED_PHOTO),
    BAD_TOKEN: _BAD_TOKEN,
}
_SENDING: Final = {
    **_REFUSALS,
    9006: Verdict(Code.PROVIDER_UPLOAD_FAILED, retryable=True),
    9101: _NO_CREDITS,
}

ERRNOS: Final[Mapping[Call, Mapping[int, Verdict]]] = {
    Call.UPLOAD: _SENDING,
    Call.AGAIN: {**_SENDING, NOT_FOUND: _GONE},
    Call.STATUS: {**_REFUSALS, NOT_FOUND: _GONE, 500: _DOWN},
    # An account that is charged per download runs out of credits here.
    Call.DOWNLOAD: {**_REFUSALS, NOT_FOUND: _GONE, 9101: _NO_CREDITS, 500: _DOWN},
    Call.CREDITS: {NOT_FOUND: _BAD_TOKEN, BAD_TOKEN: _BAD_TOKEN, 500: _DOWN},
}
"""The vendor's error numbers by call."""

HTTP_STATUSES: Final[Mapping[Call, Mapping[int, Verdict]]] = {
    call: {
        429: Verdict(Code.PROVIDER_BUSY, retryable=True),
        # A gateway says so by the length alone, before the service behind it hears of the photo.
        **({413: Verdict(Code.PROVIDER_REFUSED_FILE)} if call is Call.UPLOAD else {}),
    }
    for call in Call
}
"""What an HTTP status says by itself."""

UNLISTED: Final[Mapping[Call, Verdict]] = {
    Call.UPLOAD: Verdict(Code.SEND_UNKNOWN, charged=None),
    Call.AGAIN: Verdict(Code.SEND_UNKNOWN, charged=None),
    Call.STATUS: _UNREADABLE,
    Call.DOWNLOAD: Verdict(Code.PROVIDER_ANSWER_UNREADABLE, retryable=True, charged=None),
    Call.CREDITS: _UNREADABLE,
}
"""What everything else means."""

_BY_CODE: Final = {
    0: RemoteStage.PROCESSING,
    1: RemoteStage.DONE,
    2: RemoteStage.FAILED,
}
_BY_TASK: Final[Mapping[int, tuple[RemoteStage, str | None]]] = {
    2001: (RemoteStage.WAITING, None),
    2002: (RemoteStage.DONE, None),
    2003: (RemoteStage.PROCESSING, "sr"),
    2004: (RemoteStage.PROCESSING, "bg"),
    2005: (RemoteStage.PROCESSING, "bg"),
    2006: (RemoteStage.PROCESSING, "scratch"),
    2007: (RemoteStage.PROCESSING, "defogging"),
    2008: (RemoteStage.PROCESSING, "repair"),
    2009: (RemoteStage.PROCESSING, "colour"),
    2010: (RemoteStage.FAILED, None),
}
_DONE_WORDS: Final = "任务处理完成"
# Only the words for "done" are documented; the others are told by what every such text contains.
_BY_WORDS: Final = (
    ("失败", RemoteStage.FAILED),
    ("排队", RemoteStage.WAITING),
    ("中", RemoteStage.PROCESSING),
)
_V1_STATUSES: Final = {100: RemoteStage.PROCESSING, 200: RemoteStage.DONE}
_V1_FAILED_WORDS: Final = "处理失败"
_FINAL: Final = (RemoteStage.DONE, RemoteStage.FAILED)

_HANDLE: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}")
_TELLING: Final = re.compile(
    r"[a-z][a-z0-9+.-]*:[\\/]{2,}\S*"  # addresses
    r"|\S+\.\S+/\S*"  # addresses without a scheme
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"  # machines
    r"|[0-9a-f]{16,}",  # tokens and handles
    re.IGNORECASE,
)
_LONGEST_WORDS: Final = 200
_MOST_CREDITS: Final = 2**31 - 1
"""What a column of every database holds."""


def read(call: Call, answer: Answer) -> Mapping[str, Any]:
    """Return `data` of a success. Raises `ProviderError` for everything else."""
    body = _json(answer)
    is_2xx = answer.status // 100 == 2  # noqa: PLR2004 - the class of statuses
    if is_2xx and body is not None and number(body.get("code")) == SUCCESS:
        data = body.get("data")
        if isinstance(data, dict):
            return data
        raise unreadable(call, "success without data")
    errno = errno_of(answer)
    if errno is not None and body is not None:
        words = f"{errno} {clean(body.get('msg'))}".strip()
        raise _error(ERRNOS[call].get(errno, UNLISTED[call]), words, answer)
    words = f"HTTP {answer.status}" + ("" if body is not None else ", no JSON object")
    verdict = HTTP_STATUSES[call].get(answer.status, UNLISTED[call])
    if verdict.retryable and answer.status >= 500:  # noqa: PLR2004 - the server's own errors
        verdict = replace(verdict, code=Code.PROVIDER_DOWN)
    raise _error(verdict, words, answer)


def errno_of(answer: Answer) -> int | None:
    """Return the vendor's error number; None where it was not the vendor that spoke."""
    body = _json(answer)
    # A gateway's 5xx says nothing about what the service behind it did, whatever its body holds.
    if body is None or answer.status >= 500 or number(body.get("code")) == SUCCESS:  # noqa: PLR2004
        return None
    return number(body.get("errno"))


def handle_in(call: Call, data: Mapping[str, Any]) -> str:
    """Return the one handle that a send is answered with."""
    given = data.get("mdf")
    handles = given if isinstance(given, list) else [given]
    if len(handles) == 1 and isinstance(handles[0], str) and _HANDLE.fullmatch(handles[0]):
        return handles[0]
    raise unreadable(call, "not one id")


def states_in(
    data: Mapping[str, Any], handles: Collection[str]
) -> dict[str, RemoteState | ProviderError]:
    """Return what was said of each of `handles`; those not spoken of are left out."""
    entries = data.get("mdfs")
    if not isinstance(entries, list):
        raise unreadable(Call.STATUS, "no list of states")
    wanted = set(handles)
    return {
        entry["mdf"]: _state(entry)
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("mdf"), str) and entry["mdf"] in wanted
    }


def state_in_v1(data: Mapping[str, Any]) -> RemoteState:
    """Return what version 1 says of a photo."""
    stage = _V1_STATUSES.get(number(data.get("status")) or 0)
    if stage is None:
        raise unreadable(Call.STATUS, f"unknown status {clean(data.get('status'))}")
    return RemoteState(stage, vendor_words=clean(data.get("msg")))


def state_of_error(error: ProviderError) -> RemoteState | ProviderError:
    """Return the state that an error about one photo stands for, or the error itself."""
    if error.code is Code.PROVIDER_COPY_GONE:
        return RemoteState(RemoteStage.GONE, vendor_words=error.vendor_words)
    # Version 1 has no word for a photo that failed but an "other error" that says so.
    if error.code is Code.PROVIDER_DOWN and _V1_FAILED_WORDS in error.vendor_words:
        return RemoteState(RemoteStage.FAILED, vendor_words=error.vendor_words)
    return error


def address_in(data: Mapping[str, Any]) -> str:
    """Return the address of a result; it stays in memory."""
    address = data.get("url")
    if isinstance(address, str) and address:
        return address
    raise unreadable(Call.DOWNLOAD, "no address")


def credits_in(data: Mapping[str, Any]) -> int:
    """Return the credits left."""
    left = number(data.get("nums"))
    if left is None or not 0 <= left <= _MOST_CREDITS:
        raise unreadable(Call.CREDITS, "no number of credits")
    return left


def unreadable(call: Call, words: str) -> ProviderError:
    """Return the error for an answer that is a success and makes no sense."""
    verdict = UNLISTED[call]
    return ProviderError(
        verdict.code, retryable=verdict.retryable, charged=verdict.charged, vendor_words=words
    )


def number(value: object) -> int | None:
    """Read a whole number that may come as text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def clean(words: object) -> str:
    """Return the vendor's words for the operator: short, one line, without what must not leak."""
    if not isinstance(words, str | int):
        return ""
    line = "".join(letter if letter.isprintable() else " " for letter in str(words)[:2000])
    return _TELLING.sub("[…]", " ".join(line.split()))[:_LONGEST_WORDS]


def _state(entry: Mapping[str, Any]) -> RemoteState | ProviderError:
    words = clean(entry.get("state"))
    code, task = entry.get("code"), number(entry.get("task"))
    by_task, operation = _BY_TASK.get(task or 0, (None, None))
    by_code = _BY_CODE.get(-1 if (read_code := number(code)) is None else read_code)
    if code is not None and by_code is None:
        return unreadable(Call.STATUS, f"unknown code {clean(code)} {words}")
    if by_code and by_task and by_code != by_task and {by_code, by_task} & set(_FINAL):
        return unreadable(Call.STATUS, f"code {clean(code)} with task {task} {words}")
    # The task says more than the code while a photo is under way.
    stage = by_task or by_code or _stage_by_words(words)
    if stage is None:
        return unreadable(Call.STATUS, f"unknown state {words}")
    return RemoteState(stage, operation, words)


def _stage_by_words(words: str) -> RemoteStage | None:
    if words == _DONE_WORDS:
        return RemoteStage.DONE
    return next((stage for part, stage in _BY_WORDS if part in words), None)


def _json(answer: Answer) -> Mapping[str, Any] | None:
    try:
        body = json.loads(answer.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _error(verdict: Verdict, words: str, answer: Answer) -> ProviderError:
    return ProviderError(
        verdict.code,
        retryable=verdict.retryable,
        retry_after=answer.retry_after,
        charged=verdict.charged,
        vendor_words=words,
    )
