"""Own a handle on a running sandbox for tests and scripts; must not import Django.

``running_sandbox`` starts the sandbox as a process of its own, so that a test can stop it, kill
it, or be killed itself without leaving one behind. ``Control`` speaks to the control API of any
sandbox, mounted ones too. The standard library is all it needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_TIMEOUT_SECONDS: Final = 30.0
_START_SECONDS: Final = 30.0

Json = dict[str, Any]


class SandboxError(Exception):
    """The sandbox did not start, or refused what the control API was asked."""


class Control:
    """Turns the knobs of a sandbox and reads its books."""

    def __init__(self, base_url: str) -> None:
        self._root = base_url.rstrip("/") + "/control/"
        # A proxy from the environment must not stand between a test and its loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send one control request; SandboxError with the sandbox's own words if refused."""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is the sandbox's own
            self._root + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(f"{error.code} {error.read().decode()}") from None

    def state(self) -> Json:
        """Return everything that the control page shows."""
        return self.call("GET", "state")

    def set(self, **settings: Any) -> Json:
        """Change settings, such as ``mode`` or ``processing_seconds_min``; return all of them."""
        return self.call("PATCH", "settings", settings)

    def processing(self, shortest: float, longest: float | None = None) -> Json:
        """Make every picture uploaded from now on take this many seconds."""
        upper = shortest if longest is None else longest
        return self.set(processing_seconds_min=shortest, processing_seconds_max=upper)

    def travel(self, seconds: float) -> float:
        """Move the calendar on by so many seconds, real time aside; return the whole distance."""
        now = float(self.call("GET", "settings")["travel_seconds"])
        return float(self.set(travel_seconds=now + seconds)["travel_seconds"])

    def fault(
        self,
        kind: str,
        endpoint: str = "any",
        *,
        times: int | None = None,
        skip: int = 0,
        chance: float = 1.0,
        third_code: str = "",
        **params: Any,
    ) -> int:
        """Switch a fault on for all requests or the next ``times``; return its id."""
        body: Json = {
            "kind": kind,
            "endpoint": endpoint,
            "times": times,
            "skip": skip,
            "chance": chance,
            "third_code": third_code,
            "params": params,
        }
        return int(self.call("POST", "faults", body)["id"])

    def faults(self) -> list[Json]:
        """Return the faults with their hits."""
        return list(self.call("GET", "faults")["faults"])

    def clear_faults(self, rule_id: int | None = None) -> int:
        """Switch one fault off, or all."""
        path = "faults" if rule_id is None else f"faults/{rule_id}"
        return int(self.call("DELETE", path)["removed"])

    def add_partner(
        self,
        third_code: str,
        secret_key: str,
        *,
        credit_count: int = 0,
        charging: str = "upload",
    ) -> None:
        """Open an account, or change an old one's secret and charging mode."""
        body: Json = {
            "third_code": third_code,
            "secret_key": secret_key,
            "credit_count": credit_count,
            "charging": charging,
        }
        self.call("POST", "partners", body)

    def partners(self) -> dict[str, Json]:
        """Return the accounts by their code, with packages and credits left."""
        listed = self.call("GET", "partners")["partners"]
        return {partner["third_code"]: partner for partner in listed}

    def add_credits(self, third_code: str, credit_count: int, *, days: float | None = None) -> int:
        """Sell a package; it lapses after a year unless told otherwise."""
        body: Json = {"third_code": third_code, "credit_count": credit_count}
        if days is not None:
            body["days"] = days
        return int(self.call("POST", "packages", body)["id"])

    def ledger(self, *, since: int = 0) -> list[Json]:
        """Return every entry: what was really accepted, granted, charged and forgotten."""
        return list(self.call("GET", f"ledger?since={since}")["entries"])

    def totals(self) -> dict[str, Json]:
        """Return the ledger's sums by account."""
        return dict(self.call("GET", "ledger?since=9999999999")["totals"])

    def pictures(self) -> dict[str, Json]:
        """Return what is still here, by id, with the moment each was or will be ready."""
        return {each["mdf"]: each for each in self.call("GET", "pictures")["pictures"]}

    def counts(self) -> dict[str, int]:
        """Return how many requests of each kind, ids and connections were served."""
        return dict(self.call("GET", "counts")["counts"])

    def clear_counts(self) -> None:
        """Begin counting anew."""
        self.call("DELETE", "counts")

    def sweep(self) -> int:
        """Forget what is past its hour; return how many pictures that was."""
        return int(self.call("POST", "sweep")["forgotten"])

    def reset(self, *, partners: bool = False) -> None:
        """Empty the sandbox; accounts and credits stay unless told."""
        self.call("POST", "reset", {"partners": partners})


@dataclasses.dataclass
class Sandbox:
    """A sandbox that runs as a process of its own."""

    base_url: str
    third_code: str
    secret_key: str
    control: Control
    process: subprocess.Popen[str]
    folder: Path | None
    """Where its database and photos are, if it was given a folder that stays."""
    _command: list[str]
    _was_killed: bool = False

    @property
    def port(self) -> int:
        """Return the port it listens at."""
        return int(self.base_url.rsplit(":", 1)[1])

    def pause(self) -> None:
        """Stop the process in its tracks: connections are accepted and never answered."""
        self.process.send_signal(signal.SIGSTOP)
        # The signal takes a moment; WNOWAIT leaves the process to be waited for at its end.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused process go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process; connections are refused from now on."""
        self._was_killed = True
        self.process.kill()
        _end(self.process)

    def restart(self) -> None:
        """Start again after ``kill`` at the same port; only a given folder keeps the books."""
        self.process = _start([*self._command, "--port", str(self.port)])
        _facts(self.process)
        self._was_killed = False

    def __enter__(self) -> Self:
        """Return the running sandbox."""
        return self

    def __exit__(
        self, _type: object, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop the process and wait until it has tidied up; say so if it had ended by itself."""
        code = self.process.poll()
        if code is not None and not self._was_killed:
            _end(self.process)
            text = f"the sandbox ended by itself, with exit code {code}"
            if error is None:
                raise SandboxError(text)
            error.add_note(text)
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        _end(self.process)


@contextlib.contextmanager
def running_sandbox(
    *,
    mode: str = "echo",
    credit_count: int = 1000,
    charging: str = "upload",
    seconds: float = 0.0,
    workers: int = 2,
    port: int = 0,
    folder: Path | None = None,
    third_code: str = "sandbox",
    secret_key: str = "sandbox-secret",  # noqa: S107 - a secret for a loopback toy
) -> Iterator[Sandbox]:
    """Start a sandbox, wait until it answers, hand it over, and stop it at the end.

    The default mode is *echo*: the cheapest. Without a folder, database and photos are in a
    temporary one that goes with the process.
    """
    options = {
        "mode": mode,
        "credits": credit_count,
        "charging": charging,
        "seconds": seconds,
        "workers": workers,
        "third-code": third_code,
        "secret-key": secret_key,
    }
    command = [sys.executable, "-m", "django_hili.sandbox", "--json", "--until-stdin-closes"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    if folder is not None:
        command += ["--folder", str(folder)]
    process = _start([*command, "--port", str(port)])
    facts = _facts(process)
    sandbox = Sandbox(
        base_url=facts["base_url"],
        third_code=facts["third_code"],
        secret_key=facts["secret_key"],
        control=Control(facts["base_url"]),
        process=process,
        folder=folder,
        _command=command,
    )
    with sandbox:
        yield sandbox


def _start(command: list[str]) -> subprocess.Popen[str]:
    package_folder = str(Path(__file__).parents[2])
    paths = [package_folder, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.Popen(  # noqa: S603 - our own program
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _facts(process: subprocess.Popen[str]) -> Json:
    """Read the line in which a sandbox says where it is; SandboxError if it never does."""
    if process.stdout is None:
        raise SandboxError("the sandbox has no output to read")
    too_late = threading.Timer(_START_SECONDS, process.kill)
    too_late.start()
    try:
        line = process.stdout.readline()
    finally:
        too_late.cancel()
    if not line:
        _end(process)
        raise SandboxError(f"the sandbox did not start: exit code {process.returncode}")
    return dict(json.loads(line))


def _end(process: subprocess.Popen[str]) -> None:
    """Wait for a process that was told to stop, and close its pipes."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
