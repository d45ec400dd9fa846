"""The HILI setting says at once what is wrong with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.checks import run_checks

from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError

WRONG = [
    ({"PROVIDER": {}}, "PROVIDER"),
    ({"LIMITS": {"MAX_SIZE": 3}}, "MAX_SIZE"),
    ({"DEFAULT_PROVIDER": "moon"}, "moon"),
    ({"PROVIDERS": {"local": {"OPTIONS": {}}}}, "incomplete"),
    ({"PRIVACY": {"RESULT_KEPT": 30}}, "RESULT_KEPT"),
    ({"PRIVACY": {"PROFILE": "nobody"}}, "nobody"),
    ({"PRIVACY": {"JOB_KEPT": timedelta(days=1)}}, "JOB_KEPT"),
    ([], "dict"),
]


@pytest.mark.parametrize(("value", "word"), WRONG)
def test_a_wrong_setting_is_named(settings, value, word):
    settings.HILI = value
    with pytest.raises(HiliConfigurationError, match=word):
        get_settings()
    assert "django_hili.E001" in {message.id for message in run_checks()}


def test_settings_are_read_when_they_change(settings):
    settings.HILI = {"LIMITS": {"MAX_MEGAPIXELS": 3}}
    assert get_settings().limits.max_megapixels == 3
    settings.HILI = {}
    assert get_settings().limits.max_megapixels == 40


def test_a_good_site_has_no_findings():
    assert run_checks() == []


@pytest.mark.parametrize(
    ("cluster", "number"),
    [({}, "W002"), ({"orm": "default", "retry": 120}, "W003"),
     ({"orm": "default", "timeout": 90, "retry": 60}, "W004"),
     ({"orm": "default", "timeout": 20, "retry": 30}, "W005")],
)  # fmt: skip
def test_queue_settings_that_lose_or_repeat_work_are_found(settings, cluster, number):
    settings.Q_CLUSTER = cluster
    assert f"django_hili.{number}" in {message.id for message in run_checks()}


def test_photos_inside_media_root_are_found(settings):
    settings.MEDIA_ROOT = str(settings.BASE_DIR)
    assert "django_hili.W001" in {message.id for message in run_checks()}


def test_a_provider_that_cannot_be_imported_is_found(settings):
    settings.HILI = {"PROVIDERS": {"local": {"BACKEND": "nowhere.Provider"}}}
    assert "django_hili.E002" in {message.id for message in run_checks()}
