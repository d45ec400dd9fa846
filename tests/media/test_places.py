"""Keys and receipts lie apart from what they are to protect, and a check says where they do not."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.db import connections


def found():
    return [message.id.removeprefix("django_hili.") for message in run_checks()
            if message.id in {"django_hili.E011", "django_hili.W013"}]  # fmt: skip


def test_the_defaults_are_apart(settings):
    settings.HILI = {}
    assert found() == []


@pytest.mark.clause("AIART-4.2.1b", "PIXEL-6.2c", "MIAO-8.2b")
@pytest.mark.parametrize("key", ["KEY_FOLDER", "EVIDENCE_FOLDER"])
@pytest.mark.parametrize("place", ["photos/keys", "media/keys", "photos"])
def test_a_folder_inside_the_photos_or_media_root_is_an_error(settings, key, place):
    settings.HILI = {"VAULT": {key: settings.BASE_DIR / place}}
    assert found() == ["E011"]


@pytest.mark.clause("AIART-4.2.1b", "PIXEL-6.2c")
@pytest.mark.parametrize("alias", ["default", "nowhere"])
def test_keys_in_the_photos_own_database_are_an_error(settings, alias):
    settings.HILI = {"VAULT": {"KEY_DATABASE": alias}}
    assert found() == ["E011"]
    assert "nowhere" not in connections.settings


@pytest.mark.clause("MIAO-7.3b", "HILI-5a")
def test_photos_that_are_not_sealed_are_told(settings):
    settings.HILI = {"VAULT": {"ENCRYPT": False}}
    assert found() == ["W013"]
