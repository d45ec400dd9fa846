"""The process in which large results are checked, cleaned and marked, one at a time.

Reads requests from standard input and answers on standard output until its input closes. Knows
neither the site nor its database; what it holds of a photo is gone with the answer.
"""

from __future__ import annotations

import json
import os
import resource
from typing import Any

from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.clean import clean
from django_hili.imaging.encode import SourceType
from django_hili.imaging.frames import pack_head, unpack_head
from django_hili.imaging.marking import marked

_HEAD = 8
_MOST_AT_ONCE = 1 << 20


def main() -> None:
    """Serve requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the photo
    answers = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not break the framing
    while lengths := _read(_HEAD):
        head_size, content_size = unpack_head(bytes(lengths))
        head = json.loads(_read(head_size))
        answer, made = _serve(bytes(_read(content_size)), head)
        _write(answers, pack_head(answer, len(made)))
        _write(answers, made)
        del made


def _serve(content: bytes, head: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        photo = clean(content, max_megapixels=head["max_megapixels"])
    except InvalidPhotoError as error:
        return {"kind": "refused", "code": error.code.value, "params": error.params}, b""
    answer = {
        "kind": "done",
        "content_type": photo.content_type,
        "width": photo.width,
        "height": photo.height,
        "warnings": [code.value for code in photo.warnings],
    }
    return answer, marked(photo, dpi=head["dpi"], mark=SourceType(head["mark"]))


def _read(size: int) -> bytearray:
    """Read exactly `size` bytes; empty at the end of the input."""
    content = bytearray()
    while len(content) < size:
        part = os.read(0, min(size - len(content), _MOST_AT_ONCE))
        if not part:
            return bytearray()
        content += part
    return content


def _write(pipe: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(pipe, left) :]


if __name__ == "__main__":
    main()
