"""Consent is an explicit act, separate for each purpose, and as easily taken back as given."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

import django_hili
from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import FrozenRowError, InvalidOptionsError, PrivacyRefusedError
from django_hili.media import keys, vault
from django_hili.models import (
    AgeBand,
    Basis,
    Consent,
    ConsentAction,
    EraseCause,
    HeldReason,
    JobStatus,
    Media,
    MediaKind,
    MediaState,
    PhotoJob,
    PolicyVersion,
    Purpose,
    Receipt,
    Subject,
)
from django_hili.privacy.audit.invariants import photos_of_unapproved_minors
from django_hili.privacy.consent import longer
from django_hili.privacy.consent.answers import record_answers
from django_hili.privacy.consent.asking import ask_read
from django_hili.privacy.consent.consents import give_consent
from django_hili.privacy.consent.entry import ask_to_enter
from django_hili.privacy.consent.gate import Claim
from django_hili.privacy.consent.longer import keep_longer
from django_hili.privacy.consent.policies import publish, version_in_force
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.rights.withdrawal import withdraw_consent, withdraw_everything
from tests import people, photos
from tests.vendors import charges, vendor_for

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
EXPLICIT = pytest.mark.clause("PIXEL-0.1", "AIART-0.1", "MIAO-0.3", "HILI-1.2a")
SEPARATE = pytest.mark.clause("HILI-0.1", "MIAO-0.3")
WITHDRAWAL = pytest.mark.clause(
    "HILI-6", "AIART-1.2.8", "AIART-5.4", "PIXEL-6.3", "MIAO-2.2c", "MIAO-8.3"
)
CONSENTS, DATA = "/hili/api/v1/privacy/consents/", "/hili/api/v1/privacy/data/"
LOOK = {"proof": "yes"}


def says_yes(*, user_key: str, proof: str) -> bool:
    """A host's verifier, for tests."""
    return proof == LOOK["proof"]


def act(purpose=Purpose.ENHANCE, processor="", **words):
    version = version_in_force()
    key = f"{purpose}:{processor}" if processor else str(purpose)
    return {
        "version": version.number, "notice": version.notice_hashes[key], "purpose": purpose,
        "processor": processor, "age_band": "adult", **words,
    }  # fmt: skip


# Giving.


@EXPLICIT
def test_a_consent_names_the_version_and_the_notice(anna):
    event = give_consent(subject=anna, **act())
    assert (event.policy_id, event.action, event.given_by) == (1, "grant", "self")
    assert event.notice_hash == PolicyVersion.objects.get().notice_hashes["enhance"]
    assert Subject.objects.get().age_band == AgeBand.ADULT


@EXPLICIT
@pytest.mark.clause("MIAO-0.2", "PIXEL-1.1.7")
@pytest.mark.parametrize(
    "wrong",
    [{"notice": ""}, {"notice": "0" * 64}, {"version": 2}, {"version": 0},
     {"purpose": Purpose.LONGER}],
)  # fmt: skip
def test_without_the_notice_that_was_shown_there_is_no_consent(anna, wrong):
    with pytest.raises(PrivacyRefusedError) as refusal:
        give_consent(subject=anna, **{**act(), **wrong})
    assert refusal.value.code is Code.NOTICE_UNKNOWN
    assert not Consent.objects.exists()


@EXPLICIT
def test_nothing_has_a_default():
    with pytest.raises(TypeError):
        give_consent(subject=None)


@pytest.mark.clause("HILI-1.5", "AIART-1.2")
@pytest.mark.parametrize("purpose", ["advertising", "training", Purpose.OTHER_PEOPLE])
def test_there_is_no_consent_to_anything_else(anna, purpose):
    with pytest.raises(PrivacyRefusedError) as refusal:
        give_consent(subject=anna, version=1, notice="x", purpose=purpose)
    assert refusal.value.code is Code.PURPOSE_UNKNOWN


@pytest.mark.clause("MIAO-0.2", "PIXEL-1.1.7")
def test_an_event_cannot_be_saved_without_a_known_notice_nor_edited(anna):
    event = give_consent(subject=anna, **act())
    for act_ in (event.save, lambda: Consent.objects.update(purpose="longer")):
        with pytest.raises(FrozenRowError):
            act_()
    fields = {
        "subject_ref": event.subject_ref, "purpose": "enhance", "action": "grant",
        "policy": event.policy, "at": event.at,
    }  # fmt: skip
    for notice in ("", "f" * 64, event.policy.notice_hashes["longer"]):
        with pytest.raises(FrozenRowError):
            Consent.objects.create(notice_hash=notice, **fields)
        with pytest.raises(FrozenRowError):
            Consent.objects.bulk_create([Consent(notice_hash=notice, **fields)])
    assert Consent.objects.count() == 1


@pytest.mark.clause("MIAO-12")
def test_before_a_version_takes_effect_consent_binds_to_the_one_before(anna):
    publish()
    later = publish(effective_at=timezone.now() + DAY)
    event = give_consent(subject=anna, **act())
    assert event.policy_id == 1
    with pytest.raises(PrivacyRefusedError):
        give_consent(
            subject=anna, version=later.number, notice=later.notice_hashes["enhance"]
        )  # fmt: skip


@SEPARATE
@pytest.mark.clause("HILI-0.2", "AIART-1.2.3a")
def test_the_core_alone_is_enough_and_brings_nothing_else(anna, photo):
    give_consent(subject=anna, **act())
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    with pytest.raises(PrivacyRefusedError) as refusal:
        keep_longer(subject=anna, job_id=job.pk, until=timezone.now() + 90 * DAY)
    assert refusal.value.missing == ("longer",)


@EXPLICIT
def test_without_consent_nothing_is_stored_not_even_who_asked(anna, photo, stored):
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    assert refusal.value.missing == ("enhance",)
    assert set(refusal.value.clauses) > set()
    rows = (PhotoJob, Media, Subject, Consent, PolicyVersion)
    assert not any(model.objects.exists() for model in rows)
    assert stored() == {}


@pytest.mark.clause("AIART-1.2.3b", "MIAO-2.2d")
def test_every_upload_attests_for_the_people_shown(anna, photo, stored):
    people.agree(anna)
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", subject=anna)
    assert refusal.value.code is Code.PEOPLE_NOT_AGREED
    assert stored() == {}
    jobs = [people.enhance(photo, preset="photo-4x", subject=anna) for _ in range(2)]
    attested = Consent.objects.filter(purpose=Purpose.OTHER_PEOPLE)
    assert {event.job_id for event in attested} == {job.pk for job in jobs}


@pytest.mark.clause("HILI-4.1", "AIART-4.1c", "PIXEL-3.2", "MIAO-5.1", "MIAO-7.8")
def test_a_person_in_mainland_china_is_asked_before_their_data_lies_elsewhere(
    anna, photo, stored
):  # fmt: skip
    give_consent(subject=anna, **act(region="CN"))
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    assert refusal.value.missing == ("cross_border",)
    assert "HILI-4.1" in refusal.value.clauses
    assert stored() == {}
    give_consent(subject=anna, **act(Purpose.CROSS_BORDER))
    assert django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)


# Other grounds.


@pytest.mark.clause("HILI-1.6", "HILI-3.4", "AIART-1.2.9", "PIXEL-1.1.6", "PIXEL-5.4", "MIAO-3")
def test_another_ground_needs_a_reason_and_leaves_a_receipt(anna, photo):
    from django_hili.models import Receipt

    for words in ({"basis": "attestation"}, {"basis": "attestation", "reason": " "}):
        with pytest.raises(PrivacyRefusedError) as refusal:
            django_hili.enhance(photo, preset="photo-4x", subject=anna, **words)
        assert refusal.value.code is Code.BASIS_MISSING
        assert "HILI-1.6" in refusal.value.clauses
    reason = {"basis": "attestation", "reason": "Form 12 of the 3rd"}
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna, **reason)
    assert (job.basis, job.basis_reason) == (Basis.ATTESTATION, "Form 12 of the 3rd")
    receipt = Receipt.objects.get(kind="basis_named")
    assert receipt.object_id == str(job.pk)
    assert "Form" not in str(receipt.facts)


def test_a_shop_is_asked_for_nothing(settings, photo, anna):
    from django_hili.models import Receipt

    django_hili.enhance(photo, preset="photo-4x", basis="no_personal_data")
    settings.HILI = {"PRIVACY": {"BASIS": "no_personal_data"}}
    jobs = [
        django_hili.enhance(photo, preset="photo-4x"),
        django_hili.enhance(photo, preset="photo-4x", subject=anna),
    ]
    assert {job.basis for job in jobs} == {Basis.NO_PERSONAL_DATA}
    assert {job.policy_number for job in jobs} == {None}
    assert not PolicyVersion.objects.exists()
    assert not Consent.objects.exists()
    assert Receipt.objects.filter(kind="basis_named").count() == 3


# Taking back.


@WITHDRAWAL
def test_taking_back_needs_no_version_and_no_notice(anna):
    people.agree(anna)
    done = withdraw_consent(subject=anna, purpose="enhance")
    assert done.was_given
    last = Consent.objects.filter(purpose="enhance").order_by("-pk").first()
    assert last.action == ConsentAction.WITHDRAW
    assert last.notice_hash
    assert not withdraw_consent(subject=anna, purpose="enhance").was_given


@WITHDRAWAL
@pytest.mark.clause("HILI-4.2")
@pytest.mark.parametrize("state", ["queued", "held", "processing", "fetching", "sending", "done"])
@pytest.mark.django_db(transaction=True)
def test_withdrawing_works_in_every_state(anna, photo, stored, state):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    PhotoJob.objects.filter(pk=job.pk).update(status=state)
    done = withdraw_consent(subject=anna, purpose="enhance")
    job.refresh_from_db()
    assert job.status == (JobStatus.DONE if state == "done" else JobStatus.CANCELLED)
    assert done.cancelled == (state != "done")
    assert done.photos == 1
    assert not Media.objects.live().exists()
    assert stored() == {}
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    assert refusal.value.missing == ("enhance",)
    assert people.enhance(photo, preset="photo-4x", subject=anna)  # agreed again


@WITHDRAWAL
@pytest.mark.django_db(transaction=True)
def test_what_is_withdrawn_is_unreadable_in_that_very_transaction(anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    with transaction.atomic():
        withdraw_consent(subject=anna, purpose="enhance")
        media = Media.objects.get(job_id=job.pk)
        assert (media.state, media.cause) == (MediaState.CONDEMNED, EraseCause.WITHDRAWN)


@WITHDRAWAL
def test_somebody_elses_photos_and_other_grounds_stand(anna, ben, photo):
    other = people.enhance(photo, preset="photo-4x", subject=ben)
    attested = django_hili.enhance(
        photo, preset="photo-4x", subject=anna, basis="attestation", reason="a contract"
    )
    people.agree(anna)
    withdraw_consent(subject=anna, purpose="enhance")
    live = set(Media.objects.live().values_list("job_id", flat=True))
    assert live == {other.pk, attested.pk}


@WITHDRAWAL
def test_the_events_and_receipts_of_before_stand(anna, photo):
    from django_hili.models import Receipt

    people.enhance(photo, preset="photo-4x", subject=anna)
    before = list(Consent.objects.values_list("pk", flat=True))
    withdraw_consent(subject=anna, purpose="enhance")
    assert set(before) < set(Consent.objects.values_list("pk", flat=True))
    kinds = list(Receipt.objects.order_by("number").values_list("kind", flat=True))
    assert kinds.index("consent_given") < kinds.index("consent_withdrawn")


def test_a_permit_that_was_overtaken_is_asked_for_again(anna):
    people.agree(anna)
    entry = ask_to_enter(subject=anna, provider="local", claim=Claim(people_agreed=True))
    with transaction.atomic():
        entry.confirm()
    give_consent(subject=anna, **act())  # something new, and still good
    with transaction.atomic():
        entry.confirm()
    withdraw_consent(subject=anna, purpose="enhance")
    with pytest.raises(PrivacyRefusedError), transaction.atomic():
        entry.confirm()


# Right before sending.


@pytest.mark.clause("HILI-3.1.1a", "AIART-3.1a", "PIXEL-5.1a", "MIAO-6.1a", "AIART-1.2.8")
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_consent_taken_back_after_queueing_keeps_the_photo_here(settings, anna, work):
    with vendor_for(settings) as vendor:
        job = people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
        ref = known_subject_ref(anna)
        # Behind the back of the verb that would cancel the job: the last question finds it.
        given = Consent.objects.filter(subject_ref=ref, purpose=Purpose.PROCESSOR).last()
        Consent.objects.create(
            subject_ref=ref, purpose=given.purpose, processor=given.processor,
            action=ConsentAction.WITHDRAW, policy=given.policy, notice_hash=given.notice_hash,
            at=timezone.now(),
        )  # fmt: skip
        work()
        job.refresh_from_db()
        assert (job.status, job.held_reason) == (JobStatus.HELD, HeldReason.CONSENT_NEEDED)
        assert job.code == Code.CONSENT_NEEDED
        assert not job.disclosures.exists()
        assert charges(vendor) == 0
        assert list(vendor.control.ledger()) == []
        people.agree(anna)  # agrees again: the job goes on by itself
        give_consent(subject=anna, **act(Purpose.PROCESSOR, "hili"))
        work()
        job.refresh_from_db()
        assert job.status == JobStatus.DONE


@WITHDRAWAL
@pytest.mark.django_db(transaction=True)
def test_taking_a_processor_back_cancels_what_would_go_there(settings, anna, photo):
    with vendor_for(settings):
        settings.HILI = {
            **settings.HILI,
            "PROVIDERS": {
                **settings.HILI["PROVIDERS"],
                "local": {"BACKEND": "django_hili.providers.local.LocalProvider"},
            },
        }
        there = people.enhance(photo, operations=["repair"], subject=anna)
        here = people.enhance(photo, operations=["repair"], subject=anna, provider="local")
        done = withdraw_consent(subject=anna, purpose="processor", processor="hili")
        assert (done.cancelled, done.photos) == (1, 1)
        there.refresh_from_db()
        here.refresh_from_db()
        assert (there.status, here.status) == (JobStatus.CANCELLED, JobStatus.QUEUED)
        assert Media.objects.live().get().job_id == here.pk


# Versions.


@pytest.mark.clause("HILI-3.2", "AIART-3.2", "PIXEL-5.2")
def test_a_new_controller_stops_uploads_until_people_agree_again(settings, anna, photo):
    people.enhance(photo, preset="photo-4x", subject=anna)
    settings.HILI = {"PRIVACY": {"CONTROLLER": "Somebody else"}}
    publish()
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    assert refusal.value.missing == ("enhance",)
    assert "HILI-3.2" in refusal.value.clauses
    assert people.enhance(photo, preset="photo-4x", subject=anna).policy_number == 2


@pytest.mark.clause("HILI-8a", "MIAO-10.1")
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_the_deadlines_of_before_hold_until_the_person_agrees(settings, anna, photo, work):
    settings.HILI = {"PRIVACY": {"RESULT_KEPT": 2 * DAY}}
    old = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    settings.HILI = {"PRIVACY": {"RESULT_KEPT": 20 * DAY}}
    assert publish().reduces_rights
    work()

    def kept(job):
        job.refresh_from_db()
        result = Media.objects.live().get(job_id=job.pk, kind=MediaKind.RESULT)
        return result.expires_at - job.ended_at

    assert kept(old) == 2 * DAY
    new = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    assert kept(new) == 20 * DAY
    assert kept(old) == 2 * DAY


@pytest.mark.clause("PIXEL-8.5a")
def test_going_on_is_not_agreeing(settings, anna, photo):
    settings.HILI = {"PRIVACY": {"PROFILE": "pixel"}}  # the one policy that takes silence for it
    people.enhance(photo, preset="photo-4x", subject=anna)
    publish(change_kinds=["manner"])
    client = people.Uploader()
    client.force_login(anna)
    client.get("/hili/api/v1/jobs/")
    client.get("/hili/api/v1/privacy/policies/2/")
    with pytest.raises(PrivacyRefusedError):
        django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)


# Longer.


@pytest.mark.clause("PIXEL-4.4a", "HILI-4.2")
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_result_stays_longer_only_by_a_consent_of_its_own(anna, ben, photo, work):
    give_consent(subject=anna, **act())
    job = django_hili.enhance(photo, operations=["sr"], scale=2, subject=anna, people_agreed=True)
    work()
    result = Media.objects.live().get(job_id=job.pk)
    until = timezone.now() + 90 * DAY
    with pytest.raises(PrivacyRefusedError):
        keep_longer(subject=anna, job_id=job.pk, until=until)
    give_consent(subject=anna, **act(Purpose.LONGER))
    people.agree(ben)
    assert not keep_longer(subject=ben, job_id=job.pk, until=until)
    assert keep_longer(subject=anna, job_id=job.pk, until=until)
    assert not keep_longer(subject=anna, job_id=job.pk, until=until - DAY)  # never earlier
    before = result.expires_at
    result.refresh_from_db()
    assert result.expires_at == until
    withdraw_consent(subject=anna, purpose=Purpose.LONGER)
    result.refresh_from_db()
    assert result.expires_at == before
    assert result.state == MediaState.LIVE
    # Nor does a copy made from now on open for longer than that: the key ends with the deadline.
    assert before <= result.key_bucket < before + keys.GRANULE
    assert vault.read(result)


@pytest.fixture
def kept(anna, photo, work):
    """A job of Anna's, done, and its result; she has agreed to everything."""
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    return job, Media.objects.live().get(job_id=job.pk)


LONGER = pytest.mark.clause("PIXEL-4.4a", "HILI-4.2")


@LONGER
@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_taken_back_is_not_prolonged(anna, kept):
    """An operator's word cannot be withdrawn by the person, so nothing would ever end it."""
    job, result = kept
    PhotoJob.objects.filter(pk=job.pk).update(basis=Basis.ATTESTATION)
    assert not keep_longer(subject=anna, job_id=job.pk, until=timezone.now() + 90 * DAY)
    assert Media.objects.get(pk=result.pk).expires_at == result.expires_at


@LONGER
@pytest.mark.django_db(transaction=True)
def test_a_consent_taken_back_while_the_deadline_is_moved_is_seen(anna, kept, monkeypatch):
    job, result = kept
    ask = longer.ask_longer

    def slowly(**words):
        permit = ask(**words)
        monkeypatch.setattr(longer, "ask_longer", ask)
        withdraw_consent(subject=anna, purpose=Purpose.LONGER)
        return permit

    monkeypatch.setattr(longer, "ask_longer", slowly)
    with pytest.raises(PrivacyRefusedError) as refusal:
        keep_longer(subject=anna, job_id=job.pk, until=timezone.now() + 90 * DAY)
    assert refusal.value.missing == ("longer",)
    assert Media.objects.get(pk=result.pk).expires_at == result.expires_at


@LONGER
@pytest.mark.django_db(transaction=True)
def test_a_result_is_kept_for_a_year_at_the_most(anna, kept):
    job, result = kept
    with pytest.raises(InvalidOptionsError) as refusal:
        keep_longer(subject=anna, job_id=job.pk, until=timezone.now() + 366 * DAY)
    assert refusal.value.problems[0].code == Code.KEPT_TOO_LONG
    assert Media.objects.get(pk=result.pk).expires_at == result.expires_at
    assert keep_longer(subject=anna, job_id=job.pk, until=timezone.now() + 364 * DAY)


@pytest.mark.clause("MIAO-5.2", "AIART-4.1a")
def test_a_strict_profile_never_keeps_longer(settings, anna):
    settings.HILI = {"PRIVACY": {"PROFILE": "miao"}}
    people.agree(anna)
    assert "longer" not in version_in_force().notice_hashes
    with pytest.raises(PrivacyRefusedError):
        keep_longer(subject=anna, job_id=None, until=timezone.now())


# Minors.

MINORS = pytest.mark.clause("HILI-7a", "AIART-7.1", "PIXEL-7.1", "MIAO-9.1", "MIAO-9.2")


@MINORS
@pytest.mark.clause("PIXEL-7.2")
def test_a_minors_own_word_does_not_count(anna, photo, stored):
    give_consent(subject=anna, **act(age_band="minor"))
    with pytest.raises(PrivacyRefusedError) as refusal:
        django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    assert refusal.value.code is Code.GUARDIAN_NEEDED
    assert stored() == {}


@MINORS
@pytest.mark.parametrize(
    ("verifier", "proof"),
    [("", "yes"), ("tests.privacy.test_consents.says_yes", "no")],
)
def test_a_guardian_is_one_if_the_host_says_so(settings, anna, verifier, proof):
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": verifier}}
    with pytest.raises(PrivacyRefusedError) as refusal:
        give_consent(subject=anna, **act(age_band="minor", guardian_proof=proof))
    assert refusal.value.code is Code.GUARDIAN_NEEDED
    assert not Consent.objects.exists()


@MINORS
def test_with_a_guardian_a_minor_may(settings, anna, photo):
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_consents.says_yes"}}
    event = give_consent(subject=anna, **act(age_band="child", guardian_proof="yes"))
    assert event.given_by == "guardian"
    assert django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)


@MINORS
def test_a_minors_own_word_does_not_overwrite_the_guardians(settings, anna):
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_consents.says_yes"}}
    give_consent(subject=anna, **act(age_band="child", guardian_proof="yes"))
    with pytest.raises(PrivacyRefusedError) as refusal:
        give_consent(subject=anna, **act(age_band="child"))
    assert refusal.value.code is Code.GUARDIAN_NEEDED
    assert Consent.objects.get().given_by == "guardian"


@pytest.mark.clause("HILI-7b", "AIART-7.2", "PIXEL-7.3", "MIAO-9.3")
@pytest.mark.django_db(transaction=True)
def test_an_unapproved_minors_photos_go_at_once(anna, ben, photo, stored):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    other = people.enhance(photo, preset="photo-4x", subject=ben)
    with transaction.atomic():
        done = record_answers(subject=anna, age_band=AgeBand.CHILD)
        assert (done.cancelled, done.photos) == (1, 1)
        media = Media.objects.get(job_id=job.pk)
        assert (media.state, media.cause) == (MediaState.CONDEMNED, EraseCause.MINOR)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert [media.job_id for media in Media.objects.all()] == [other.pk]
    assert len(stored()) == 1


@MINORS
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", ["child", "minor"])
@pytest.mark.parametrize("guarded", [False, True])
def test_nobody_makes_themselves_older(settings, anna, before, guarded):
    """Not with a consent, not beside their guardian's, not by a correction at any door."""
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_consents.says_yes"}}
    if guarded:
        give_consent(subject=anna, **act(age_band=before, guardian_proof="yes"))
    else:
        record_answers(subject=anna, age_band=before)
    events = Consent.objects.count()
    client = Client()
    client.force_login(anna)
    words = {name: value for name, value in act().items() if value}
    older = {"age_band": "adult"}
    for call, path, data in ((client.post, CONSENTS, words), (client.patch, DATA, older)):
        answer = call(path, json.dumps(data), content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "age_not_raised")
    answer = client.post("/hili/privacy/correct/", older)
    assert answer.status_code == 403
    assert "Only a guardian" in answer.content.decode()
    with pytest.raises(PrivacyRefusedError) as refusal:
        give_consent(subject=anna, **act())
    assert refusal.value.code is Code.AGE_NOT_RAISED
    assert Subject.objects.get().age_band == before
    assert Consent.objects.count() == events


@MINORS
@pytest.mark.django_db(transaction=True)
def test_a_guardian_or_staff_may_say_that_somebody_is_older(settings, anna, capsys):
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_consents.says_yes"}}
    record_answers(subject=anna, age_band="child")
    client = Client()
    client.force_login(anna)
    for proof, band in (("no", "child"), ("yes", "minor")):
        words = json.dumps({"age_band": "minor", "guardian_proof": proof})
        client.patch(DATA, words, content_type="application/json")
        assert Subject.objects.get().age_band == band
    call_command("hili_privacy", "age", "--user", str(anna.pk), "--band", "adult")
    assert Subject.objects.get().age_band == "adult"
    record_answers(subject=anna, age_band="minor")
    give_consent(subject=anna, **act(age_band="adult", guardian_proof="yes"))
    assert Subject.objects.get().age_band == "adult"


def tells_with_a_consent(anna, band):
    give_consent(subject=anna, **act(age_band=band))


def tells_over_rest(anna, band):
    client = Client()
    client.force_login(anna)
    words = {name: value for name, value in act(age_band=band).items() if value}
    answer = client.post(CONSENTS, json.dumps(words), content_type="application/json")
    assert answer.status_code == 201


def corrects_over_rest(anna, band):
    client = Client()
    client.force_login(anna)
    answer = client.patch(DATA, json.dumps({"age_band": band}), content_type="application/json")
    assert answer.json() == {"cancelled": 1, "photos": 1}


@pytest.mark.clause("HILI-7b", "AIART-7.2", "PIXEL-7.3", "MIAO-9.3")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("tells", [tells_with_a_consent, tells_over_rest, corrects_over_rest])
@pytest.mark.parametrize("band", ["minor", "child"])
def test_an_age_told_at_any_door_ends_what_nobody_agreed_for(anna, photo, stored, tells, band):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    ref = known_subject_ref(anna)
    before = Subject.objects.get(pk=ref).revision
    tells(anna, band)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert stored() == {}
    assert photos_of_unapproved_minors(timezone.now()) == 0
    assert Receipt.objects.filter(kind="minor_flagged", object_id=str(ref)).count() == 1
    assert Subject.objects.get(pk=ref).age_band == band
    assert Subject.objects.get(pk=ref).revision > before


@pytest.mark.clause("HILI-7b", "AIART-7.2", "MIAO-9.3")
@pytest.mark.django_db(transaction=True)
def test_an_age_told_with_a_guardians_word_ends_nothing(settings, anna, photo):
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_consents.says_yes"}}
    give_consent(subject=anna, **act(age_band="child", guardian_proof="yes"))
    assert Media.objects.live().get().job_id == job.pk
    assert Receipt.objects.filter(kind="minor_flagged").count() == 1


@pytest.mark.clause("HILI-7b", "AIART-7.2")
def test_a_consent_that_is_refused_records_no_answer(anna):
    give_consent(subject=anna, **act())
    for wrong in ({"age_band": "toddler"}, {"region": "Atlantis"}, {"region": "DE\n"}):
        with pytest.raises((PrivacyRefusedError, InvalidOptionsError)):
            give_consent(subject=anna, **act(**wrong))
    with pytest.raises(PrivacyRefusedError):
        give_consent(subject=anna, **act(age_band="child") | {"notice": "another"})
    person = Subject.objects.get()
    assert (person.age_band, person.region) == (AgeBand.ADULT, "")
    assert Consent.objects.count() == 1


@pytest.mark.clause("MIAO-9.1", "MIAO-9.3")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("profile", "ends"), [("miao", False), ("hili", True)])
def test_who_is_under_age_is_the_profiles_to_say(settings, anna, photo, profile, ends):
    settings.HILI = {"PRIVACY": {**settings.HILI["PRIVACY"], "PROFILE": profile}}
    people.enhance(photo, preset="photo-4x", subject=anna)
    assert record_answers(subject=anna, age_band="minor").photos == int(ends)
    assert Media.objects.live().exists() is not ends
    assert photos_of_unapproved_minors(timezone.now()) == 0


@pytest.mark.clause("HILI-7b")
def test_an_approved_minors_photos_stay(settings, anna, photo):
    settings.HILI = {"PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_consents.says_yes"}}
    give_consent(subject=anna, **act(age_band="minor", guardian_proof="yes"))
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    assert record_answers(subject=anna, age_band=AgeBand.MINOR).photos == 0
    assert Media.objects.live().get().job_id == job.pk


@pytest.mark.clause("PIXEL-7.3", "AIART-7.2")
@pytest.mark.django_db(transaction=True)
def test_a_guardian_who_disagrees_ends_everything(settings, anna, photo, stored):
    people.enhance(photo, preset="photo-4x", subject=anna)
    done = withdraw_everything(subject=anna)
    assert (done.cancelled, done.photos) == (1, 1)
    assert stored() == {}
    standing = Consent.objects.all().standing([known_subject_ref(anna)])
    assert {event.action for event in standing} == {"withdraw"}


# Reading.


@pytest.mark.clause("HILI-3.3", "AIART-3.3a", "PIXEL-5.3", "MIAO-6.3")
def test_who_never_agreed_may_still_read_what_is_theirs(anna, ben, photo):
    job = django_hili.enhance(
        photo, preset="photo-4x", subject=anna, basis="attestation", reason="a contract"
    )
    assert ask_read(owner=job.subject_ref, reader=anna)
    with pytest.raises(PrivacyRefusedError):
        ask_read(owner=job.subject_ref, reader=ben, exporting=True)
    assert ask_read(owner=job.subject_ref, reader=ben, reason="they asked for help")


def test_the_settings_bind_even_who_agreed_to_more(settings, anna, photo):
    people.enhance(photo, preset="photo-4x", subject=anna)
    settings.HILI = {"PRIVACY": {"SOURCE_CEILING": dt.timedelta(minutes=5)}}
    job = django_hili.enhance(photo, preset="photo-4x", subject=anna, people_agreed=True)
    media = Media.objects.get(job_id=job.pk)
    assert media.expires_at - media.created_at == get_settings().privacy.source_ceiling


def test_the_public_verbs_are_the_same_ones():
    assert django_hili.give_consent is give_consent
    assert django_hili.withdraw_consent is withdraw_consent
    assert django_hili.publish_policy is publish
    # Written out twice, since a type checker reads no list that is computed.
    verbs = set(django_hili._VERBS)
    assert django_hili.__all__ == ["__version__", *sorted(verbs)]


@pytest.mark.clause("AIART-F1", "AIART-F2", "AIART-4.1a")
@pytest.mark.process
@pytest.mark.parametrize("today", ["aiart", "hili"])
@pytest.mark.django_db(transaction=True)
def test_under_a_strict_profile_a_result_goes_when_it_has_been_fetched(
    settings, anna, photo, work, stored, today
):
    settings.HILI = {"PRIVACY": {"PROFILE": "aiart"}}
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    settings.HILI = {"PRIVACY": {"PROFILE": today}}  # what was agreed to holds
    work()
    client = people.Uploader()
    client.force_login(anna)
    address = f"/hili/api/v1/jobs/{job.pk}/result/"
    part = client.get(address, headers={"Range": "bytes=0-9"})
    assert len(b"".join(part.streaming_content)) == 10
    cut_off = client.get(address)
    next(iter(cut_off.streaming_content))
    cut_off.close()
    assert Media.objects.live().filter(job_id=job.pk).exists()
    assert len(b"".join(client.get(address).streaming_content)) > 100
    assert not Media.objects.live().filter(job_id=job.pk).exists()
    assert stored() == {}
    assert client.get(address).status_code == 410


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_under_the_default_profile_a_result_stays(anna, photo, work):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    client = people.client_of(anna)
    for _ in range(2):
        answer = client.get(f"/hili/api/v1/jobs/{job.pk}/result/")
        assert len(b"".join(answer.streaming_content)) > 100
