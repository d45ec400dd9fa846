"""The way in for one photo: a permit to make a job, and what is written down with the job.

Owns that a permit is still good when the job is committed: it rests on a revision of the person,
and whoever takes a consent back, cancels the account or ends the service moves that on under the
same lock. Whose the job is, is said by the permit and never looked up again.
Clauses C01: HILI-1.2a, AIART-0.1, PIXEL-0.1, MIAO-0.3. Clauses C07: AIART-1.2.3b, MIAO-2.2d.
Clauses C04: HILI-1.6, HILI-3.4, AIART-1.2.9, PIXEL-1.1.6, PIXEL-5.4, MIAO-3.
Clauses C32: HILI-6, AIART-5.3, PIXEL-6.4, MIAO-8.4. C23: AIART-4.1b, PIXEL-8.2, MIAO-5.4.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, Problem
from django_hili.models import Basis, PhotoJob, Subject
from django_hili.privacy.consent.asking import ask_enqueue, person_of, stranger
from django_hili.privacy.consent.consents import attest_people
from django_hili.privacy.consent.gate import Claim, Permit
from django_hili.privacy.consent.subjects import known_subject_ref, subject_ref_for
from django_hili.privacy.erasure.winddown import refuse_if_ended
from django_hili.privacy.evidence.noting import note


@dataclass(frozen=True, slots=True)
class Entry:
    """A permit to make a job, and what it rests on."""

    permit: Permit
    claim: Claim
    provider: str
    ref: uuid.UUID | None
    """The person, where one is known here already."""
    revision: int
    newcomer: Any = None
    """A user nobody knows here yet, whose photo somebody else answers for."""
    is_repeat: bool = False

    def confirm(self) -> uuid.UUID | None:
        """Make sure that nothing was taken back since, and return whose the job is.

        To be called in the job's transaction. The person's row stays locked until that ends: a
        withdrawal or a cancelled account either came first and is seen here, or comes after and
        finds the job. Raises `PrivacyRefusedError`, `InvalidOptionsError` for somebody who is
        not known any more, and `WrongStateError` once the service has been ended.
        """
        refuse_if_ended()
        if self.ref is None:
            return None if self.newcomer is None else subject_ref_for(self.newcomer)
        rows = Subject.objects.select_for_update().filter(pk=self.ref).exclude(user_key=None)
        known = list(rows.values_list("revision", flat=True))
        if known != [self.revision]:
            person = person_of(self.ref)[0] if known else stranger()
            ask_enqueue(person=person, provider=self.provider, claim=self.claim)
        if not known:
            raise InvalidOptionsError(Problem("subject", Code.SUBJECT_UNKNOWN))
        return self.ref

    def columns(self) -> dict[str, Any]:
        """Return what the job's row says about its ground, and what was promised."""
        is_personal = self.permit.basis is not Basis.NO_PERSONAL_DATA
        return {
            "basis": self.permit.basis,
            "basis_reason": self.claim.reason,
            "policy_number": self.permit.policy_number if is_personal else None,
            "result_kept": self.permit.profile.result_kept if is_personal else None,
        }

    def record(self, *, job_id: uuid.UUID, now: dt.datetime) -> None:
        """Write down what was attested with the upload, in the job's transaction."""
        if self.permit.basis is not Basis.CONSENT:
            note("basis_named", job_id, basis=self.permit.basis.value)
        elif self.ref is not None and not self.is_repeat:
            attest_people(ref=self.ref, job_id=job_id, now=now)


def ask_to_enter(*, subject: Any, provider: str, claim: Claim) -> Entry:
    """Ask for a job of a user's photo, or of nobody's. Raises `PrivacyRefusedError`.

    Nothing has been stored then, not even that somebody asked.
    """
    if subject is not None and getattr(subject, "pk", None) is None:
        raise InvalidOptionsError(Problem("subject", Code.SUBJECT_UNKNOWN))
    person, revision = person_of(known_subject_ref(subject))
    asked = person or (stranger() if subject is not None else None)
    permit = ask_enqueue(person=asked, provider=provider, claim=claim)
    newcomer = subject if person is None else None
    return Entry(permit, claim, provider, person.ref if person else None, revision, newcomer)


def ask_to_repeat(*, job: PhotoJob, provider: str) -> Entry:
    """Ask for a job of an ended one's photo, on the same ground. Raises `PrivacyRefusedError`."""
    basis = Basis(job.basis)
    claim = Claim(basis, job.basis_reason, basis is not Basis.CONSENT, people_agreed=True)
    person, revision = person_of(job.subject_ref)
    permit = ask_enqueue(person=person, provider=provider, claim=claim)
    return Entry(permit, claim, provider, job.subject_ref, revision, is_repeat=True)
