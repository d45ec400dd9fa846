"""The demo as `make demo` runs it: from nothing to *enhanced*, and to an orderly end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.site import ROOT, SAMPLE

DEMO = [sys.executable, str(ROOT / "example_project" / "demo.py")]
MANAGE = [sys.executable, str(ROOT / "example_project" / "manage.py")]
SITE = {"DJANGO_SETTINGS_MODULE": "example_project.settings", "HILI_DEMO_DEBUG": "0"}
PATIENCE = 240
SHELL = ["sh", "-c", '"$@"; echo "the one who started it lives; exit code $?"', "sh"]
"""Stands for make: it starts the demo, and must not be hit by the Ctrl-C meant for it."""

pytestmark = pytest.mark.process


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Folders of this test's own for the demo's data and for temporary files."""
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    yield {**os.environ, "HILI_DEMO_DIR": str(data), "TMPDIR": str(temporary)}
    assert not list(temporary.iterdir()), "stray temporary files"
    assert not _processes_of(data)
    assert not list(ROOT.glob("media-hili*")), "all the demo writes lies in its folder"


def run(places: dict[str, str], *command: str) -> str:
    """Run a command to its good end and return what it printed."""
    done = subprocess.run(
        command, env=places, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_once_it_enhances_the_sample_and_stops_by_itself_also_a_second_time(
    places: dict[str, str],
) -> None:
    with Image.open(SAMPLE) as sample:
        width, height = sample.size
    for _ in range(2):
        said = run(places, *DEMO, "--once")
        assert f"→ {2 * width}×{2 * height}" in said
        gain = re.search(r"sharper +([\d.]+) times", said)
        assert gain is not None
        assert float(gain[1]) > 1
        assert re.search(r"Log in as demo, password \S+", said)
    folders = [Path(places["HILI_DEMO_DIR"]) / name for name in ("photos", "hili")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 2, "one photo and one result: the second run replaced the first"


@pytest.mark.parametrize("words", ["Ctrl-C stops", "The worker enhances"], ids=["idle", "busy"])
def test_ctrl_c_ends_it_in_order(places: dict[str, str], words: str) -> None:
    said = run(places, sys.executable, "-m", "tests.browser.typist", words, *SHELL, *DEMO)
    assert "Stopped." in said
    assert "the one who started it lives; exit code 0" in said
    assert "Traceback" not in said


def test_the_sandbox_demo_goes_on_where_the_local_one_was_agreed_to(
    places: dict[str, str],
) -> None:
    run(places, *DEMO, "--once")
    run({**places, **SITE}, *MANAGE, "shell", "--verbosity", "0", "-c", _AGREE)
    elsewhere = {**places, **SITE, "EXAMPLE_PROVIDER": "sandbox"}
    look = [*MANAGE, "shell", "--verbosity", "0", "-c", _LOOK]
    outdated = run(elsewhere, *look)
    assert "200 boxes=0 outdated=True" in outdated, "the page stands, and says what is missing"
    said = run(elsewhere, *DEMO, "--once")
    assert "The settings have changed: policy version 2." in said
    assert "200 boxes=3 outdated=False" in run(elsewhere, *look)
    assert "policy version" not in run(elsewhere, *DEMO, "--once"), "once is enough"
    line = re.search(r"^  (HILI_DEMO_DIR=.* hili_doctor)$", said, re.MULTILINE)
    assert line is not None
    doctor = subprocess.run(
        line[1], shell=True, env=places, cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert "Traceback" not in doctor.stderr
    assert doctor.stdout


def test_what_goes_wrong_is_found_in_the_log(places: dict[str, str]) -> None:
    site = {**places, **SITE}
    run(site, *MANAGE, "migrate", "--verbosity", "0")
    done = subprocess.run(
        [*MANAGE, "shell", "--verbosity", "0", "-c", _BREAK], env=site,
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "500" in done.stdout
    assert "RuntimeError: broken on purpose" in done.stderr


_CLIENT = """
from django.contrib.auth import get_user_model
from django.test import Client
user = get_user_model().objects.get_or_create(username="demo")[0]
client = Client(raise_request_exception=False, headers={"host": "127.0.0.1"})
client.force_login(user)
"""
_AGREE = (
    _CLIENT
    + """
import django_hili
from django_hili.privacy.consent.policies import version_in_force
version = version_in_force()
django_hili.give_consent(subject=user, version=version.number,
                         notice=version.notice_hashes["enhance"], age_band="adult")
"""
)
_LOOK = (
    _CLIENT
    + """
answer = client.get("/photos/new/")
page = answer.content.decode()
boxes, words = page.count('type="checkbox"'), "has to publish a new version"
print(answer.status_code, f"boxes={boxes} outdated={words in page}")
"""
)
_BREAK = (
    _CLIENT
    + """
from example_project.gallery import views
def broken(*args): raise RuntimeError("broken on purpose")
views.conditions = broken
print(client.get("/").status_code)
"""
)


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of what still runs with its data in this folder."""
    mark = f"HILI_DEMO_DIR={folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # gone in the meantime, or somebody else's
            continue
    return found
