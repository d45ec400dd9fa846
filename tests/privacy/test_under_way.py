"""What ends while an upload is under way: it has made its job by then, or it makes none."""

from __future__ import annotations

import pytest

import django_hili
from django_hili.codes import Code
from django_hili.exceptions import HiliError
from django_hili.jobs.batch import enhance_many
from django_hili.media import intake, vault
from django_hili.models import Basis, Media, PhotoBatch, PhotoJob, Receipt, Subject
from django_hili.privacy.audit.check import audit
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.erasure.sweep import sweep_thoroughly
from django_hili.privacy.erasure.winddown import wind_down
from django_hili.privacy.rights import exercise
from django_hili.privacy.rights.withdrawal import withdraw_consent
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)

ENDS = {
    "cancel": lambda user: exercise.cancel_account(subject_ref=known_subject_ref(user)),
    "delete the user": lambda user: user.delete(),
    "wind down": lambda user: wind_down(),
    "withdraw": lambda user: withdraw_consent(subject=user, purpose="enhance"),
}
HELD = [
    pytest.param(name, marks=pytest.mark.clause(*clauses))
    for name, clauses in (
        ("cancel", ("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")),
        ("delete the user", ("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")),
        ("wind down", ("AIART-4.1b", "PIXEL-8.2", "MIAO-5.4")),
        ("withdraw", ("HILI-6", "AIART-5.4", "PIXEL-6.3", "MIAO-8.3")),
    )
]
WHERE = ("while it is read", "once it is written")


@pytest.fixture
def during(monkeypatch):
    """Have something happen while the next photo is on its way in."""

    def arrange(where, end):
        module, name = (intake, "take_in") if where == WHERE[0] else (vault, "write")
        real = getattr(module, name)

        def then(*words, **options):
            monkeypatch.setattr(module, name, real)
            done = real(*words, **options)
            end()
            return done

        monkeypatch.setattr(module, name, then)

    return arrange


def assert_nothing_came_in(stored):
    assert stored() == {}
    assert not Media.objects.exists()
    assert not PhotoJob.objects.exists()
    assert not {answer.invariant.id for answer in audit().findings} & {"INV-06", "INV-25"}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("what", HELD)
def test_no_job_comes_of_an_upload_that_something_ended(anna, photo, stored, during, what, where):
    people.agree(anna)
    during(where, lambda: ENDS[what](anna))
    with pytest.raises(HiliError):
        django_hili.enhance(photo, operations=["repair"], subject=anna, people_agreed=True)
    assert_nothing_came_in(stored)
    linked = Subject.objects.exclude(user_key=None).count()
    assert linked == (what == "withdraw"), "nobody is known anew"


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_an_attestation_does_not_outlive_the_account(anna, photo, stored, during, where):
    people.agree(anna)
    during(where, lambda: ENDS["cancel"](anna))
    with pytest.raises(HiliError) as error:
        django_hili.enhance(
            photo, operations=["repair"], subject=anna, basis=Basis.ATTESTATION, reason="a contract"
        )
    assert error.value.problems[0].code == Code.SUBJECT_UNKNOWN
    assert_nothing_came_in(stored)
    assert not Subject.objects.exclude(user_key=None).exists()


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("is_somebodys", [True, False])
@pytest.mark.clause("AIART-4.1b", "PIXEL-8.2", "MIAO-5.4")
def test_no_photo_of_a_stranger_or_of_nobody_comes_in_after_the_end(
    anna, photo, stored, during, where, is_somebodys
):
    during(where, wind_down)
    basis = Basis.ATTESTATION if is_somebodys else Basis.NO_PERSONAL_DATA
    with pytest.raises(HiliError) as error:
        django_hili.enhance(
            photo, operations=["repair"], subject=anna if is_somebodys else None, basis=basis,
            reason="a contract",
        )  # fmt: skip
    assert error.value.code == Code.SERVICE_ENDED
    assert_nothing_came_in(stored)
    assert not Subject.objects.exists()


@pytest.mark.clause("AIART-4.1b", "PIXEL-8.2", "MIAO-5.4")
def test_many_photos_after_the_end_leave_nobody_behind(anna, photo):
    wind_down()
    with pytest.raises(HiliError) as error:
        enhance_many([photo], operations=["repair"], subject=anna, people_agreed=True)
    assert error.value.code == Code.SERVICE_ENDED
    assert not Subject.objects.exists()
    assert not PhotoBatch.objects.exists()


def test_a_photo_condemned_while_it_is_stored_makes_no_job(anna, photo, stored, monkeypatch):
    """The last that could happen: everything is condemned after the permit was confirmed."""
    people.agree(anna)
    monkeypatch.setattr(vault, "publish", lambda media, **_: False)
    with pytest.raises(HiliError) as error:
        django_hili.enhance(photo, operations=["repair"], subject=anna, people_agreed=True)
    assert error.value.code == Code.SOURCE_GONE
    assert_nothing_came_in(stored)


def test_a_newcomer_somebody_else_answers_for_is_known_from_the_job_on(anna, photo):
    job = django_hili.enhance(
        photo, operations=["repair"], subject=anna, basis=Basis.ATTESTATION, reason="a contract"
    )
    assert job.subject_ref == known_subject_ref(anna)


@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_photos_of_people_who_were_cut_off_are_found_by_the_sweep(anna, ben, photo, work, stored):
    job = people.enhance(photo, operations=["repair"], subject=anna)
    kept = people.enhance(photo, operations=["repair"], subject=ben)
    nobodys = django_hili.enhance(photo, operations=["repair"], basis=Basis.NO_PERSONAL_DATA)
    work()
    # By a way that cancelling knows nothing of.
    Subject.objects.filter(pk=job.subject_ref).update(user_key=None)
    assert "INV-25" in {answer.invariant.id for answer in audit().findings}
    sweep_thoroughly()
    assert set(PhotoJob.objects.values_list("pk", flat=True)) == {kept.pk, nobodys.pk}
    assert len(stored()) == 2
    assert Receipt.objects.filter(kind="erased", facts__contains="cancelled").count() == 1
    assert "INV-25" not in {answer.invariant.id for answer in audit().findings}
