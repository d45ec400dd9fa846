"""Profiles are values with an order: combining them is safe, and tightening is the only way."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_hili.conf import OPEN_ENDED, RESULT_KEPT_BY_DEFAULT, get_settings
from django_hili.exceptions import HiliConfigurationError
from django_hili.privacy.audit.clauses import all_clauses
from django_hili.profiles import (
    CHANGE_KINDS,
    PROFILES,
    ChangeKind,
    Ground,
    Origin,
    Rule,
    from_parameters,
    tighten,
)
from django_hili.profiles.order import stricter
from django_hili.profiles.profile import _COUNTS, _DURATIONS, _OPTIONAL, _SETS, rules

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def a_value(name):
    if name == "reconsent":
        kind = st.frozensets(st.sampled_from(ChangeKind))
    elif name in _SETS:
        kind = st.frozensets(st.sampled_from(["local", "hili", "CN", "home"]))
    elif name in _DURATIONS:
        kind = st.sampled_from([dt.timedelta(0), HOUR, DAY, 30 * DAY])
    elif name in _COUNTS:
        kind = st.sampled_from([1, 14, 15, 18])
    else:
        kind = st.booleans()
    return st.none() | kind if name in _OPTIONAL else kind


@st.composite
def profiles(draw, count):
    """Profiles that differ in one field, whichever: fields are combined one by one."""
    name = draw(st.sampled_from([name for name, _ in rules()]))
    made = []
    for letter in "abc"[:count]:
        grounds = {
            field: frozenset({Ground(letter, Origin.STATED, (f"{letter}-1",))})
            for field, _ in rules()
        }
        value = {name: draw(a_value(name))}
        made.append(replace(PROFILES["pixel"], name=letter, grounds=grounds, **value))
    return made


def looser(rule, one, other):
    """Whether `one` allows something that `other` does not."""
    if rule is Rule.SHORTER:
        return other is not None and (one is None or one > other)
    if rule is Rule.HIGHER:
        return one < other
    if rule is Rule.SMALLER:
        return other is not None and (one is None or not one <= other)
    if rule is Rule.LARGER:
        return not one >= other
    return (other and not one) if rule is Rule.EITHER else (one and not other)


@given(profiles(3))
def test_the_meet_is_a_meet(three):
    a, b, c = three
    assert a & a == a
    assert a & b == b & a
    assert (a & b) & c == a & (b & c)
    assert (a & b).grounds == (b & a).grounds
    assert ((a & b) & c).grounds == (a & (b & c)).grounds


@given(profiles(3))
def test_the_meet_is_never_looser_and_not_stricter_than_it_must_be(three):
    a, b, c = three
    met = a & b
    assert met <= a
    assert met <= b
    for name, rule in rules():
        for side in (a, b):
            assert not looser(rule, getattr(met, name), getattr(side, name)), name
    if c <= a and c <= b:
        assert c <= met


@given(profiles(2))
def test_whoever_demands_a_value_is_named(two):
    a, b = two
    met = a & b
    for name, rule in rules():
        grounds = met.grounds[name]
        assert grounds
        if rule not in {Rule.SMALLER, Rule.LARGER}:
            assert grounds <= a.grounds[name] | b.grounds[name]
            for side in (a, b):
                if getattr(side, name) == getattr(met, name):
                    assert side.grounds[name] <= grounds


@given(profiles(1))
def test_a_profile_survives_being_written_down(one):
    (profile,) = one
    assert from_parameters("v1", profile.as_parameters()) == profile


def test_a_value_unknown_to_an_old_version_limits_nothing():
    assert PROFILES["strictest"] <= from_parameters("v0", {})
    assert from_parameters("v0", {}) & PROFILES["hili"] == PROFILES["hili"]


@pytest.mark.clause("HILI-4.2", "AIART-4.1a", "MIAO-5.2", "AIART-F3")
def test_strictest_is_computed_and_is_what_the_table_says():
    strictest = PROFILES["strictest"]
    four = [PROFILES[name] for name in ("hili", "aiart", "pixel", "miao")]
    assert all(strictest <= profile for profile in four)
    assert strictest == four[3] & four[1] & four[0] & four[2]
    assert strictest.source_after_end == dt.timedelta(0)
    assert strictest.source_ceiling == HOUR
    assert (strictest.result_on_delivery, strictest.result_kept) == (True, HOUR)
    assert strictest.landmarks_kept == dt.timedelta(0)
    assert not strictest.recognition
    assert strictest.processors == {"local"}
    assert strictest.vendor_copy == HOUR
    assert (strictest.regions_in_china, strictest.regions_elsewhere) == ({"CN"}, {"home"})
    assert (strictest.guardian_below, strictest.sensitive_below) == (18, 14)
    assert (strictest.answer_days, strictest.answer_months) == (15, 1)
    assert strictest.reconsent == CHANGE_KINDS
    assert len(CHANGE_KINDS) == 7
    assert not strictest.silence_is_consent
    assert strictest.archive_versions
    assert strictest.key_lease == 7 * DAY
    assert strictest.tell_people_at_once
    assert strictest.tell_authority_within == 72 * HOUR
    assert strictest.case_text_kept == 90 * DAY
    assert strictest.receipts_kept >= 3 * 365 * DAY


def test_strictest_remote_still_allows_a_processor():
    remote = PROFILES["strictest_remote"]
    assert remote == PROFILES["hili"] & PROFILES["pixel"] & PROFILES["miao"]
    assert remote.processors == {"local", "hili"}
    assert remote.result_kept == 7 * DAY
    assert not remote.longer_by_consent


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_value_names_clauses_that_exist(profile):
    known = all_clauses()
    for entry in profile.explain():
        assert entry.grounds, entry.field
        for ground in entry.grounds:
            assert set(ground.clauses) <= set(known), entry.field
            assert bool(ground.clauses) is (ground.origin is not Origin.UNSTATED), entry.field


@given(profiles(1), st.data())
def test_a_site_can_only_tighten(one, data):
    (profile,) = one
    name, rule = data.draw(st.sampled_from(list(rules())))
    value = data.draw(a_value(name))
    before = getattr(profile, name)
    is_positive = name in {"source_ceiling", "result_kept", "key_lease", "job_kept"}
    if looser(rule, value, before):
        with pytest.raises(HiliConfigurationError):
            tighten(profile, {name: value}, where="HERE")
    elif not (is_positive and value == dt.timedelta(0)):
        tightened = tighten(profile, {name: value}, where="HERE")
        assert tightened <= profile
        assert getattr(tightened, name) == value == stricter(rule, value, before)


@pytest.mark.clause("MIAO-5.2")
@pytest.mark.parametrize(
    ("values", "clause"),
    [
        ({"PROFILE": "miao", "RESULT_KEPT": 8 * DAY}, "MIAO-5.2, MIAO-7.7"),
        ({"SOURCE_CEILING": 2 * HOUR}, "HILI-4.2"),
        ({"PROFILE": "aiart", "PROCESSORS": {"local", "hili"}}, "AIART-F3"),
        ({"GUARDIAN_BELOW": 14}, "HILI-7a"),
        ({"PROFILE": "strictest", "RECONSENT": {"rights"}}, "AIART-8, HILI-1.5, HILI-3.2"),
        ({"RECOGNITION": True}, "HILI-1.2c"),
        ({"KEY_LEASE": 31 * DAY}, "HILI-4.2"),
    ],
)
def test_loosening_is_refused_and_the_clause_is_named(settings, values, clause):
    settings.HILI = {"PRIVACY": values}
    with pytest.raises(HiliConfigurationError, match=clause):
        get_settings()


def test_tightening_is_told_as_the_sites_own(settings):
    settings.HILI = {"PRIVACY": {"RESULT_KEPT": 7 * DAY, "GUARDIAN_BELOW": 21}}
    privacy = get_settings().privacy
    assert privacy.result_kept == 7 * DAY
    explained = {entry.field: entry for entry in privacy.effective.explain()}
    (ground,) = explained["result_kept"].grounds
    assert (ground.origin, ground.clauses) == (Origin.SITE, ("HILI-4.2",))
    assert explained["source_ceiling"].grounds[0].origin is Origin.DESIGN


@pytest.mark.clause("HILI-4.2")
def test_a_result_always_has_an_end(settings):
    settings.HILI = {}
    assert get_settings().privacy.result_kept == RESULT_KEPT_BY_DEFAULT
    settings.HILI = {"PRIVACY": {"RESULT_KEPT": None}}  # until somebody asks for it
    assert get_settings().privacy.result_kept == OPEN_ENDED
    settings.HILI = {"PRIVACY": {"PROFILE": "miao"}}
    assert get_settings().privacy.result_kept == 7 * DAY
    settings.HILI = {"PRIVACY": {"PROFILE": "pixel", "RESULT_KEPT": None}}
    with pytest.raises(HiliConfigurationError, match=r"PIXEL-3\.1"):
        get_settings()
