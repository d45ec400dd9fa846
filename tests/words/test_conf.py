"""The HILI setting says at once what is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest
from django.core.checks import run_checks

from django_hili.checks import check_settings
from django_hili.conf import (
    LOCAL_BACKEND,
    HiliSettings,
    LimitSettings,
    PrivacySettings,
    ProviderSettings,
    VaultSettings,
    WorkerSettings,
    get_settings,
)
from django_hili.exceptions import HiliConfigurationError
from django_hili.jobs.presets import all_presets
from django_hili.profiles.profile import rules

# Django's own checks ask the database what it can do.
pytestmark = pytest.mark.django_db

WRONG = [
    ({"PROVIDER": {}}, "PROVIDER"),
    ({"LIMITS": {"MAX_SIZE": 3}}, "MAX_SIZE"),
    ({"DEFAULT_PROVIDER": "moon"}, "moon"),
    ({"PROVIDERS": {"local": {"OPTIONS": {}}}}, "incomplete"),
    ({"PRIVACY": {"RESULT_KEPT": 30}}, "RESULT_KEPT"),
    ({"PRIVACY": {"PROFILE": "nobody"}}, "nobody"),
    ({"PRIVACY": {"JOB_KEPT": timedelta(days=91)}}, "JOB_KEPT"),
    ({"PRIVACY": {"EFFECTIVE": None}}, "EFFECTIVE"),
    ({"PRIVACY": {"BASIS": "attestation"}}, "BASIS"),
    ({"PRIVACY": {"HOME_REGION": "Germany"}}, "HOME_REGION"),
    ({"PRIVACY": {"REGIONS": {"disk": "DE"}}}, "REGIONS"),
    ([], "dict"),
    ({"WORKER": {"LEASE": 60}}, r'\["LEASE"\] must be a timedelta, not int'),
    ({"WORKER": {"SLOTS": True}}, r'\["SLOTS"\] must be a whole number, not bool'),
    ({"LIMITS": {"MAX_BYTES": "30"}}, r'\["MAX_BYTES"\] must be a whole number, not str'),
    ({"LIMITS": {"MAX_CREDITS_PER_BATCH": 1.5}}, "must be a whole number or None, not float"),
    ({"LIMITS": 3}, r'HILI\["LIMITS"\] must be a dict'),
    ({"PROVIDERS": ["local"]}, r'HILI\["PROVIDERS"\] must be a dict, not list'),
    ({"PROVIDERS": {"local": "path"}}, r'\["local"\] must be a dict'),
    ({"PROVIDERS": {"local": {"BACKEND": 3}}}, r'\["BACKEND"\] must be a str, not int'),
    ({"PROVIDERS": {3: {"BACKEND": "a.B"}}}, r'a key of HILI\["PROVIDERS"\] must be a str'),
    ({"PRIVACY": {"REGIONS": 3}}, r'\["REGIONS"\] must be a dict, not int'),
    ({"PRIVACY": {"REGIONS": {"keys": 3}}}, r'\["keys"\] must be a str, not int'),
    ({"PRIVACY": {"PROFILE": []}}, "PROFILE"),
    ({"PRESETS": {"x": 3}}, r'HILI\["PRESETS"\]\["x"\] must be a dict, not int'),
    ({"VAULT": {"ENCRYPT": "no"}}, r'\["ENCRYPT"\] must be True or False, not str'),
    ({"VAULT": {"KEY_FOLDER": 3}}, "must be a str or a Path or None, not int"),
    ({1: 2, "A": 3}, "unknown key"),
]
JUNK = (None, True, -1, 0, 10**30, 1.5, "", "x", [], [1], {}, {"x": 3}, {3: {}}, (), object(),
        timedelta(seconds=1), {"x": {"operations": 3}}, {"x": {"operations": [3]}},
        {"x": {"label": 3, "operations": ["sr"], "scale": "2"}})  # fmt: skip


def places():
    """Every key of the setting, with the group it is in."""
    yield from (("", item.name.upper()) for item in fields(HiliSettings))
    for group, kind in (
        ("LIMITS", LimitSettings), ("PRIVACY", PrivacySettings), ("VAULT", VaultSettings),
        ("WORKER", WorkerSettings),
    ):  # fmt: skip
        yield from ((group, item.name.upper()) for item in fields(kind))
    yield from (("PRIVACY", name.upper()) for name, _ in rules())
    yield from (("PROVIDER", item.name.upper()) for item in fields(ProviderSettings))


@pytest.mark.parametrize(("group", "key"), list(places()))
def test_no_value_of_any_type_is_more_than_a_wrong_setting(settings, group, key):
    for junk in JUNK:
        value = {key: junk}
        if group == "PROVIDER":
            value = {"PROVIDERS": {"local": {"BACKEND": LOCAL_BACKEND, **value}}}
        elif group:
            value = {group: value}
        settings.HILI = value
        try:
            get_settings()
            all_presets()
        except HiliConfigurationError:
            assert check_settings(None)[0].id == "django_hili.E001", value
        else:
            assert check_settings(None) == [], value


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


GOOD_CLUSTER = {
    "orm": "default", "workers": 4, "timeout": 90, "retry": 120, "queue_limit": 1,
    "ack_failures": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"timeout": None}, "W003"),
        ({"retry": 60}, "W004"),
        ({"timeout": 20, "retry": 30}, "W014 W005"),
        ({"timeout": 59}, "W014"),
        ({"queue_limit": 16}, "W006"),
        ({"save_limit": 0}, "W007"),
        ({"ack_failures": False}, "W008"),
        ({"sync": True}, "W009"),
        ({"scheduler": False}, "W010"),
        # What would be wrong with another broker, or is made good by another key.
        ({"orm": None, "redis": {}, "queue_limit": 16, "ack_failures": False}, None),
        ({"ack_failures": False, "max_attempts": 3}, None),
        ({"save_limit": -1}, None),
        ({}, None),
    ],
)
def test_queue_settings_that_lose_or_repeat_work_are_found(settings, change, number):
    settings.Q_CLUSTER = {**GOOD_CLUSTER, **change}
    expected = [f"django_hili.{each}" for each in (number or "").split()]
    assert [message.id for message in run_checks()] == expected


def test_the_clusters_default_is_to_prefetch_the_square_of_its_workers(settings):
    settings.Q_CLUSTER = {key: GOOD_CLUSTER[key] for key in GOOD_CLUSTER if key != "queue_limit"}
    assert "16 tasks" in run_checks()[0].msg
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 1}
    assert run_checks() == []


def test_a_cluster_without_settings_is_found(settings):
    settings.Q_CLUSTER = {}
    assert [message.id for message in run_checks()] == ["django_hili.W002"]


@pytest.mark.parametrize(
    ("base_url", "is_found"),
    [
        ("https://photos.example.org", False),
        ("http://photos.example.org", True),
        ("http://127.0.0.1:8090", True),
    ],
)
def test_a_deployed_site_is_told_of_plain_http_and_of_a_sandbox(settings, base_url, is_found):
    options = {"third_code": "c", "secret_key": "s", "base_url": base_url}
    options["allow_http"] = base_url.startswith("http:")
    backend = "django_hili.providers.hili.HiliProvider"
    settings.HILI = {
        "PROVIDERS": {"hili": {"BACKEND": backend, "OPTIONS": options}},
        "DEFAULT_PROVIDER": "hili",
    }
    found = run_checks(tags=["django_hili"], include_deployment_checks=True)
    assert ("django_hili.W011" in {message.id for message in found}) is is_found
    assert "django_hili.W011" not in {message.id for message in run_checks()}


def test_photos_inside_media_root_are_found(settings):
    settings.MEDIA_ROOT = str(settings.BASE_DIR)
    assert "django_hili.W001" in {message.id for message in run_checks()}


def test_a_provider_that_cannot_be_imported_is_found(settings):
    settings.HILI = {"PROVIDERS": {"local": {"BACKEND": "nowhere.Provider"}}}
    assert "django_hili.E002" in {message.id for message in run_checks()}
