"""Has large results checked, cleaned and marked in a process apart, by the piece.

Owns that process: started when first needed, used again, given a time limit, ended when it
oversteps. In this process a photo is never whole: pieces go from the vault to the other side
and from there back into the vault.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import InvalidPhotoError, ProviderError
from django_hili.imaging.apart import interpreter
from django_hili.imaging.encode import SourceType
from django_hili.imaging.frames import pack_head, unpack_head
from django_hili.media import vault
from django_hili.models import Media

TIME_LIMIT = 120.0
"""Seconds that one result may take."""
_MODULE = "django_hili.jobs.worker.checking_process"
_HEAD = 8
_PIECE = 256 * 1024
_LAST_BREATH = 5.0
"""Seconds that a process which no longer answers has to be gone."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished photo turned out to be."""

    content_type: str
    width: int
    height: int
    warnings: tuple[Code, ...] = ()


class Finisher:
    """One process apart. One photo at a time: its caller sees to that."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def finish(self, raw: Media, media: Media, *, dpi: int, mark: SourceType) -> Finished:
        """Check what lies in `raw` and lay the finished photo down in `media`, with its mark.

        Raises `InvalidPhotoError` where it is no photo this site takes, `StorageError` where the
        vault failed, `ProviderError` where the process cannot be started or has ended meanwhile.
        """
        child = self._running()
        is_over = threading.Event()
        alarm = threading.Timer(TIME_LIMIT, self._overstep, [is_over])
        alarm.daemon = True
        alarm.start()
        is_whole = False
        try:
            finished = self._talk(child, raw, media, {"dpi": dpi, "mark": mark.value})
            is_whole = True
        except (EOFError, OSError):
            raise _ended(child, is_over=is_over.is_set()) from None
        except InvalidPhotoError:
            is_whole = True
            raise
        finally:
            alarm.cancel()
            if not is_whole:
                self.close()
        return finished

    def close(self) -> None:
        """End the process."""
        self._signal()
        child, self._child = self._child, None
        if child is not None:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with contextlib.suppress(OSError):
                    if pipe:
                        pipe.close()

    def _talk(
        self, child: subprocess.Popen[bytes], raw: Media, media: Media, wish: dict[str, Any]
    ) -> Finished:
        side = get_settings().limits.max_result_side
        head = {**wish, "max_megapixels": side**2 // 1_000_000}
        _write(child, pack_head(head, raw.size))
        for piece in vault.stream_unpublished(raw):
            _write(child, piece)
        head_size, content_size = unpack_head(b"".join(_read(child, _HEAD)))
        answer = json.loads(b"".join(_read(child, head_size)))
        if answer["kind"] == "refused":
            raise InvalidPhotoError(Code(answer["code"]), **answer["params"])
        vault.write_pieces(media, _read(child, content_size))
        return Finished(
            answer["content_type"],
            answer["width"],
            answer["height"],
            tuple(Code(code) for code in answer["warnings"]),
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        path = os.pathsep.join(path for path in sys.path if path)
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [interpreter(), "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # a signal to the worker's group is not meant for it
            )
        except OSError:
            raise ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True) from None
        return self._child

    def _overstep(self, is_over: threading.Event) -> None:
        is_over.set()
        self._signal()

    def _signal(self) -> None:
        if self._child is not None and self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)


def _ended(child: subprocess.Popen[bytes], *, is_over: bool) -> ProviderError:
    """Say what it means that a process has ended in the middle of a result.

    Killed by somebody, most likely for memory: nothing about this photo. By its own fault or for
    its time: this photo's, if it happens again.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_LAST_BREATH)
    was_killed = child.returncode == -signal.SIGKILL and not is_over
    code = Code.ENGINE_UNAVAILABLE if was_killed else Code.RESULT_INVALID
    return ProviderError(code, retryable=True)


def _write(child: subprocess.Popen[bytes], piece: bytes) -> None:
    assert child.stdin is not None  # noqa: S101 - asked for as a pipe
    left = memoryview(piece)
    while left:
        left = left[child.stdin.write(left) :]


def _read(child: subprocess.Popen[bytes], size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes in pieces. Raises EOFError where the other side has ended."""
    assert child.stdout is not None  # noqa: S101 - asked for as a pipe
    while size:
        piece = child.stdout.read(min(size, _PIECE))
        if not piece:
            raise EOFError
        size -= len(piece)
        yield piece
