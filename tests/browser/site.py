"""The real example site and a real worker as processes, and a real Chromium to look at them.

Owns folders, processes and users. What is looked at, and what is expected, stands in the tests.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "example_project" / "sample" / "collins-aged.jpg"
ORIGINAL = ROOT / "example_project" / "sample" / "collins.jpg"
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
PASSWORD = "a-password-for-tests"
START_PATIENCE = 40
STOP_PATIENCE = 40


class Site:
    """The example site on a free port, with its data in a folder of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._extra = environment
        self.address = f"http://127.0.0.1:{_free_port()}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.manage("migrate", "--verbosity", "0")
        self.manage("demo_user", HILI_DEMO_PASSWORD=PASSWORD)

    def manage(self, *command: str, **environment: str) -> str:
        """Run one management command and return what it printed."""
        done = subprocess.run(
            self._command(*command),
            env={**self._environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def add_user(self, name: str) -> None:
        """Make one more user, no member of staff."""
        self.manage(
            "shell", "--verbosity", "0", "-c",
            "from django.contrib.auth import get_user_model as model; "
            f"model().objects.create_user({name!r}, password={PASSWORD!r})",
        )  # fmt: skip

    def start(self, name: str, *command: str) -> None:
        """Start a part of the site and leave it running."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._command(*command), env=self._environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def start_pages(self) -> None:
        """Start the pages and wait until they answer."""
        port = self.address.rpartition(":")[2]
        self.start("pages", "runserver", f"127.0.0.1:{port}", "--noreload", "--insecure")
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.address + "/login/", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise AssertionError((self.folder / "pages.log").read_text())

    def start_worker(self) -> None:
        """Start the plain django-q2 cluster."""
        self.start("worker", "qcluster")

    def stop(self, name: str) -> None:
        """Stop one part in order, and whatever is left of it after a while."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        """Stop everything, the worker last."""
        for name in list(self._running):
            self.stop(name)

    def stored(self) -> list[Path]:
        """Return every photo file the site has, the host's own and django-hili's."""
        folders = (self.folder / "photos", self.folder / "hili")
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, str(ROOT / "example_project" / "manage.py"), *command]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "HILI_DEMO_DIR": str(self.folder),
            "HILI_DEMO_DEBUG": "0",
            "PYTHONUNBUFFERED": "1",
            **self._extra,
        }


@contextmanager
def running_site(folder: Path, **environment: str) -> Iterator[Site]:
    """Give a running site without a worker, and stop everything afterwards."""
    site = Site(folder, **environment)
    try:
        site.start_pages()
        yield site
    finally:
        site.stop_all()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give the machine's own Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, site: Site, name: str = "demo") -> None:
    """Log a user in by the page."""
    page.goto(site.address + "/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(site.address + "/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
