"""Starts real workers as processes of their own, on the tests' own database and storage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def environment(**extra: str) -> dict[str, str]:
    """The variables under which a process finds this test run's database and folder."""
    name = str(connection.settings_dict["NAME"])
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
        "HILI_TEST_NAME": name,
        **extra,
    }


def start(*words: str, **extra: str) -> subprocess.Popen[bytes]:
    """Start `manage.py words…` in a process group of its own."""
    return start_python("-m", "django", *words, **extra)


def start_python(*words: str, **extra: str) -> subprocess.Popen[bytes]:
    """Start `python words…` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(**extra),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@contextmanager
def running(*words: str, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command while the block lasts; end its whole group afterwards."""
    with running_python("-m", "django", *words, **extra) as process:
        yield process


@contextmanager
def running_python(*words: str, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block lasts; end its whole group afterwards."""
    process = start_python(*words, **extra)
    try:
        yield process
    finally:
        kill_group(process)
        process.communicate()


def finish(*words: str, timeout: float = 120, **extra: str) -> tuple[int, str]:
    """Run a command to its end; return its exit code and what it printed."""
    process = start(*words, **extra)
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        kill_group(process)
    return process.returncode, output.decode()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 the process and everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(claim: Callable[[], bool], *, timeout: float = 90, what: str = "it") -> None:
    """Wait until `claim` holds; fail after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not claim():
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(0.05)


def engine_processes() -> list[int]:
    """The engine's processes of this test run, by number."""
    ours = b"HILI_TEST_DIR=" + os.environ["HILI_TEST_DIR"].encode() + b"\0"
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
            variables = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"django_hili.providers.local_process" in line and ours in variables:
            found.append(int(entry.name))
    return found
