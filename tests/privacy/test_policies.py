"""A published version is frozen, addressable and what runs; texts are written out of the values."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.exceptions import FrozenRowError
from django_hili.models import PolicyVersion
from django_hili.privacy.consent.policies import (
    differs_from_settings,
    draft,
    hash_of,
    profile_of,
    publish,
    version_in_force,
)
from django_hili.privacy.consent.wording import (
    LANGUAGES,
    best_language,
    notice_sentences,
    region_name,
    sentences,
)
from django_hili.profiles import PROFILES, ChangeKind
from django_hili.signals import policy_published
from tests.settings import BOUND

DAY = dt.timedelta(days=1)
REMOTE = {
    "hili": {
        "BACKEND": "django_hili.providers.hili.HiliProvider",
        "OPTIONS": {"third_code": "a", "secret_key": "b", "base_url": "https://example.org"},
        **BOUND,
    }
}
ARCHIVE = pytest.mark.clause("MIAO-10.3", "HILI-8b", "AIART-8", "MIAO-10.2", "PIXEL-0.2")


def now():
    return timezone.now()


@ARCHIVE
@pytest.mark.django_db
def test_a_version_is_written_once():
    version = publish()
    version.contact = "other@example.org"
    for act in (
        version.save,
        version.delete,
        lambda: PolicyVersion.objects.update(contact=""),
        lambda: PolicyVersion.objects.filter(number=1).delete(),
        lambda: PolicyVersion.objects.bulk_update([version], ["contact"]),
    ):
        with pytest.raises(FrozenRowError):
            act()
    assert hash_of(PolicyVersion.objects.get()) == PolicyVersion.objects.get().text_hash


@ARCHIVE
@pytest.mark.clause("PIXEL-8.5b")
@pytest.mark.django_db
def test_version_one_is_readable_after_ten_successors(settings):
    first = publish()
    for number in range(10):
        settings.HILI = {"PRIVACY": {"CONTACT": f"{number}@example.org"}}
        publish()
    kept = PolicyVersion.objects.get(number=1)
    assert kept.texts == first.texts
    assert kept.text_hash == hash_of(kept)
    assert version_in_force().number == 11


@pytest.mark.clause("MIAO-12")
@pytest.mark.django_db
def test_a_version_takes_effect_when_it_says(settings):
    publish()
    second = publish(effective_at=now() + DAY)
    assert second.updated_at < second.effective_at
    assert version_in_force().number == 1
    assert version_in_force(now() + 2 * DAY).number == 2
    third = publish()  # never before the one it follows
    assert third.effective_at == second.effective_at


@pytest.mark.django_db
def test_reading_writes_nothing():
    assert version_in_force().number == 1
    assert not PolicyVersion.objects.exists()


@pytest.mark.clause("HILI-8b")
@pytest.mark.django_db(transaction=True)
def test_publishing_is_told():
    heard = []

    def listen(**words):
        heard.append(words["version"].number)

    policy_published.connect(listen)
    publish()
    policy_published.disconnect(listen)
    assert heard == [1]


@pytest.mark.clause("HILI-3.2", "AIART-3.2", "MIAO-6.2", "PIXEL-5.2")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "kinds", "reduces"),
    [
        ({"PRIVACY": {"CONTROLLER": "New Ltd"}}, {"controller"}, False),
        ({"PRIVACY": {"CONTACT": "new@example.org"}}, {"contact"}, False),
        ({"PRIVACY": {}, "PROVIDERS": REMOTE, "DEFAULT_PROVIDER": "hili"}, {"recipients"}, False),
        ({"PRIVACY": {"RESULT_KEPT": 60 * DAY}}, {"rights"}, True),
        ({"PRIVACY": {"RESULT_KEPT": 6 * DAY}}, set(), False),
        ({"PRIVACY": {"HOME_REGION": "FR"}}, {"rights"}, False),
        ({"PRIVACY": {}}, set(), False),
    ],
)
def test_the_values_show_what_changed(settings, change, kinds, reduces):
    settings.HILI = {"PRIVACY": {}}
    publish()
    settings.HILI = change
    version = publish()
    assert set(version.change_kinds) == kinds
    assert version.reduces_rights is reduces


@pytest.mark.django_db
def test_kinds_the_values_do_not_show_are_named_by_whoever_publishes():
    publish()
    assert publish(change_kinds=["high_risk"]).change_kinds == [ChangeKind.HIGH_RISK]
    with pytest.raises(ValueError, match="fun"):
        publish(change_kinds=["fun"])


@pytest.mark.django_db
def test_a_site_that_changed_its_settings_has_something_to_publish(settings):
    version = publish()
    assert not differs_from_settings(version)
    settings.HILI = {"PRIVACY": {"RESULT_KEPT": 3 * DAY}}
    assert differs_from_settings(version)


@pytest.mark.django_db
def test_the_values_survive_publication():
    publish()
    version = PolicyVersion.objects.get()
    assert profile_of(version) == get_settings().privacy.effective
    assert profile_of(version).clauses("processors") == ("HILI-3.1.1a",)


# The texts.


@pytest.mark.clause("HILI-FR-1")
@pytest.mark.parametrize("profile", PROFILES)
def test_there_is_a_text_in_five_languages_and_one_counts(settings, profile):
    settings.HILI = {"PRIVACY": {"PROFILE": profile, "CONTROLLER": "Ada & Co", "CONTACT": "a@b.c"}}
    version = draft(number=1, now=now())
    assert version.authoritative_language == "en"
    assert set(version.texts) == set(LANGUAGES)
    assert len(set(version.texts.values())) == len(LANGUAGES)
    for language, text in version.texts.items():
        assert "Ada & Co" in text
        assert "a@b.c" in text
        assert sentences(language)["authoritative"] in text
        assert not re.search(r"[{}]", text), language


TOLD = {
    "SOURCE_AFTER_END": None,  # every profile says at once
    "SOURCE_CEILING": dt.timedelta(minutes=37),
    "RESULT_KEPT": 23 * DAY,
    "RESULT_ON_DELIVERY": True,
    "LONGER_BY_CONSENT": False,
    "GUARDIAN_BELOW": 19,
    "SENSITIVE_BELOW": 17,
    "ANSWER_DAYS": 11,
    "ANSWER_WORKING_DAYS": 9,
    "KEY_LEASE": 13 * DAY,
    "TELL_PEOPLE_AT_ONCE": True,
    "RECEIPTS_KEPT": 2000 * DAY,
    "JOB_KEPT": 41 * DAY,
    "RECONSENT": set(ChangeKind),
    "REGIONS_IN_CHINA": set(),
}


@pytest.mark.clause("MIAO-0.2", "HILI-0.2")
@pytest.mark.parametrize("key", [key for key, value in TOLD.items() if value is not None])
def test_whatever_runs_is_what_the_text_says(settings, key):
    settings.HILI = {}
    before = draft(number=1, now=now())
    settings.HILI = {"PRIVACY": {key: TOLD[key]}}
    after = draft(number=1, now=now())
    for language in LANGUAGES:
        assert before.texts[language] != after.texts[language], language
        value = TOLD[key]
        if isinstance(value, dt.timedelta):
            number = value.days or value.seconds // 60
            assert str(number) in after.texts[language]


def test_recipients_stand_in_the_text(settings):
    settings.HILI = {"PROVIDERS": REMOTE, "DEFAULT_PROVIDER": "hili"}
    version = draft(number=1, now=now())
    for language, text in version.texts.items():
        assert "hili" in text
        assert region_name("CN", language) in text
        assert "CN" not in text
    settings.HILI = {**settings.HILI, "PRIVACY": {"PROFILE": "strictest"}}
    nobody = draft(number=1, now=now())
    assert nobody.recipients == []
    assert all("hili" not in text for text in nobody.texts.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_sentences_with_the_same_places(language):
    english, other = sentences("en"), sentences(language)
    assert english.keys() == other.keys()
    for section, words in english.items():
        if isinstance(words, str):
            continue
        assert words.keys() == other[section].keys(), section
        for key, sentence in words.items():
            mine = other[section][key]
            one, two = ((text[-1] if isinstance(text, list) else text) for text in (sentence, mine))
            assert sorted(re.findall(r"\{\w+\}", one)) == sorted(re.findall(r"\{\w+\}", two)), key


@pytest.mark.parametrize(
    ("asked", "got"),
    [("zh-cn", "zh-hans"), ("zh-hans", "zh-hans"), ("fr-ca", "fr"), ("de", "en"), (None, "en"),
     ("es", "es"), ("zh", "zh-hans")],
)  # fmt: skip
def test_a_reader_gets_the_nearest_language(asked, got):
    assert best_language(asked) == got


# The notices.


def notices(settings, **privacy):
    settings.HILI = {
        "PROVIDERS": {"local": {"BACKEND": "django_hili.providers.local.LocalProvider"}, **REMOTE},
        "PRIVACY": {"CONTACT": "a@b.c", **privacy},
    }
    return {notice["key"]: notice for notice in draft(number=1, now=now()).notices}


@pytest.mark.clause("MIAO-0.2", "HILI-0.2", "PIXEL-1.1.7")
def test_each_purpose_has_a_notice_with_every_part(settings):
    found = notices(settings)
    assert set(found) == {
        "enhance", "other_people", "longer", "processor:hili", "cross_border",
        "cross_border:hili",
    }  # fmt: skip
    for notice in found.values():
        assert {"purpose", "items", "recipients", "region", "deadlines", "contact", "version"} <= (
            notice.keys()
        )
        assert notice["is_sensitive"]
        assert notice["contact"] == "a@b.c"
        for language in LANGUAGES:
            lines = notice_sentences(notice, language)
            assert any("a@b.c" in line for line in lines)
    assert {key for key, notice in found.items() if notice["is_necessary"]} == {
        "enhance", "other_people",
    }  # fmt: skip
    assert "longer" not in notices(settings, PROFILE="miao")


@pytest.mark.clause("MIAO-0.2", "HILI-8b")
@pytest.mark.parametrize(
    "change",
    [{"RESULT_KEPT": DAY}, {"SOURCE_CEILING": dt.timedelta(minutes=9)}, {"CONTACT": "x@y.z"},
     {"CONTROLLER": "Ada"}, {"JOB_KEPT": DAY}, {"HOME_REGION": "FR"}],
)  # fmt: skip
def test_changing_a_value_changes_the_hash(settings, change):
    assert notices(settings)["enhance"]["hash"] == notices(settings)["enhance"]["hash"]
    assert notices(settings)["enhance"]["hash"] != notices(settings, **change)["enhance"]["hash"]


def test_the_next_version_has_other_hashes(settings):
    first = notices(settings)["enhance"]["hash"]
    second = draft(number=2, now=now()).notice_hashes["enhance"]
    assert first != second


@pytest.mark.django_db
def test_a_rehearsed_publication_names_the_number_that_the_real_one_gets(capsys):
    for number in (1, 2):
        call_command("hili_privacy", "publish", "--dry-run", "--json")
        assert json.loads(capsys.readouterr().out)["number"] == number
        assert PolicyVersion.objects.count() == number - 1
        assert publish().number == number


@pytest.mark.clause("MIAO-6.2", "PIXEL-5.2", "HILI-3.2", "AIART-3.2")
@pytest.mark.django_db
def test_people_learn_the_name_and_contact_of_whoever_gets_their_photo(settings):
    """In the notice they agree to and in the text; a company that can be reached elsewhere too."""
    settings.HILI = {"PRIVACY": {}, "PROVIDERS": REMOTE, "DEFAULT_PROVIDER": "hili"}
    first = publish()
    for language in LANGUAGES:
        for notice in first.notices:
            said = " ".join(notice_sentences(notice, language))
            assert (BOUND["CONTACT"] in said) is (notice["processor"] == "hili"), notice["key"]
        assert BOUND["CONTACT"] in first.texts[language]
        assert "hili" in first.texts[language].lower()
    moved = {"hili": {**REMOTE["hili"], "CONTACT": "elsewhere@hili.example.org"}}
    settings.HILI = {**settings.HILI, "PROVIDERS": moved}
    second = publish()
    key = "processor:hili"
    assert first.notice_hashes[key] != second.notice_hashes[key]
    assert "contact" in second.change_kinds
