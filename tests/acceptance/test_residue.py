"""Nothing personal that came with a photo is anywhere afterwards. The scan sees its own plants."""

from __future__ import annotations

import logging

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from django_hili.models import JobStatus, PhotoJob
from tests import photos

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
ALL = set(photos.CANARIES.values())


def everything_kept() -> bytes:
    """Every row of every table, every file under the site's folder, the database file itself."""
    parts = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            parts += [repr(row).encode() for row in cursor.fetchall()]
    parts += [
        path.read_bytes() for path in settings.BASE_DIR.rglob("*") if path.is_file()
    ]  # the SQLite file, its journal and both storages
    return b"\n".join(parts)


def found() -> set[str]:
    kept = everything_kept()
    return {word for word in ALL if word.encode() in kept}


SENT = {
    "jpeg": photos.seeded_jpeg(),
    "turned": photos.seeded_jpeg(orientation=8),
    "png": photos.seeded_png(),
    "webp": photos.seeded_webp(),
}


@pytest.mark.parametrize("kind", SENT)
def test_nothing_personal_is_kept(anna, work, caplog, kind):
    caplog.set_level(logging.DEBUG)
    client = Client()
    client.force_login(anna)
    name = f"{photos.CANARIES['file_name']}.jpg"
    answer = client.post(
        "/hili/api/v1/jobs/",
        {"photo": SimpleUploadedFile(name, SENT[kind]), "operations": "sr", "scale": 2},
    )
    assert answer.status_code == 202
    assert found() == set()
    work()
    assert PhotoJob.objects.get().status == JobStatus.DONE
    assert found() == set()
    assert [word for word in ALL if word in caplog.text] == []


def test_the_scan_sees_what_it_looks_for(anna):
    (settings.BASE_DIR / "photos").mkdir(exist_ok=True)
    (settings.BASE_DIR / "photos" / "plant").write_bytes(photos.seeded_jpeg())
    PhotoJob(preset=photos.CANARIES["file_name"])  # not saved: must not be found
    assert photos.CANARIES["gps"] in found()
    assert photos.CANARIES["file_name"] not in found()
    anna.first_name = photos.CANARIES["file_name"]
    anna.save()
    assert photos.CANARIES["file_name"] in found()
