"""Own the reading of a request body: form fields and files, whole or not at all.

Must not know what the fields mean. It is stricter than Django's own parser in one point that
matters here: a body that ends before its closing delimiter is never taken for a shorter file, so
what a client did not finish sending is never accepted and never charged.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from django.http import HttpRequest, QueryDict

_PIECE = 256 * 1024
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)
_PARAMETER = re.compile(rb'\b(filename|name)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_IN_MEMORY = 4 * 1024 * 1024
_LONGEST_HEAD = 16 * 1024
_large = threading.BoundedSemaphore(4)


class BodyError(Exception):
    """The body is not a whole form."""


class BodyCutShortError(BodyError):
    """The connection ended before the body did: there is nobody left to answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class SentFile:
    """A file part: the name its sender gave it, and its bytes."""

    name: str
    content: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """The fields and files of one request, repeated ones in order."""

    fields: Mapping[str, list[str]]
    files: Mapping[str, list[SentFile]]

    def first(self, name: str, default: str = "") -> str:
        """Return the first value of a field."""
        values = self.fields.get(name)
        return values[0] if values else default


def read_partly(request: HttpRequest, share: float) -> None:
    """Read a share of a body and leave the rest; the connection is of no use afterwards."""
    left = int(int(request.META.get("CONTENT_LENGTH") or 0) * share)
    while left > 0:
        try:
            piece = request.read(min(left, _PIECE))
        except OSError:
            return
        if not piece:
            return
        left -= len(piece)


@contextmanager
def received(request: HttpRequest) -> Iterator[IO[bytes]]:
    """Take the whole body off the connection; slow senders fill a file, not the memory.

    Raises BodyError for one without an honest length, BodyCutShortError where it ends early.
    """
    try:
        left = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise BodyError("the length is not a number") from None
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        while left:
            try:
                piece = request.read(min(left, _PIECE))
            except OSError:
                raise BodyCutShortError("the connection ended early") from None
            if not piece:
                raise BodyCutShortError("the body ended early")
            spool.write(piece)
            left -= len(piece)
        if spool.tell() <= _IN_MEMORY:
            yield spool
        else:
            # Hundreds of large photos may arrive at once; a few at a time are in memory.
            with _large:
                yield spool


def parsed(request: HttpRequest, spool: IO[bytes], *, largest_bytes: int) -> Form:
    """Read the form in a received body; BodyError when it is none, or too long."""
    if spool.tell() > largest_bytes:
        raise BodyError("the body is too long")
    spool.seek(0)
    body = spool.read()
    if request.content_type != "multipart/form-data":
        values = QueryDict(body, encoding=request.encoding or "utf-8")
        return Form(fields={name: values.getlist(name) for name in values}, files={})
    match = _BOUNDARY.search(request.META.get("CONTENT_TYPE", ""))
    if match is None:
        raise BodyError("the form has no boundary")
    return parse_multipart(body, boundary=match[1].encode("latin-1", "replace"))


def parse_multipart(body: bytes, *, boundary: bytes) -> Form:
    """Split a multipart body; the closing delimiter must be there."""
    fields: dict[str, list[str]] = {}
    files: dict[str, list[SentFile]] = {}
    delimiter = b"\r\n--" + boundary
    opening = b"--" + boundary
    if not body.startswith(opening):
        raise BodyError("the form does not start with its boundary")
    at = len(opening)
    while body[at : at + 2] != b"--":
        head_end = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        end = body.find(delimiter, head_end)
        if head_end < 0 or end < 0:
            raise BodyError("the form is not whole")
        name, file_name = _names(body[at:head_end])
        content = body[head_end + 4 : end] if end >= head_end + 4 else b""
        if file_name is None:
            fields.setdefault(name, []).append(content.decode("utf-8", "replace"))
        elif file_name or content:
            files.setdefault(name, []).append(SentFile(file_name, content))
        at = end + len(delimiter)
    return Form(fields=fields, files=files)


def _names(head: bytes) -> tuple[str, str | None]:
    """Read the field's name, and the file's name if the part is a file."""
    found = {key.lower(): value for key, value in _PARAMETER.findall(head)}
    name = found.get(b"name", b"").decode("utf-8", "replace")
    file_name = found.get(b"filename")
    return name, None if file_name is None else file_name.decode("utf-8", "replace")
