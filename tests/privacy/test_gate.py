"""The gate is one pure function: every fact in, a permit or a refusal with its clauses out."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_hili.codes import Code
from django_hili.models import AgeBand, Basis, Purpose
from django_hili.privacy.audit.clauses import all_clauses
from django_hili.privacy.consent.gate import (
    Claim,
    Given,
    Permit,
    Person,
    Question,
    Recipient,
    Refusal,
    Stage,
    Version,
    decide,
    key_of,
)
from django_hili.profiles import PROFILES, ChangeKind

REF = uuid.UUID(int=7)
HILI = Recipient("hili", "CN", leaves_server=True)
LOCAL = Recipient("local", "", leaves_server=False)
KEYS = frozenset(
    ["enhance", "other_people", "longer", "processor:hili", "cross_border", "cross_border:hili",
     "processor:moon", "cross_border:moon"]
)  # fmt: skip


def version(number=1, profile="hili", *kinds):
    return Version(number, PROFILES[profile], frozenset(kinds), KEYS)


def word(purpose, processor="", *, grant=True, guardian=False, number=1):
    return Given(purpose, processor, grant, guardian, number)


CORE = word(Purpose.ENHANCE)
TO_HILI = (word(Purpose.PROCESSOR, "hili"), word(Purpose.CROSS_BORDER, "hili"))


def question(*consents, profile="hili", age=AgeBand.ADULT, versions=None, **words):
    versions = versions or (version(1, profile),)
    return Question(
        **{
            "stage": Stage.ENQUEUE,
            "profile": PROFILES[profile],
            "current": versions[-1].number,
            "versions": {item.number: item for item in versions},
            "person": Person(REF, age, "", tuple(consents)),
            "recipient": LOCAL,
            "claim": Claim(people_agreed=True),
            "home": "DE",
            "store_regions": frozenset({"DE"}),
            **words,
        }
    )


def refusal(asked):
    answer = decide(asked)
    assert isinstance(answer, Refusal), answer
    assert answer.clauses
    assert set(answer.clauses) <= set(all_clauses())
    return answer


CONSENT_FIRST = pytest.mark.clause("HILI-1.2a", "AIART-0.1", "PIXEL-0.1", "MIAO-0.3")


@CONSENT_FIRST
def test_nothing_without_the_core_consent():
    answer = refusal(question())
    assert (answer.code, answer.missing) == (Code.CONSENT_NEEDED, ("enhance",))
    assert {"HILI-1.2a", "AIART-0.1", "PIXEL-0.1", "MIAO-0.3"} <= set(answer.clauses)
    assert decide(question(CORE)) == Permit(Basis.CONSENT, 1, PROFILES["hili"])


@CONSENT_FIRST
@pytest.mark.parametrize("stage", [Stage.UPLOAD, Stage.ENQUEUE, Stage.SEND])
def test_it_is_asked_at_every_stage_on_the_way_in_and_out(stage):
    assert refusal(question(stage=stage)).code is Code.CONSENT_NEEDED
    assert isinstance(decide(question(CORE, stage=stage)), Permit)


@pytest.mark.clause("HILI-1.5", "AIART-1.2", "PIXEL-1.1.5", "MIAO-2.2e")
@pytest.mark.parametrize("purpose", ["advertising", "analytics", "training", "research", ""])
def test_an_unknown_purpose_is_refused_whatever_was_agreed(purpose):
    assert refusal(question(CORE, word(purpose), purpose=purpose)).code is Code.PURPOSE_UNKNOWN
    nobody = Claim(Basis.NO_PERSONAL_DATA)
    assert refusal(question(CORE, purpose=purpose, claim=nobody)).code is Code.PURPOSE_UNKNOWN


@pytest.mark.clause(
    "HILI-1.4", "HILI-3.1.2", "HILI-3.1.3", "AIART-1.2.6", "AIART-1.2.7", "AIART-3.1b",
    "AIART-3.4", "PIXEL-1.1.3", "PIXEL-1.1.4", "PIXEL-5.1c",
)  # fmt: skip
def test_the_purposes_are_closed_and_none_is_the_companys_own():
    assert set(Purpose.values) == {
        "enhance", "processor", "cross_border", "longer", "other_people",
    }  # fmt: skip


@pytest.mark.clause("HILI-0.1", "HILI-0.2", "MIAO-0.3", "AIART-1.2.3a", "HILI-1.2b")
def test_refusing_every_optional_purpose_leaves_the_core():
    optional = [word(p, "hili", grant=False) for p in (Purpose.PROCESSOR, Purpose.CROSS_BORDER)]
    refused = [
        *optional,
        word(Purpose.LONGER, grant=False),
        word(Purpose.CROSS_BORDER, grant=False),
    ]
    assert isinstance(decide(question(CORE, *refused)), Permit)


@pytest.mark.clause("HILI-0.1", "MIAO-0.3")
def test_the_core_consent_brings_no_other_with_it():
    assert refusal(question(CORE, purpose=Purpose.LONGER)).missing == ("longer",)
    assert refusal(question(CORE, recipient=HILI)).missing == (
        "processor:hili", "cross_border:hili",
    )  # fmt: skip


@pytest.mark.clause("HILI-3.1.1a", "AIART-3.1a", "PIXEL-5.1a", "MIAO-6.1a", "MIAO-6.1d")
def test_each_processor_needs_a_consent_that_names_it():
    moon = Recipient("moon", "DE", leaves_server=True)
    agreed = (CORE, *TO_HILI)
    assert isinstance(decide(question(*agreed, recipient=HILI, profile="pixel")), Permit)
    answer = refusal(question(*agreed, recipient=moon, profile="pixel"))
    assert answer.missing == ("processor:moon",)
    assert "PIXEL-5.1a" in answer.clauses


@pytest.mark.clause("AIART-F3")
def test_a_profile_that_keeps_photos_here_refuses_every_processor():
    answer = refusal(question(CORE, *TO_HILI, recipient=HILI, profile="aiart"))
    assert (answer.code, answer.clauses) == (Code.PROCESSOR_NOT_ALLOWED, ("AIART-F3",))
    attested = Claim(Basis.ATTESTATION, "they asked", by_operator=True)
    assert refusal(question(recipient=HILI, profile="aiart", claim=attested))
    assert isinstance(decide(question(CORE, recipient=LOCAL, profile="aiart")), Permit)


@pytest.mark.clause("HILI-4.1", "AIART-4.1c", "PIXEL-3.2", "MIAO-5.1", "MIAO-7.8")
def test_another_region_needs_a_consent_of_its_own():
    only_processor = (CORE, TO_HILI[0])
    answer = refusal(question(*only_processor, recipient=HILI))
    assert answer.missing == ("cross_border:hili",)
    assert "HILI-4.1" in answer.clauses
    at_home = question(*only_processor, recipient=HILI, home="CN", store_regions=frozenset({"CN"}))
    assert isinstance(decide(at_home), Permit)
    elsewhere = question(CORE, store_regions=frozenset({"DE", "US"}))
    assert refusal(elsewhere).missing == ("cross_border",)
    abroad = word(Purpose.CROSS_BORDER)
    assert isinstance(
        decide(replace(elsewhere, person=Person(REF, AgeBand.ADULT, "", (CORE, abroad)))), Permit
    )


@pytest.mark.clause("HILI-4.1", "MIAO-7.8")
def test_what_is_collected_in_mainland_china_stays_there():
    person = Person(REF, AgeBand.ADULT, "CN", (CORE,))
    answer = refusal(question(person=person))
    assert answer.missing == ("cross_border",)
    assert isinstance(
        decide(question(person=person, home="CN", store_regions=frozenset({"CN"}))), Permit
    )


GUARDIAN = word(Purpose.ENHANCE, guardian=True)


@pytest.mark.clause("HILI-7a", "AIART-7.1", "PIXEL-7.1", "MIAO-9.1", "MIAO-9.2")
@pytest.mark.parametrize(
    ("profile", "age", "needs"),
    [("hili", AgeBand.MINOR, True), ("hili", AgeBand.CHILD, True), ("miao", AgeBand.MINOR, False),
     ("miao", AgeBand.CHILD, True), ("strictest", AgeBand.MINOR, True),
     ("hili", AgeBand.ADULT, False)],
)  # fmt: skip
def test_below_the_age_only_a_guardian_speaks(profile, age, needs):
    own = decide(question(CORE, profile=profile, age=age))
    assert isinstance(own, Permit) is not needs
    if needs:
        assert own.code is Code.GUARDIAN_NEEDED
        assert {"MIAO-9.2", "PIXEL-7.2", *PROFILES[profile].clauses("guardian_below")} == set(
            own.clauses
        )
    assert isinstance(decide(question(GUARDIAN, profile=profile, age=age)), Permit)


@pytest.mark.clause("PIXEL-7.2", "MIAO-9.2")
def test_a_minors_own_consent_to_a_processor_does_not_count():
    by_guardian = tuple(replace(given, by_guardian=True) for given in TO_HILI)
    words = {"recipient": HILI, "age": AgeBand.MINOR}
    refused = refusal(question(GUARDIAN, *TO_HILI, **words))
    assert refused.code is Code.CONSENT_NEEDED
    assert "processor:hili" in refused.missing
    assert isinstance(decide(question(GUARDIAN, *by_guardian, **words)), Permit)


@pytest.mark.clause("MIAO-9.1")
def test_a_childs_photo_stays_here_even_if_a_guardian_agrees():
    words = tuple(replace(given, by_guardian=True) for given in (CORE, *TO_HILI))
    asked = question(*words, recipient=HILI, age=AgeBand.CHILD)
    assert refusal(asked).code is Code.CHILD_STAYS_HERE
    assert isinstance(decide(replace(asked, recipient=LOCAL)), Permit)


@pytest.mark.clause("HILI-7a", "AIART-7.1", "PIXEL-7.1")
def test_nobody_is_taken_for_an_adult_unasked():
    assert refusal(question(CORE, age=AgeBand.UNKNOWN)).code is Code.AGE_NEEDED


@pytest.mark.clause("HILI-7a")
def test_an_attestation_does_not_stand_in_for_a_guardian():
    attested = Claim(Basis.ATTESTATION, "the school asked", by_operator=True)
    assert refusal(question(age=AgeBand.MINOR, claim=attested)).code is Code.GUARDIAN_NEEDED


@pytest.mark.clause("AIART-1.2.3b", "MIAO-2.2d")
def test_an_upload_without_the_word_for_other_people_is_refused():
    answer = refusal(question(CORE, claim=Claim()))
    assert (answer.code, answer.missing) == (Code.PEOPLE_NOT_AGREED, ("other_people",))
    assert answer.clauses == ("AIART-1.2.3b", "MIAO-2.2d")
    standing = word(Purpose.OTHER_PEOPLE)
    assert refusal(question(CORE, standing, claim=Claim())).code is Code.PEOPLE_NOT_AGREED


@pytest.mark.clause(
    "HILI-1.6", "HILI-3.4", "AIART-1.2.9", "PIXEL-1.1.6", "PIXEL-5.4", "MIAO-3",
)  # fmt: skip
@pytest.mark.parametrize(("reason", "by_operator"), [("", True), ("  ", True), ("law", False)])
def test_another_basis_needs_an_operator_and_a_reason(reason, by_operator):
    claim = Claim(Basis.ATTESTATION, reason, by_operator=by_operator)
    answer = refusal(question(claim=claim))
    assert answer.code is Code.BASIS_MISSING
    assert "HILI-1.6" in answer.clauses
    good = Claim(Basis.ATTESTATION, "signed form", by_operator=True)
    assert decide(question(claim=good)).basis is Basis.ATTESTATION


def test_consent_needs_somebody_to_give_it():
    assert refusal(question(person=None)).code is Code.BASIS_MISSING


def test_photos_that_show_nobody_are_left_alone():
    shop = Claim(Basis.NO_PERSONAL_DATA)
    for recipient in (LOCAL, HILI, None):
        assert isinstance(decide(question(claim=shop, person=None, recipient=recipient)), Permit)


KIND_CLAUSES = pytest.mark.clause(
    "AIART-8", "PIXEL-8.5b", "MIAO-10.2", "HILI-3.2", "AIART-3.2", "PIXEL-5.2", "MIAO-6.2",
)  # fmt: skip


@KIND_CLAUSES
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", ChangeKind)
def test_each_material_kind_alone_stops_new_processing(profile, kind):
    versions = (version(1, profile), version(2, profile, kind))
    answer = decide(question(CORE, profile=profile, versions=versions))
    is_material = kind in PROFILES[profile].reconsent
    assert isinstance(answer, Refusal) is is_material
    if is_material:
        assert answer.missing == ("enhance",)
        assert set(PROFILES[profile].clauses("reconsent")) <= set(answer.clauses)
    renewed = word(Purpose.ENHANCE, number=2)
    assert isinstance(decide(question(renewed, profile=profile, versions=versions)), Permit)


@pytest.mark.clause("HILI-8a", "MIAO-10.1")
def test_a_looser_version_changes_nothing_for_who_has_not_agreed():
    strict, loose = version(1, "strictest"), version(2, "hili")
    permit = decide(question(CORE, profile="hili", versions=(strict, loose)))
    assert permit.profile == PROFILES["strictest"]
    assert permit.policy_number == 1
    renewed = word(Purpose.ENHANCE, number=2)
    again = decide(question(renewed, profile="hili", versions=(strict, loose)))
    assert again.profile == PROFILES["hili"]


def test_a_stricter_setting_of_today_binds_at_once():
    permit = decide(question(CORE, profile="strictest", versions=(version(1, "hili"),)))
    assert permit.profile == PROFILES["strictest"]


@pytest.mark.clause("HILI-6", "AIART-5.4", "PIXEL-6.3", "MIAO-8.3")
def test_a_withdrawn_consent_is_none():
    assert refusal(question(word(Purpose.ENHANCE, grant=False))).missing == ("enhance",)


@pytest.mark.clause("HILI-1.5")
def test_a_processor_no_version_names_cannot_be_agreed_to():
    bare = replace(version(), notice_keys=frozenset({"enhance", "other_people"}))
    answer = refusal(question(CORE, recipient=HILI, versions=(bare,)))
    assert answer.code is Code.POLICY_OUTDATED


@pytest.mark.clause("HILI-3.3", "AIART-3.3a", "PIXEL-5.3", "MIAO-6.3")
@pytest.mark.parametrize("stage", [Stage.READ, Stage.EXPORT])
def test_only_the_owner_sees_a_photo_or_an_operator_who_says_why(stage):
    bare = {"stage": stage, "age": AgeBand.UNKNOWN, "recipient": None}
    assert isinstance(decide(question(reader=REF, **bare)), Permit)  # no consent is needed
    for reader in (None, uuid.UUID(int=8)):
        answer = refusal(question(CORE, reader=reader, **bare))
        assert answer.code is Code.PHOTO_NOT_YOURS
    staff = Claim(reason="the person asked for help", by_operator=True)
    assert isinstance(decide(question(claim=staff, reader=uuid.UUID(int=8), **bare)), Permit)
    assert refusal(question(claim=replace(staff, reason=""), **bare))
    nobodys = question(person=None, reader=None, **bare)
    assert refusal(nobodys).code is Code.PHOTO_NOT_YOURS


words = st.builds(
    Given,
    purpose=st.sampled_from(Purpose.values),
    processor=st.sampled_from(["", "hili"]),
    is_grant=st.booleans(),
    by_guardian=st.booleans(),
    policy_number=st.sampled_from([1, 2]),
)
questions = st.builds(
    Question,
    stage=st.sampled_from([Stage.UPLOAD, Stage.ENQUEUE, Stage.SEND]),
    profile=st.sampled_from(list(PROFILES.values())),
    current=st.just(2),
    versions=st.builds(
        lambda one, two, kinds: {1: version(1, one), 2: version(2, two, *kinds)},
        st.sampled_from(list(PROFILES)),
        st.sampled_from(list(PROFILES)),
        st.sets(st.sampled_from(ChangeKind)),
    ),
    person=st.none()
    | st.builds(
        Person, ref=st.just(REF), age_band=st.sampled_from(AgeBand),
        region=st.sampled_from(["", "CN", "DE"]),
        consents=st.lists(
            words, max_size=5, unique_by=lambda w: (w.purpose, w.processor)
        ).map(tuple),
    ),
    recipient=st.sampled_from([None, LOCAL, HILI]),
    claim=st.builds(
        Claim, basis=st.just(Basis.CONSENT), people_agreed=st.booleans()
    ),
    home=st.sampled_from(["DE", "CN"]),
    store_regions=st.sampled_from([frozenset({"DE"}), frozenset({"CN"})]),
)  # fmt: skip


@CONSENT_FIRST
@given(questions)
def test_a_permit_always_rests_on_live_consents(asked):
    answer = decide(asked)
    if isinstance(answer, Refusal):
        assert answer.clauses
        return
    grants = {key_of(w.purpose, w.processor): w for w in asked.person.consents if w.is_grant}
    assert "enhance" in grants
    assert answer.profile <= asked.profile
    assert answer.profile <= asked.versions[grants["enhance"].policy_number].profile
    if asked.recipient is HILI:
        assert "processor:hili" in grants
        assert asked.person.age_band in {AgeBand.ADULT, AgeBand.MINOR}
        if asked.home != "CN" or asked.person.region == "DE":
            assert "cross_border:hili" in grants
    if asked.person.age_band is AgeBand.CHILD:
        assert grants["enhance"].by_guardian


@given(questions)
def test_taking_any_consent_away_never_opens_the_gate(asked):
    if isinstance(decide(asked), Permit) or asked.person is None:
        return
    for dropped in asked.person.consents:
        if not dropped.is_grant:
            continue
        if dropped.purpose == Purpose.ENHANCE:
            continue  # agreeing to a stricter version may narrow what is allowed
        fewer = tuple(given for given in asked.person.consents if given is not dropped)
        person = replace(asked.person, consents=fewer)
        assert isinstance(decide(replace(asked, person=person)), Refusal)
