"""Has photos rebuilt in a process apart, so that hostile bytes never meet a decoder here.

Owns that process: started when first needed, used again, limited in memory and time, and
ended when it oversteps. One photo at a time each; threads that come at the same moment get
one each. Nothing of the photos' formats is known here.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError, ProviderError
from django_hili.imaging.encode import SourceType
from django_hili.imaging.frames import pack, unpack_head
from django_hili.imaging.rebuild import CleanPhoto

TIME_LIMIT = 60
"""Seconds that one photo may take, at the least."""
SECONDS_PER_MEGAPIXEL = 1.5
"""Where a site admits photos above 40 megapixels. Time and memory are no settings of their own:
what a photo may cost follows from how large the site lets it be. The slowest kind, 40 megapixels
with transparency, took 18 to 32 s on two processors with twelve processes waiting for them.
"""
_MODULE = "django_hili.imaging.apart_process"
_HEAD = 8


def rebuild_apart(
    content: bytes, *, max_megapixels: int, time_limit: int | None = None
) -> CleanPhoto:
    """Return `content` made anew from its pixels, in a process apart.

    Raises `InvalidPhotoError`: with the reason, or with PHOTO_UNREADABLE where the photo went
    past the limits of memory or time or broke a decoder. Raises `ProviderError` where no
    process can be started.
    """
    if time_limit is None:
        time_limit = max(TIME_LIMIT, round(SECONDS_PER_MEGAPIXEL * max_megapixels))
    process = _idle.take((max_megapixels, time_limit)) or _Process(max_megapixels, time_limit)
    answered = False
    try:
        answer, made = process.ask(content)
        answered = True
    except (EOFError, OSError):
        raise InvalidPhotoError(Code.PHOTO_UNREADABLE) from None
    finally:
        if answered:
            _idle.give(process)
        else:
            process.kill()
    if answer["kind"] == "refused":
        raise InvalidPhotoError(Code(answer["code"]), **answer["params"])
    return CleanPhoto(
        content=made,
        content_type=answer["content_type"],
        width=answer["width"],
        height=answer["height"],
        warnings=tuple(Code(code) for code in answer["warnings"]),
        mark=SourceType(answer["mark"]) if answer["mark"] else None,
    )


class _Process:
    """One process apart, with pipes to it."""

    def __init__(self, max_megapixels: int, time_limit: int) -> None:
        self.limits = (max_megapixels, time_limit)
        self._time_limit = time_limit
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [interpreter(), "-m", _MODULE, str(max_megapixels), str(time_limit)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                },
                start_new_session=True,  # one signal then ends it together with its fork
            )
        except OSError:
            raise ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True) from None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended while it waited."""
        return self._child.poll() is None

    def ask(self, content: bytes) -> tuple[dict[str, Any], bytes]:
        """Hand a photo over and wait for the answer. Raises EOFError or OSError if it dies."""
        overtime = threading.Event()

        def end() -> None:
            overtime.set()
            self._signal()

        alarm = threading.Timer(self._time_limit, end)
        alarm.daemon = True
        alarm.start()
        try:
            self._write(pack({}, content))
            head_size, content_size = unpack_head(self._read(_HEAD))
            answer: dict[str, Any] = json.loads(self._read(head_size))
            made = self._read(content_size)
        finally:
            alarm.cancel()
            alarm.join()
        if overtime.is_set():  # it answered just in time and was killed all the same
            raise EOFError
        return answer, made

    def kill(self) -> None:
        """End the process and its fork, and wait until they are gone."""
        self._signal()
        self._child.wait()
        self.forget()

    def forget(self) -> None:
        """Close the pipes. After a fork of this process they belong to somebody else."""
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        if self._child.returncode is None:
            self._child.returncode = 0  # not our child: nothing to wait for, nothing to warn of

    def _signal(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _write(self, frame: bytes) -> None:
        assert self._child.stdin is not None  # noqa: S101 - asked for as a pipe
        left = memoryview(frame)
        while left:
            left = left[self._child.stdin.write(left) :]

    def _read(self, size: int) -> bytes:
        assert self._child.stdout is not None  # noqa: S101 - asked for as a pipe
        parts = bytearray()
        while len(parts) < size:
            part = self._child.stdout.read(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


class _Idle:
    """The processes that wait for work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[_Process] = []

    def take(self, limits: tuple[int, int]) -> _Process | None:
        """Return a process with these limits; end those that have other ones."""
        with self._lock:
            if not self._processes:
                return None
            process = self._processes.pop()
        if process.limits == limits and process.is_alive:
            return process
        process.kill()
        return self.take(limits)

    def give(self, process: _Process) -> None:
        """Keep a process for the next photo."""
        with self._lock:
            self._processes.append(process)

    def end(self) -> None:
        """End all of them, when the interpreter ends."""
        while self._processes:
            self._processes.pop().kill()

    def forget(self) -> None:
        """Let go of what the parent had at the moment of a fork; its lock may have been held."""
        self._lock = threading.Lock()
        while self._processes:
            self._processes.pop().forget()


_idle = _Idle()
atexit.register(_idle.end)
os.register_at_fork(after_in_child=_idle.forget)


def interpreter() -> str:
    """Return the path of Python; in uWSGI and the like `sys.executable` is the server."""
    if Path(sys.executable or "").name.startswith("python"):
        return sys.executable
    return str(Path(sys.exec_prefix) / "bin" / "python3")
