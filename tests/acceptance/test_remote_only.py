"""A site whose only provider works elsewhere loads nothing of the embedded engine, ever."""

from __future__ import annotations

import pytest

from django_hili.sandbox.server import running_sandbox
from tests import photos
from tests.processes import kill_group, start_python

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

_LIFE = """
import asyncio, importlib, pathlib, pkgutil, sys
import django
from django.conf import settings
settings.HILI["PROVIDERS"] = {"hili": settings.HILI["PROVIDERS"]["hili"], **OTHERS}
settings.HILI["DEFAULT_PROVIDER"] = "hili"
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import get_resolver
from django_hili import admin, api, jobs, management, media, privacy, web
from django_hili.jobs.worker.run import Runner
from django_hili.providers.registry import capabilities_of, provider_aliases
from tests import people

for room in (admin, api, jobs, management, media, privacy, web):
    for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
import django_hili.queue, django_hili.receivers, django_hili.tasks
import django_hili.imaging.apart_process
get_resolver().url_patterns
call_command("check")
for alias in provider_aliases():
    capabilities_of(alias)
somebody = get_user_model().objects.create_user("carol")
photo = pathlib.Path(sys.argv[1])
job = people.enhance(photo, subject=somebody, operations=["repair"])
asyncio.run(Runner(until_idle=True).run())
job.refresh_from_db()
print("ended", job.status, job.code)
heavy = ("django_hili.engine", "numpy", "onnxruntime")
print("loaded", *sorted(n for n in sys.modules if n.startswith(heavy)))
"""
_LOCAL = '{"local": {"BACKEND": "django_hili.providers.local.LocalProvider"}}'


def lived(tmp_path, *, others: str) -> list[str]:
    """Import every door, check the site, send a photo and fetch it; say what was printed."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photos.jpeg())
    with running_sandbox(credit_count=10) as sandbox:
        process = start_python(
            "-c", _LIFE.replace("OTHERS", others), str(photo), HILI_TEST_VENDOR=sandbox.base_url
        )
        try:
            output, _ = process.communicate(timeout=120)
        finally:
            kill_group(process)
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()[-2:]


def test_a_photo_goes_there_and_back_without_the_engine(tmp_path):
    assert lived(tmp_path, others="{}") == ["ended done ", "loaded"]


def test_the_embedded_engine_beside_it_loads_its_names_alone(tmp_path):
    """What the first test would print if it could not see."""
    ended, loaded = lived(tmp_path, others=_LOCAL)
    assert ended == "ended done "
    assert "django_hili.engine.catalogue" in loaded
    assert "numpy" not in loaded
