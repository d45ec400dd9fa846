"""The sandbox as a process: started, paused, killed, started again, never left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from django_hili.sandbox.server import SandboxError, running_sandbox
from tests.sandbox.conftest import Caller
from tests.sandbox.photos import opened, photo

ROOT = Path(__file__).parents[2]

SITE = """
import os, sys
from django.conf import settings
settings.configure(
    SECRET_KEY="plain", INSTALLED_APPS=["django_hili.sandbox"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}},
)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and not merely waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pid: int, *, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def temporary_folders(monkeypatch, tmp_path):
    """Name the sandboxes' folders in a place for temporary files that is this test's alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return lambda: {path.name for path in tmp_path.glob("hili-sandbox-*")}


def caller_of(base_url: str) -> Caller:
    return Caller(base_url, third_code="sandbox", secret="sandbox-secret")


def test_nothing_is_left_when_it_ends(temporary_folders):
    with running_sandbox() as sandbox:
        assert len(temporary_folders()) == 1
        caller = caller_of(sandbox.base_url)
        with caller.http:
            caller.uploaded()
        pid = sandbox.process.pid
    assert not is_alive(pid)
    assert not temporary_folders()


def test_a_kept_folder_keeps_the_books_through_a_kill(tmp_path: Path):
    with running_sandbox(folder=tmp_path, mode="cheap", workers=0) as sandbox:
        caller = caller_of(sandbox.base_url)
        with caller.http:
            (mdf,) = caller.uploaded()
            assert caller.standing(mdf)["code"] == 0
            sandbox.kill()
            with pytest.raises(httpx.ConnectError):
                caller.nums()
    with running_sandbox(folder=tmp_path, mode="cheap") as sandbox:
        caller = caller_of(sandbox.base_url)
        with caller.http:
            # A worker of the new process adopts what the old one left behind.
            assert caller.finished(mdf)["code"] == 1
            assert opened(caller.fetched(mdf).content).size == (160, 120)
            assert caller.nums() == 999


def test_it_can_be_killed_and_started_again_at_its_port(tmp_path: Path):
    with running_sandbox(folder=tmp_path) as sandbox:
        caller = caller_of(sandbox.base_url)
        with caller.http:
            caller.uploaded()
            sandbox.control.set(lifetime_seconds=60.0)
            sandbox.kill()
            sandbox.restart()
            assert caller.nums() == 999
            settings = sandbox.control.call("GET", "settings")
            assert (settings["lifetime_seconds"], settings["mode"]) == (60, "echo")
            assert sandbox.control.totals()["sandbox"]["accepted"] == 1


def test_a_paused_one_accepts_and_never_answers():
    with running_sandbox() as sandbox:
        caller = caller_of(sandbox.base_url)
        caller.http.timeout = httpx.Timeout(0.4)
        with caller.http:
            assert caller.nums() == 1000
            sandbox.pause()
            with pytest.raises(httpx.ReadTimeout):
                caller.nums()
            sandbox.resume()
            caller.http.timeout = httpx.Timeout(10)
            assert caller.nums() == 1000


def test_it_does_not_outlive_a_killed_test():
    script = (
        "import time\n"
        "from django_hili.sandbox.server import running_sandbox\n"
        "with running_sandbox() as sandbox:\n"
        "    print(sandbox.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_many_large_uploads_at_once_do_not_fill_the_memory():
    whole = photo(fmt="PNG")
    large = whole + b"\x00" * (16 * 2**20) + whole[-12:]
    with running_sandbox() as sandbox:
        status = Path(f"/proc/{sandbox.process.pid}/status")

        def upload(_number: int) -> None:
            caller = caller_of(sandbox.base_url)
            caller.http.timeout = httpx.Timeout(60)
            with caller.http:
                caller.uploaded(large)

        with ThreadPoolExecutor(20) as threads:
            list(threads.map(upload, range(20)))
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
    # Whole, and once more as a part of the form, they would be 640 MB.
    assert int(peak) / 1024 < 400


def ends_by_itself(error: Exception | None = None) -> None:
    """Run a sandbox that dies under the hands of its user."""
    with running_sandbox() as sandbox:
        os.kill(sandbox.process.pid, signal.SIGKILL)
        sandbox.process.wait(10)
        if error is not None:
            raise error


def test_an_end_that_nobody_asked_for_is_told():
    with pytest.raises(SandboxError, match="exit code -9"):
        ends_by_itself()
    with pytest.raises(ValueError, match="something else") as caught:
        ends_by_itself(ValueError("something else"))
    assert "exit code -9" in caught.value.__notes__[0]


def test_a_start_that_fails_says_so():
    with running_sandbox() as sandbox:
        second = running_sandbox(port=sandbox.port)
        with pytest.raises(SandboxError, match="did not start"), second:
            pass


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_runs_from_a_plain_site(tmp_path: Path, stop):
    manage = tmp_path / "manage.py"
    manage.write_text(SITE)
    command = [sys.executable, "manage.py", "hili_sandbox", "--port", "0", "--json"]
    command += ["--third-code", "x", "--secret-key", "y", "--credits", "12", "--mode", "echo"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            facts = json.loads(process.stdout.readline())
            assert (facts["third_code"], facts["secret_key"]) == ("x", "y")
            caller = Caller(facts["base_url"], third_code="x", secret="y")
            with caller.http:
                (mdf,) = caller.uploaded()
                assert caller.fetched(mdf).content == photo()
                assert caller.nums() == 11
        finally:
            process.send_signal(stop)
        assert process.wait(10) == 0
    # The site's own database was not even opened.
    assert [path.name for path in tmp_path.iterdir()] == ["manage.py"]


def test_a_person_is_told_where_it_is(tmp_path: Path):
    command = [sys.executable, "-m", "django_hili.sandbox", "--port", "0"]
    command += ["--folder", str(tmp_path), "--until-stdin-closes"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        lines = [process.stdout.readline() for _ in range(5)]
        process.stdin.close()
        assert process.wait(10) == 0
    assert lines[0].startswith("Hili sandbox at http://127.0.0.1:")
    assert lines[3].rstrip().endswith("/control/")
    # The secret was made up, and is long enough to be none that is guessed.
    assert len(lines[2].split()[1]) == 32
