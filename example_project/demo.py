"""Runs the demo: migrates, starts site and worker, has the sample enhanced, and stops in order.

With EXAMPLE_PROVIDER=sandbox a stand-in for the Hili service runs beside them.

Owns the processes and the terminal. Knows the site only by its command line and its address.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
MANAGE = [sys.executable, str(HERE / "manage.py")]
DATA_DIR = Path(os.environ.get("HILI_DEMO_DIR") or HERE.parent / ".demo").absolute()
PROVIDER = os.environ.get("EXAMPLE_PROVIDER", "local")
SANDBOX_CREDITS = 5
"""Few enough to run out while somebody watches."""
START_PATIENCE = 40.0
STOP_PATIENCE = 45.0
"""Seconds the worker has for the photo in its hand before it is killed."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """Somebody asked the demo to stop."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Process:
    """A part of the demo in a session of its own, so that Ctrl-C reaches this script alone."""

    def __init__(self, name: str, *command: str, program: Sequence[str] = MANAGE) -> None:
        self.name = name
        self.log = DATA_DIR / f"{name}.log"
        self._output: IO[bytes] = self.log.open("wb")
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [*program, *command],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def check(self) -> None:
        """Raise `DemoError` with the last words of a process that has ended by itself."""
        if self._process.poll() is not None:
            words = self.log.read_text(errors="replace")[-1500:]
            raise DemoError(f"The {self.name} ended by itself:\n{words}")

    def stop(self, number: signal.Signals) -> None:
        """Ask the process to end, wait, and end what is left of it."""
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                say(f"The {self.name} did not end in time and is killed.")
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()


def main() -> int:
    """Run the demo and return its exit code."""
    options = _options()
    with _own_terminal():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)
        try:
            _run(once=options.once)
        except Stopped:
            say(f"\nStopped. What the demo wrote is in {DATA_DIR}; `make clean-demo` removes it.")
        except DemoError as error:
            say(str(error))
            return 1
    return 0


def _run(*, once: bool) -> None:
    if PROVIDER not in {"local", "sandbox"}:
        raise DemoError("EXAMPLE_PROVIDER is local or sandbox.")
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = _free_port()
    password = _own_secret("demo-password")
    manage("migrate", "--verbosity", "0")
    manage("demo_user", HILI_DEMO_PASSWORD=password)
    manage("demo_policy")
    address = f"http://127.0.0.1:{port}"
    running: list[tuple[Process, signal.Signals]] = []
    try:
        vendor = _start_sandbox(running) if PROVIDER == "sandbox" else ""
        site = Process("site", "runserver", f"127.0.0.1:{port}", "--noreload", "--insecure")
        running.insert(0, (site, signal.SIGINT))
        worker = Process("worker", "qcluster")
        running.insert(1, (worker, signal.SIGTERM))
        _wait_for(address + "/login/", site)
        say(f"Site and worker are running. Log in as demo, password {password}\n")
        say("The worker enhances the sample photo …")
        manage("demo_sample", "--address", address, *(["--anew"] if once else []))
        say(
            f"\n  gallery  {address}/\n  admin    {address}/admin/\n  logs     {DATA_DIR}\n{vendor}"
        )
        if not once:
            say(f"Ctrl-C stops {'site, worker and vendor' if vendor else 'site and worker'}.")
            _stay(*(process for process, _ in running))
    finally:
        _stop_all(running)


def _start_sandbox(running: list[tuple[Process, signal.Signals]]) -> str:
    """Start the stand-in for the vendor, tell the site where it is, and return words about it."""
    address = f"http://127.0.0.1:{_free_port(8090)}"
    os.environ["EXAMPLE_SANDBOX"] = address
    sandbox = Process(
        "sandbox", "--port", address.rpartition(":")[2], "--third-code", "album",
        f"--secret-key={_own_secret('sandbox-secret')}", "--credits", str(SANDBOX_CREDITS),
        "--seconds", "4", program=[sys.executable, "-m", "django_hili.sandbox"],
    )  # fmt: skip
    running.append((sandbox, signal.SIGTERM))
    _wait_for(f"{address}/control/state", sandbox)
    return (
        f"  vendor   {address}/control/  ({SANDBOX_CREDITS} credits; disturb it here)\n\n"
        f"What the doctor says of it:\n  {_doctor_line(address)}\n"
    )


def _doctor_line(vendor: str) -> str:
    """Return the line that asks the doctor of this very demo, to be copied into a shell."""
    words = {"HILI_DEMO_DIR": _short(DATA_DIR), "EXAMPLE_PROVIDER": PROVIDER,
             "EXAMPLE_SANDBOX": vendor}  # fmt: skip
    program = [_short(Path(sys.executable)), _short(HERE / "manage.py"), "hili_doctor"]
    settings = (f"{name}={shlex.quote(value)}" for name, value in words.items())
    return " ".join([*settings, shlex.join(program)])


def _short(path: Path) -> str:
    """Return a path as seen from here, where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _stop_all(running: list[tuple[Process, signal.Signals]]) -> None:
    """End the site first, so that nothing new arrives while the worker finishes; a vendor last."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for process, number in running:
        process.stop(number)


def _stay(*processes: Process) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # whoever started the demo may be gone without a word
        for process in processes:
            process.check()
        time.sleep(0.5)


def manage(*command: str, **environment: str) -> None:
    """Run one management command to its end. Raises `DemoError` if it fails."""
    # In a session of its own too: a Ctrl-C in here is ours to answer.
    process = subprocess.Popen(  # noqa: S603 - our own manage.py
        [*MANAGE, *command], env={**_environment(), **environment}, start_new_session=True
    )
    try:
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        raise DemoError(f"manage.py {command[0]} failed.")


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "HILI_DEMO_DIR": str(DATA_DIR),
        "HILI_DEMO_DEBUG": "0",
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path[1:]]),
        "PYTHONUNBUFFERED": "1",
    }


def _own_secret(name: str) -> str:
    """Return a secret of this copy's own, made at first start."""
    path = DATA_DIR / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(9))
    return path.read_text()


def _free_port(first: int = 8000, tries: int = 50) -> int:
    for port in range(first, first + tries):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoError(f"No port between {first} and {first + tries} is free.")


def _wait_for(address: str, site: Process) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline:
        site.check()
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise DemoError(f"The {site.name} does not answer.")


def _stop(*_: object) -> None:
    raise Stopped


@contextmanager
def _own_terminal() -> Iterator[None]:
    """Take the terminal's signals for this process group, and give them back.

    Ctrl-C then reaches the demo and not `make`, which would report the orderly stop as a failure.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        yield
        return
    before = os.tcgetpgrp(terminal)
    # In the background the terminal is not ours to take; as the first of our group it is ours.
    if before != os.getpgrp() or os.getpgrp() == os.getpid():
        os.close(terminal)
        yield
        return
    for number in (signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)
        os.close(terminal)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the example site and its worker.")
    parser.add_argument(
        "--once", action="store_true", help="stop by itself once the sample is enhanced"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
