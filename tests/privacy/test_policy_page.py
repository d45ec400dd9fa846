"""The policy's page, and what system checks say of the site's privacy."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.test import Client

from django_hili.privacy.consent.policies import publish
from tests.vendors import vendor_for

PAGE = "/hili/privacy/policy/"


@pytest.mark.clause("MIAO-10.3", "HILI-8b", "PIXEL-0.2", "HILI-FR-1")
@pytest.mark.django_db
def test_anybody_reads_every_version(settings):
    publish()
    settings.HILI = {
        "PRIVACY": {**settings.HILI["PRIVACY"], "CONTROLLER": "<b>Ada</b> & Co"}
    }  # fmt: skip
    publish()
    page = Client().get(PAGE).content.decode()
    assert "Version 2" in page
    assert "&lt;b&gt;Ada&lt;/b&gt; &amp; Co is responsible" in page
    first = Client().get(f"{PAGE}1/").content.decode()
    assert "Version 1" in first
    assert "Ada" not in first
    assert Client().get(f"{PAGE}9/").status_code == 404
    japanese = Client().get(PAGE, headers={"Accept-Language": "ja"}).content.decode()
    assert '<article lang="ja"><h1>写真のプライバシーポリシー</h1>' in japanese


def found(**options):
    return {message.id for message in run_checks(**options)}


@pytest.mark.clause("HILI-4.1", "AIART-4.1c", "PIXEL-3.2", "MIAO-5.1", "MIAO-7.8")
@pytest.mark.parametrize(
    ("privacy", "is_wrong"),
    [({"HOME_REGION": "DE", "REGIONS": {"storage": "US"}}, True),
     ({"HOME_REGION": "DE", "REGIONS": {"keys": "FR"}}, True),
     ({"HOME_REGION": "DE", "REGIONS": {"queue": "DE"}}, False),
     ({"HOME_REGION": "CN", "REGIONS": {"cache": "SG"}}, True),
     ({"HOME_REGION": "CN"}, False), ({}, False)],
)  # fmt: skip
def test_a_store_in_another_region_is_found(settings, privacy, is_wrong):
    settings.HILI = {"PRIVACY": privacy}
    assert ("django_hili.E007" in found()) is is_wrong


def test_a_remote_provider_needs_a_home(settings):
    with vendor_for(settings):
        assert "django_hili.E007" in found()
        settings.HILI = {**settings.HILI, "PRIVACY": {"HOME_REGION": "DE"}}
        assert "django_hili.E007" not in found()


def test_a_verifier_that_is_not_there_is_found(settings):
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "nowhere.verify"}}
    assert "django_hili.E008" in found()


@pytest.mark.clause("AIART-9", "MIAO-7.1", "PIXEL-9")
def test_on_a_real_site_people_know_whom_to_turn_to(settings):
    complete = {"CONTACT": "a@b.c", "CONTROLLER": "Ada & Co"}
    for missing in complete:
        settings.HILI = {"PRIVACY": {key: complete[key] for key in complete if key != missing}}
        assert "django_hili.E009" in found(include_deployment_checks=True)
        assert "django_hili.E009" not in found()
    for enough in (complete, {"BASIS": "no_personal_data"}):
        settings.HILI = {"PRIVACY": enough}
        assert "django_hili.E009" not in found(include_deployment_checks=True)


@pytest.mark.django_db
def test_settings_that_nobody_published_are_found(settings):
    assert "django_hili.W012" not in found(databases=["default"])
    publish()
    settings.HILI = {"PRIVACY": {"CONTACT": "new@example.org"}}
    assert "django_hili.W012" in found(databases=["default"])
    assert "django_hili.W012" not in found()
