"""The process in which photos are decoded at the door, each in a fork of its own.

Reads requests from standard input and answers on standard output until its input closes. The
process itself never looks at a photo: it forks, the fork limits its memory and time, rebuilds
one photo and is gone. So no photo meets another one, and what a fork costs is a few
milliseconds. Knows nothing of the site.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys

from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.frames import pack, unpack_head
from django_hili.imaging.rebuild import rebuild

_HEAD = 8
_BASE_BYTES = 512 * 1024**2
"""Address space of the interpreter, its libraries and the largest file."""
_BYTES_PER_PIXEL = 24
"""Room for the largest chain of copies: decoder, turned, managed, and the encoder's."""


def main(max_megapixels: int, time_limit: int) -> None:
    """Serve requests until standard input ends, or until a photo has killed its fork."""
    Image.preinit()
    for name in ("WebP", "Tiff"):
        importlib.import_module(f"PIL.{name}ImagePlugin")  # once here, not in every fork
    answers = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not break the framing
    while lengths := _read(_HEAD):
        pid = os.fork()
        if pid == 0:
            _serve_and_end(lengths, answers, max_megapixels, time_limit)
        if os.waitpid(pid, 0)[1]:
            # Half an answer may be in the pipe: only its end tells the other side for certain.
            sys.exit(1)


def _serve_and_end(lengths: bytes, answers: int, max_megapixels: int, time_limit: int) -> None:
    try:
        head_size, content_size = unpack_head(lengths)
        _read(head_size)
        content = _read(content_size)
        _limit(_BASE_BYTES + max_megapixels * 1_000_000 * _BYTES_PER_PIXEL, time_limit)
        with os.fdopen(answers, "wb") as pipe:
            pipe.write(_serve(content, max_megapixels))
    except BaseException:  # noqa: BLE001 - a fork must never return into the loop of its parent
        os._exit(1)
    os._exit(0)


def _limit(memory: int, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the photo
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # The other side watches the clock; this holds where that side was killed itself.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def _serve(content: bytes, max_megapixels: int) -> bytes:
    try:
        made = rebuild(content, max_megapixels=max_megapixels)
    except InvalidPhotoError as error:
        return pack({"kind": "refused", "code": error.code.value, "params": error.params})
    except MemoryError:
        return pack({"kind": "refused", "code": Code.PHOTO_UNREADABLE.value, "params": {}})
    answer = {
        "kind": "done",
        "content_type": made.content_type,
        "width": made.width,
        "height": made.height,
        "warnings": [code.value for code in made.warnings],
        "mark": made.mark,
    }
    return pack(answer, made.content)


def _read(size: int) -> bytes:
    """Read exactly `size` bytes and no more, so that a fork finds the rest; empty at the end."""
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
