"""What every test may use: people, photos, a worker, and a storage that is empty afterwards."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from django.conf import settings
from django.db import connections

from django_hili.jobs.run import Runner
from tests.photos import jpeg


@pytest.fixture(autouse=True)
def _empty_storages():
    yield
    for folder in ("photos", "media", "media-hili"):
        shutil.rmtree(settings.BASE_DIR / folder, ignore_errors=True)


@pytest.fixture
def anna(django_user_model):
    """A person with photos."""
    return django_user_model.objects.create_user("anna", password="anna")


@pytest.fixture
def ben(django_user_model):
    """Another person."""
    return django_user_model.objects.create_user("ben", password="ben")


@pytest.fixture
def photo():
    """A small photo of 60 × 40 pixels."""
    return jpeg()


@pytest.fixture
def stored():
    """Return every file in the photo storage, by its path."""

    def look() -> dict[str, bytes]:
        root = settings.BASE_DIR / "photos"
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    return look


@pytest.fixture
def work(transactional_db):
    """Run a real worker, with its real threads and engine processes, until nothing is left."""

    def run(**options):
        connections.close_all()
        return asyncio.run(Runner(until_idle=True, **options).run())

    return run
