"""A brand-new site, the built wheel, and only the lines the README shows.

Needs HILI_WHEEL, the path of a built wheel; the gate sets it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.photos import jpeg
from tests.processes import ROOT

WHEEL = os.environ.get("HILI_WHEEL", "")
pytestmark = pytest.mark.skipif(not WHEEL, reason="HILI_WHEEL names no wheel; the gate builds one")

MODELS = """
from django.db import models


class Photo(models.Model):
    image = models.ImageField(upload_to="photos")
"""
USE = """
import json, sys, time
import django; django.setup()
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django_hili.models import PhotoJob
from shop.models import Photo

content = open(sys.argv[1], "rb").read()
user = User.objects.create_superuser("root", password="root")
client = Client(headers={"host": "localhost"})
client.force_login(user)
photo = Photo(); photo.image.save("a.jpg", ContentFile(content))
page = client.post("/admin/shop/photo/", {
    "action": "enhance_selected_photos", "_selected_action": [photo.pk], "confirm": "yes",
    "provider": "local", "preset": "photo-4x", "basis": "no_personal_data"}, follow=True)
assert "1 photo is being enhanced." in page.content.decode(), page.content.decode()[-2000:]
upload = lambda: {"photo": SimpleUploadedFile("b.jpg", content), "operations": "sr", "scale": "2",
    "people_agreed": "true"}
asked = client.post("/hili/api/v1/jobs/", upload())
assert asked.status_code == 403, asked.content
asked = asked.json()
agreed = client.post(asked["consents"], {"purpose": "enhance", "version": asked["version"],
    "notice": asked["notices"][0]["hash"], "age_band": "adult"})
assert agreed.status_code == 201, agreed.content
answer = client.post("/hili/api/v1/jobs/", upload())
assert answer.status_code == 202, answer.content
end = time.monotonic() + 120
while PhotoJob.objects.exclude(status="done").exists() and time.monotonic() < end:
    time.sleep(0.2)
job = client.get(answer["Location"]).json()
result = client.get(job["result"]["url"])
print(json.dumps({
    "statuses": list(PhotoJob.objects.values_list("status", flat=True)),
    "result": job["result"]["width"],
    "bytes": len(b"".join(result.streaming_content)),
}))
"""


def readme_block(name: str) -> str:
    """The code block of the README that begins with a comment naming `name`."""
    text = (ROOT / "README.md").read_text()
    match = re.search(rf"```python\n# {re.escape(name)}.*?\n(.*?)```", text, re.DOTALL)
    assert match, f"the README shows no {name}"
    return match[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("site")
    run([sys.executable, "-m", "venv", "env"], home)
    python = home / "env" / "bin" / "python"
    run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            f"django-hili[local] @ {Path(WHEEL).resolve().as_uri()}",
        ],
        home,
    )
    run([python, "-m", "django", "startproject", "mysite", "."], home)
    run([python, "manage.py", "startapp", "shop"], home)
    (home / "shop" / "models.py").write_text(MODELS)
    settings = home / "mysite" / "settings.py"
    settings.write_text(
        settings.read_text() + 'INSTALLED_APPS += ["shop"]\n' + readme_block("settings.py")
    )
    urls = home / "mysite" / "urls.py"
    urls.write_text(urls.read_text() + "\n" + readme_block("urls.py"))
    (home / "shop" / "admin.py").write_text(readme_block("admin.py"))
    run([python, "manage.py", "makemigrations", "shop"], home)
    run([python, "manage.py", "migrate", "--verbosity", "0"], home)
    return home


def run(words, home: Path) -> str:
    environment = {
        k: v for k, v in os.environ.items() if k not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
    }
    done = subprocess.run(
        [*map(str, words)], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_readme_shows_ten_lines():
    blocks = [readme_block(name) for name in ("settings.py", "urls.py", "admin.py")]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert len(lines) <= 10


def test_check_and_migrations_are_clean(site):
    python = site / "env" / "bin" / "python"
    assert "no issues" in run([python, "manage.py", "check"], site)
    run([python, "manage.py", "makemigrations", "--check", "--dry-run"], site)


def test_one_photo_through_the_admin_and_one_through_rest(site):
    python = site / "env" / "bin" / "python"
    (site / "photo.jpg").write_bytes(jpeg(120, 90))
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "PYTHONPATH": str(site),
    }
    worker = subprocess.Popen(
        [python, "manage.py", "qcluster"], cwd=site, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(1)
        done = subprocess.run(
            [python, "-c", USE, "photo.jpg"],
            cwd=site,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        worker.terminate()  # the cluster alone: signalling its whole group makes it hang
        worker.wait(timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["statuses"] == ["done", "done"]
    assert said["result"] == 240
    assert said["bytes"] > 1000
