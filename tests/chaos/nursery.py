"""Brings workers up in a moment: imports everything once, then forks a worker for each order.

A worker's imports take longer than its life in these tests. A fork is a process of its own like
any other: it has its own connections, its own loop, and dies of SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.processes import ROOT, environment


class Worker:
    """A forked worker. It stays a zombie until it is put away, so its number is never another's."""

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid = pid
        self._nursery = nursery

    @property
    def state(self) -> str:
        """The kernel's letter: T for stopped, Z for dead."""
        text = (Path("/proc") / str(self.pid) / "stat").read_text()
        return text.rsplit(")", 1)[1].split()[0]

    @property
    def is_alive(self) -> bool:
        return self.state not in {"Z", "X"}

    @property
    def is_stopped(self) -> bool:
        return self.state == "T"

    def send(self, number: signal.Signals) -> None:
        """Signal the worker and whatever it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> bool:
        """kill -9, with everything it started. Say whether it was still alive."""
        was_alive = self.is_alive
        self.send(signal.SIGKILL)
        self._nursery.put_away(self)
        return was_alive


class Nursery:
    """A process that forks workers."""

    def __init__(self, log: Path, **extra: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery", str(log)],
            cwd=ROOT,
            env=environment(OPENBLAS_NUM_THREADS="1", **extra),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == 0, "the nursery did not come up"
        self._workers: dict[int, Worker] = {}

    def spawn(self, *words: str, crash_at: str = "", pause_at: str = "", guard: str = "") -> Worker:
        """Start `manage.py words…`, which dies or freezes at a named point if told to."""
        pid = self._ask({"words": words, "crash": crash_at, "pause": pause_at, "guard": guard})
        self._workers[pid] = Worker(pid, self)
        return self._workers[pid]

    def put_away(self, worker: Worker) -> None:
        """Wait for a dead worker."""
        if self._workers.pop(worker.pid, None):
            self._ask({"reap": worker.pid})

    def close(self) -> None:
        """Kill whatever is left, and the nursery itself."""
        for worker in list(self._workers.values()):
            worker.kill()
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout:
            self._process.stdout.close()

    def _ask(self, order: dict[str, object]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline() or -1)


@contextmanager
def open_nursery(log: Path, **extra: str) -> Iterator[Nursery]:
    """A nursery while the block lasts."""
    nursery = Nursery(log, **extra)
    try:
        yield nursery
    finally:
        nursery.close()


def main(log: str) -> None:
    """Fork a worker for every order that comes in."""
    import django

    django.setup()
    from PIL import Image

    # Whatever a worker would import in its first second is imported here.
    import django_hili.jobs.worker.run
    import django_hili.management.commands.hili_run
    import django_hili.providers.hili
    import django_hili.providers.local  # noqa: F401 - imported for the forks
    from tests.chaos import without  # noqa: F401 - as above

    Image.init()
    asyncio.run(_warm_up())
    _say(0)
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            os.waitpid(order["reap"], 0)
            _say(0)
            continue
        pid = os.fork()
        if not pid:
            _live(order, log)
        with suppress(OSError):
            os.setpgid(pid, pid)
        _say(pid)


async def _warm_up() -> None:
    """Make one call: the libraries below import most of themselves with the first."""
    from django_hili.providers.registry import build_provider

    provider = build_provider("hili")
    await provider.credits()
    await provider.aclose()


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _live(order: dict[str, str], log: str) -> None:
    """Be a worker. Never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        with Path(log).open("ab", buffering=0) as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        from django.core.management import call_command

        from django_hili.jobs.worker import crash
        from tests.chaos import without

        crash._crash = crash._Trap.read(order["crash"])
        crash._pause = crash._Trap.read(order["pause"])
        without.take_out(order["guard"])
        call_command(*order["words"])
        # A cluster's command returns at once; what it started is waited for at exit.
        multiprocessing.util._exit_function()
        code = 0
    except SystemExit as error:
        code = int(error.code or 0) if isinstance(error.code, int | None) else 1
    except BaseException:  # noqa: BLE001 - the log is all that anybody will see
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
