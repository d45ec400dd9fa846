"""Migrations in any order, there and back: the site's database is never left broken by us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

BEGIN = """
import django, tests.settings
tests.settings.DATABASES["other"] = {
    "ENGINE": "django.db.backends.sqlite3", "NAME": tests.settings.BASE_DIR / "other.sqlite3",
}
django.setup()
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connections
from django.utils import timezone
from django_q.models import Schedule
from tests.host.models import Portrait

def migrate(*words, **options):
    call_command("migrate", *words, verbosity=0, **options)

def schedules(using="default"):
    return Schedule.objects.using(using).count()

"""


def live(folder: Path, life: str) -> None:
    """Run some Python on a site of its own whose databases are empty."""
    variables = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT),
        "HILI_TEST_DATABASE": "sqlite", "HILI_TEST_DIR": str(folder), "PYTEST_XDIST_WORKER": "",
        "HILI_TEST_NAME": str(folder / "site.sqlite3"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + life], env=variables, cwd=ROOT, check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


LIVES = {
    "our tables come, go and come back": """
migrate()
migrate("django_hili", "zero")
assert not [name for name in connections["default"].introspection.table_names()
            if name.startswith("django_hili_")]
User.objects.create(username="anna").delete()
Portrait.objects.create(title="a").delete()
migrate()
from django_hili.models import Chain
assert Chain.objects.count() == schedules() == 1
call_command("flush", interactive=False, verbosity=0)
assert Chain.objects.count() == schedules() == 1
""",
    "the queue's tables go and come back": """
migrate()
migrate("django_q", "zero")
migrate("django_q")
assert schedules() == 1
""",
    "rows are deleted before there are tables of ours": """
migrate("auth")
migrate("admin")
migrate("sessions")
migrate("host")
migrate("django_q")
assert "django_hili_photojob" not in connections["default"].introspection.table_names()
Session.objects.create(session_key="a", session_data="", expire_date=timezone.now())
Session.objects.all().delete()
Portrait.objects.create(title="a").delete()
User.objects.create(username="anna").delete()
""",
    "another database is migrated first": """
migrate(database="other")
assert schedules("other") == 1
assert connections["default"].introspection.table_names() == []
""",
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_a_site_migrates_there_and_back(life, tmp_path):
    live(tmp_path, life)
