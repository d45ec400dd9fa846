"""Brings the gate the facts it asks for. Reads rows and settings; decides nothing itself.

One function for each moment: before the first byte of an upload is read, when a job is made,
right before a photo leaves, when it is read and when it is exported.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.utils import timezone

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import PrivacyRefusedError
from django_hili.models import (
    AgeBand,
    Basis,
    Consent,
    ConsentAction,
    GivenBy,
    PhotoJob,
    Purpose,
    Subject,
)
from django_hili.privacy.consent import gate
from django_hili.privacy.consent.gate import (
    Claim,
    Given,
    Permit,
    Person,
    Question,
    Recipient,
    Refusal,
    Stage,
)
from django_hili.privacy.consent.policies import gate_versions, version_in_force
from django_hili.privacy.consent.processors import recipient_of
from django_hili.privacy.consent.residency import store_regions
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.erasure.winddown import refuse_if_ended


def ask_upload(*, subject: Any) -> Permit:
    """Ask before a byte of an upload is read. Raises `PrivacyRefusedError`.

    Clauses C01: HILI-1.2a, AIART-0.1, PIXEL-0.1, MIAO-0.3.
    """
    refuse_if_ended()
    claim = Claim(Basis.NO_PERSONAL_DATA if get_settings().privacy.basis else Basis.CONSENT)
    person, _ = person_of(known_subject_ref(subject))
    return _permitted(_question(Stage.UPLOAD, person=person or stranger(), claim=claim))


def ask_enqueue(*, person: Person | None, provider: str, claim: Claim) -> Permit:
    """Ask when a job is made. Raises `PrivacyRefusedError`; nothing has been stored then."""
    refuse_if_ended()
    recipient = recipient_of(provider)
    return _permitted(_question(Stage.ENQUEUE, person=person, recipient=recipient, claim=claim))


def ask_send_all(jobs: Iterable[PhotoJob]) -> dict[uuid.UUID, Refusal]:
    """Ask right before photos leave; return the refusals by the jobs' ids.

    A consent may have been taken back since the job was made. What is asked of the database
    does not grow with the number of jobs.
    Clauses C11: HILI-3.1.1a, AIART-3.1a, PIXEL-5.1a, MIAO-6.1a, MIAO-6.1d.
    """
    jobs = [job for job in jobs if job.basis != Basis.NO_PERSONAL_DATA]
    if not jobs:
        return {}
    people = _people({job.subject_ref for job in jobs if job.subject_ref})
    scene = _scene()
    refusals = {}
    for job in jobs:
        answer = gate.decide(
            Question(
                stage=Stage.SEND,
                person=people.get(job.subject_ref) if job.subject_ref else None,
                recipient=recipient_of(job.provider),
                claim=Claim(Basis(job.basis), reason=job.basis_reason, by_operator=True),
                **scene,
            )
        )
        if isinstance(answer, Refusal):
            refusals[job.pk] = answer
    return refusals


def ask_read(
    *, owner: uuid.UUID | None, reader: Any, reason: str = "", exporting: bool = False
) -> Permit:
    """Ask when a photo is looked at or copied out. Raises `PrivacyRefusedError`.

    The person may always see their own, whatever they agreed to. Somebody else needs to be an
    operator with a reason. Clauses C14: HILI-3.3, AIART-3.3a, PIXEL-5.3, MIAO-6.3.
    """
    return _permitted(
        Question(
            stage=Stage.EXPORT if exporting else Stage.READ,
            profile=get_settings().privacy.effective,
            current=0,
            versions={},
            person=Person(owner, AgeBand.UNKNOWN, "") if owner else None,
            claim=Claim(reason=reason, by_operator=bool(reason)),
            reader=known_subject_ref(reader),
        )
    )


def ask_longer(*, subject: Any) -> Permit:
    """Ask before a result is kept for longer. Clauses C17: PIXEL-4.4a, HILI-4.2, MIAO-5.2."""
    person, _ = person_of(known_subject_ref(subject))
    permit = _permitted(_question(Stage.ENQUEUE, person=person, purpose=Purpose.LONGER,
                                  claim=Claim(people_agreed=True)))  # fmt: skip
    if not permit.profile.longer_by_consent:
        clauses = permit.profile.clauses("longer_by_consent")
        raise PrivacyRefusedError(Code.LONGER_NOT_ALLOWED, clauses=clauses)
    return permit


def _question(
    stage: Stage,
    *,
    person: Person | None,
    claim: Claim,
    recipient: Recipient | None = None,
    purpose: str = Purpose.ENHANCE,
) -> Question:
    return Question(
        stage=stage,
        person=person,
        purpose=purpose,
        recipient=recipient,
        claim=claim,
        **_scene(),
    )


def _scene() -> dict[str, Any]:
    """Return what a question says about the site: its values, its policies and its regions."""
    privacy = get_settings().privacy
    current = version_in_force(timezone.now())
    return {
        "profile": privacy.effective,
        "current": current.number,
        "versions": gate_versions(current),
        "home": privacy.home_region,
        "store_regions": frozenset(region for region in store_regions().values() if region),
    }


def _permitted(question: Question) -> Permit:
    answer = gate.decide(question)
    if isinstance(answer, Refusal):
        raise PrivacyRefusedError(answer.code, clauses=answer.clauses, missing=answer.missing)
    return answer


def person_of(ref: uuid.UUID | None) -> tuple[Person | None, int]:
    """Return what the gate has to know of a person, and the revision of it."""
    if ref is None:
        return None, 0
    row = Subject.objects.filter(pk=ref).first()
    if row is None:
        return None, 0
    return _as_person(row, Consent.objects.all().standing([ref])), row.revision


def _people(refs: Collection[uuid.UUID]) -> dict[uuid.UUID, Person]:
    words: dict[uuid.UUID, list[Consent]] = defaultdict(list)
    for event in Consent.objects.all().standing(refs):
        words[event.subject_ref].append(event)
    rows = Subject.objects.filter(pk__in=refs)
    return {row.pk: _as_person(row, words[row.pk]) for row in rows}


def _as_person(row: Subject, words: Iterable[Consent]) -> Person:
    given = tuple(_given(event) for event in words)
    return Person(row.pk, AgeBand(row.age_band), row.region, given)


def stranger() -> Person:
    """Somebody who never agreed to anything here."""
    return Person(uuid.UUID(int=0), AgeBand.UNKNOWN, "")


def _given(event: Consent) -> Given:
    return Given(
        purpose=event.purpose,
        processor=event.processor,
        is_grant=event.action == ConsentAction.GRANT,
        by_guardian=event.given_by == GivenBy.GUARDIAN,
        policy_number=event.policy_id,
    )
