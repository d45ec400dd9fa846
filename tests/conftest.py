"""What every test may use: people, photos, a worker, and a storage that is empty afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal

import hypothesis
import pytest
from django.conf import settings
from django.db import connections
from django.utils import translation

from django_hili.engine.cards.library import SILENT
from django_hili.jobs.worker.run import Runner
from django_hili.media.keys import forget_cached
from django_hili.media.sink import look_again
from tests import egress
from tests.photos import jpeg

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs are deaf to Ctrl-C, and so would be what tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

# Tests that load models by themselves report nothing to the library's maker either.
os.environ.update(SILENT)

_FOLDERS = (
    "photos", "photos-keys", "photos-evidence",
    "media", "media-hili", "media-hili-keys", "media-hili-evidence",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _empty_storages():
    yield
    for folder in _FOLDERS:
        shutil.rmtree(settings.BASE_DIR / folder, ignore_errors=True)
    forget_cached()
    look_again()


@pytest.fixture(autouse=True)
def _nothing_leaves():
    """No test reaches anything but this machine, also where somebody swallows the refusal."""
    egress.refused.clear()
    yield
    assert not egress.refused, f"tried to reach {egress.refused}"


@pytest.fixture(autouse=True)
def _the_sites_language():
    """A page in French leaves its thread in French: no test inherits that."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


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
def atomic_requests(monkeypatch):
    """The site has Django open a transaction around every request."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


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
