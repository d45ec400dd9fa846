"""An authority gets what its document covers; a guardian gets the child's copy, once verified."""

from __future__ import annotations

import datetime as dt
import io
import zipfile

import pytest
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import PrivacyRefusedError, WrongStateError
from django_hili.models import (
    AgeBand,
    CaseKind,
    CaseOutcome,
    Receipt,
    ScopeItem,
    SendState,
    Subject,
)
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import cases
from django_hili.privacy.rights.demands import answer_demand, export_for_guardian
from tests.people import enhance
from tests.privacy.test_rights import send

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.timedelta(days=1)


@pytest.fixture
def jobs(anna, ben, photo, work):
    made = [enhance(photo, operations=["sr"], scale=2, subject=user) for user in (anna, ben)]
    work()
    for job in made:
        send(job, state=SendState.ANSWERED)
    return made


def demand(ref, *scope, since=-DAY, until=DAY):
    now = timezone.now()
    return cases.open_demand(
        document="1 Js 17/26", scope=scope, scope_from=now + since, scope_until=now + until,
        subject_ref=ref,
    )  # fmt: skip


@pytest.mark.clause("AIART-3.3b")
def test_a_demand_is_answered_within_its_scope_and_no_wider(jobs):
    hers, his = jobs
    case = demand(hers.subject_ref, ScopeItem.JOBS, ScopeItem.SENDS)
    with pytest.raises(WrongStateError) as error:
        answer_demand(case_id=case.pk)
    assert error.value.code == Code.CASE_UNVERIFIED
    cases.verify(case_id=case.pk)
    answer = answer_demand(case_id=case.pk)
    assert set(answer) == {"jobs", "sends"}
    assert [row["id"] for row in answer["jobs"]] == [hers.pk]
    assert len(answer["sends"]) == 1
    assert str(his.pk) not in repr(answer)
    receipt = Receipt.objects.get(kind="demand_answered")
    assert receipt.object_id == str(case.pk)
    assert receipt.facts == '{"rows":2,"scope":"jobs,sends"}'


@pytest.mark.clause("AIART-3.3b")
def test_what_lies_outside_the_period_is_not_told(jobs):
    case = demand(jobs[0].subject_ref, *ScopeItem, since=-9 * DAY, until=-8 * DAY)
    cases.verify(case_id=case.pk)
    assert not any(answer_demand(case_id=case.pk).values())


@pytest.mark.clause("AIART-3.3b")
def test_no_photo_goes_to_an_authority_and_an_answered_demand_is_over(jobs):
    case = demand(jobs[0].subject_ref, *ScopeItem)
    cases.verify(case_id=case.pk)
    answer = answer_demand(case_id=case.pk)
    assert len(answer["stored"]) == 1
    assert not [value for value in answer["stored"][0].values() if isinstance(value, bytes)]
    cases.close(case_id=case.pk, outcome=CaseOutcome.GRANTED)
    with pytest.raises(WrongStateError):
        answer_demand(case_id=case.pk)


def says_yes(*, user_key, proof):
    return proof == "court paper 5"


@pytest.mark.clause("AIART-3.1c", "HILI-7c", "AIART-7.3", "PIXEL-7.4")
def test_a_guardian_gets_a_childs_copy_once_everything_is_verified(settings, jobs, anna, ben):
    settings.HILI = {
        "PRIVACY": {"GUARDIAN_VERIFIER": "tests.privacy.test_demands.says_yes",
                    "HOME_REGION": "DE"},
    }  # fmt: skip
    child = subject_ref_for(anna)
    case = cases.ask(
        kind=CaseKind.GUARDIAN, subject_ref=subject_ref_for(ben), text="I am Anna's father."
    )

    def copy(proof="court paper 5"):
        return export_for_guardian(case_id=case.pk, child=child, proof=proof)

    with pytest.raises(WrongStateError) as error:
        copy()
    assert error.value.code == Code.GUARDIAN_UNVERIFIED
    cases.verify(case_id=case.pk)
    with pytest.raises(WrongStateError):
        copy()  # Anna is an adult: nobody speaks for her
    Subject.objects.filter(ref=child).update(age_band=AgeBand.MINOR)
    with pytest.raises(PrivacyRefusedError) as refusal:
        copy(proof="a letter I wrote")
    assert refusal.value.code == Code.GUARDIAN_NEEDED
    archive = zipfile.ZipFile(io.BytesIO(b"".join(copy())))
    assert str(jobs[0].pk) in archive.read("data.json").decode()


@pytest.mark.clause("AIART-3.1c")
def test_without_a_verifier_nobody_is_a_guardian(jobs, anna, ben):
    child = subject_ref_for(anna)
    Subject.objects.filter(ref=child).update(age_band=AgeBand.CHILD)
    case = cases.ask(kind=CaseKind.GUARDIAN, subject_ref=subject_ref_for(ben), text="Mine.")
    cases.verify(case_id=case.pk)
    with pytest.raises(PrivacyRefusedError):
        export_for_guardian(case_id=case.pk, child=child, proof="anything")
