"""Own the catalogue of faults: their names, texts and figures; must not know requests or rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

UPLOADS: Final = "uploads"
STATUS: Final = "status"
DOWNLOAD: Final = "download"
NUMS: Final = "nums"
FILE: Final = "file"
ANY: Final = "any"

CALLS: Final = (UPLOADS, STATUS, DOWNLOAD, NUMS)
ENDPOINTS: Final = (*CALLS, FILE)


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A fault that can be switched on."""

    name: str
    title: str
    text: str
    endpoints: tuple[str, ...]
    params: Mapping[str, Any]
    """The figures it takes, with their defaults; their types are the defaults' types."""

    @property
    def is_early(self) -> bool:
        """Return whether it befalls a call before its body is read and its sender known."""
        return self.name == "hang_up"


def _kind(name: str, title: str, text: str, endpoints: tuple[str, ...], **params: Any) -> Kind:
    return Kind(name, title, text, endpoints, MappingProxyType(params))


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _kind(
                "slow",
                "Slow answer",
                "Carries the request out, then waits before it answers.",
                ENDPOINTS,
                seconds=3.0,
            ),
            _kind(
                "dribble",
                "Dribbling answer",
                "Sends the answer a few bytes at a time.",
                ENDPOINTS,
                bytes_per_second=2000,
            ),
            _kind(
                "http_error",
                "HTTP error",
                "Answers with a status such as 500, 502, 503 or 504 and an HTML page.",
                ENDPOINTS,
                status=503,
                accepted=False,
            ),
            _kind(
                "rate_limited",
                "Too many requests",
                "Answers 429; Retry-After in seconds, as an HTTP date, or not at all (none).",
                ENDPOINTS,
                retry_after=3,
                form="seconds",
            ),
            _kind(
                "rate_limit",
                "Rate limit",
                "Answers 429 to what comes faster than this, and tells to wait a moment.",
                CALLS,
                per_second=5.0,
                burst=5,
                retry_after=1,
            ),
            _kind(
                "hang_up",
                "Hang up in the middle",
                "Stops reading an upload after this share of its body, and closes.",
                (UPLOADS,),
                share=0.5,
            ),
            _kind(
                "lost_answer",
                "Lost answer",
                "Closes the connection without a byte; reset sends a TCP reset instead.",
                ENDPOINTS,
                accepted=True,
                reset=False,
            ),
            _kind(
                "cut_short",
                "Answer cut short",
                "Promises the whole answer, sends this share of it, and closes.",
                ENDPOINTS,
                share=0.5,
            ),
            _kind(
                "broken_json",
                "Broken JSON",
                "Answers 200 with JSON that ends in the middle.",
                CALLS,
            ),
            _kind(
                "html",
                "HTML instead of JSON",
                "Answers with a gateway's error page.",
                CALLS,
                status=200,
                accepted=True,
            ),
            _kind(
                "errno",
                "Any error number",
                "Refuses with this errno, known or unknown, without doing anything.",
                CALLS,
                errno=7777,
                msg="未知错误",
                accepted=False,
            ),
            _kind(
                "no_credits",
                "No credits",
                "Uploads are refused with 9101 and the credits call says 0.",
                (UPLOADS, DOWNLOAD, NUMS),
            ),
            _kind(
                "numbers_as_text",
                "Numbers as text",
                "Writes code, errno, status, task and nums as strings.",
                CALLS,
            ),
            _kind(
                "wrong_clock",
                "Wrong clock",
                "Judges tokens by a clock this far off, and writes it into the Date header.",
                CALLS,
                seconds=300.0,
                tell=True,
            ),
            _kind(
                "wrong_ids",
                "Wrong number of ids",
                "Leaves ids out of the answer (negative) or adds unknown ones.",
                (UPLOADS, STATUS),
                count=-1,
            ),
            _kind(
                "older_server",
                "Older server",
                "Leaves code and task out of every picture's status.",
                (STATUS,),
            ),
            _kind(
                "without_field",
                "Missing field",
                "Leaves a field out wherever it stands in the answer.",
                CALLS,
                field="data",
            ),
            _kind(
                "unknown_state",
                "Unknown state",
                "Gives every picture a state text that no document lists.",
                (STATUS,),
                state="任务状态异常",
                code=0,
            ),
            _kind(
                "slow_processing",
                "Slow processing",
                "Pictures uploaded now take this many seconds more.",
                (UPLOADS,),
                seconds=30.0,
            ),
            _kind(
                "fails",
                "Processing fails",
                "Pictures uploaded now end as failed.",
                (UPLOADS,),
                reason="模型处理异常",
            ),
            _kind(
                "expired",
                "Expiry at once",
                "Deletes the pictures asked about, then answers 9002.",
                (STATUS, DOWNLOAD, FILE),
            ),
            _kind(
                "result_url",
                "Foreign result address",
                "The download call answers this address instead of its own.",
                (DOWNLOAD,),
                url="http://169.254.169.254/latest/meta-data/",
            ),
            _kind(
                "redirect",
                "Redirect",
                "The result address redirects: to the file after so many hops, or to an address.",
                (FILE,),
                hops=1,
                to="",
                status=302,
            ),
            _kind(
                "wrong_file",
                "Wrong file",
                "The result address serves something else: html, text, empty, truncated, other"
                " (another picture), short_length or long_length (a lying header).",
                (FILE,),
                what="html",
            ),
        )
    }
)
"""Every fault by its name."""

CHOICES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        ("rate_limited", "form"): ("seconds", "date", "none"),
        ("wrong_file", "what"): (
            "html",
            "text",
            "empty",
            "truncated",
            "other",
            "short_length",
            "long_length",
        ),
    }
)
"""The closed lists among the figures."""
