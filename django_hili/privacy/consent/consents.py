"""Gives and takes back consent. Owns what makes an event valid: an explicit act, never silence.

The act names the version and the notice that were shown. Nothing is given together with
anything else: one event, one purpose, one processor.
Clauses C01: PIXEL-0.1, AIART-0.1, MIAO-0.3, HILI-1.2a. Clauses C02: HILI-0.1, HILI-0.2, MIAO-0.3.
Clauses C03: MIAO-0.2, PIXEL-1.1.7. Clauses C06: PIXEL-8.5a, MIAO-12.
Clauses C31: HILI-6, AIART-1.2.8, AIART-5.4, PIXEL-6.3, MIAO-2.2c, MIAO-8.3.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import router, transaction
from django.db.models import F
from django.utils import timezone

from django_hili import queue
from django_hili.codes import Code
from django_hili.exceptions import PrivacyRefusedError
from django_hili.models import (
    AgeBand,
    Consent,
    ConsentAction,
    GivenBy,
    HeldReason,
    JobStatus,
    PhotoJob,
    PolicyVersion,
    Purpose,
    Subject,
)
from django_hili.privacy.consent.answers import check_answers, record_answers
from django_hili.privacy.consent.gate import CLOSED_PURPOSES, CONSENT_FIRST, GUARDIANS_ONLY, key_of
from django_hili.privacy.consent.minors import check_guardian
from django_hili.privacy.consent.policies import ensure_published
from django_hili.privacy.consent.subjects import known_subject_ref, subject_ref_for
from django_hili.privacy.evidence.noting import note, noting


def give_consent(
    *,
    subject: Any,
    version: int,
    notice: str,
    purpose: str = Purpose.ENHANCE,
    processor: str = "",
    age_band: str | None = None,
    region: str | None = None,
    guardian_proof: str = "",
) -> Consent:
    """Record that a user agreed, naming the version and the notice they were shown.

    Call it only for an act of the person: a ticked box, a pressed button. `age_band` is their
    answer to the question of age, needed once; `region` is the country they are in, as an ISO
    3166 code, where that is not the site's. Both are recorded as `answers.record_answers` does:
    an age that makes them a minor nobody agreed for ends what they have here, at once. With
    `guardian_proof` the word is a guardian's, and the host's verifier is asked.

    Raises `PrivacyRefusedError` if the version is not the one in force, if the notice is not the
    one it shows for this purpose, or if a minor makes themselves older.
    """
    if purpose not in set(Purpose) or purpose == Purpose.OTHER_PEOPLE:
        raise PrivacyRefusedError(Code.PURPOSE_UNKNOWN, clauses=CLOSED_PURPOSES)
    check_answers(age_band=age_band, region=region)
    if guardian_proof:
        check_guardian(user_key=str(subject.pk), proof=guardian_proof)
    now = timezone.now()
    with noting():
        current = _shown(version, notice, purpose, processor, now)
        ref = subject_ref_for(subject)
        if not guardian_proof:
            _leave_it_to_the_guardian(ref, purpose, processor, age_band)
        event = _record(
            ref=ref,
            purpose=purpose,
            processor=processor,
            action=ConsentAction.GRANT,
            given_by=GivenBy.GUARDIAN if guardian_proof else GivenBy.SELF,
            policy=current,
            notice=notice,
            now=now,
        )
        # After the consent: a guardian's, given with the answer, is what lets photos stay.
        record_answers(
            subject=subject, age_band=age_band, region=region, is_vouched=bool(guardian_proof)
        )
    return event


def _shown(
    version: int, notice: str, purpose: str, processor: str, now: dt.datetime
) -> PolicyVersion:
    """Return the version in force, if it is the one named and shows that notice for this."""
    current = ensure_published(now)
    key = key_of(purpose, processor)
    if current.number != version or current.notice_hashes.get(key) != notice:
        raise PrivacyRefusedError(Code.NOTICE_UNKNOWN, clauses=CONSENT_FIRST, missing=(key,))
    return current


def record_withdrawal(*, subject: Any, purpose: str, processor: str = "") -> bool:
    """Record that a user takes a consent back. Says whether there was one.

    It takes no version and no notice: withdrawing is as easy as agreeing. What follows for jobs
    and photos is `jobs.withdraw`'s.
    """
    ref = known_subject_ref(subject)
    if ref is None:
        return False
    with transaction.atomic(using=router.db_for_write(Consent)):
        last = (
            Consent.objects.select_related("policy")
            .filter(subject_ref=ref, purpose=purpose, processor=processor)
            .order_by("-pk")
            .first()
        )
        if last is None or last.action == ConsentAction.WITHDRAW:
            return False
        _record(
            ref=ref,
            purpose=purpose,
            processor=processor,
            action=ConsentAction.WITHDRAW,
            given_by=GivenBy(last.given_by),
            policy=last.policy,
            notice=last.notice_hash,
            now=timezone.now(),
        )
    return True


def attest_people(*, ref: uuid.UUID, job_id: uuid.UUID, now: dt.datetime) -> None:
    """Record that everybody shown in an uploaded photo has agreed. Clauses C07: AIART-1.2.3b.

    Clauses C07: MIAO-2.2d. It changes nothing else, so what was decided stays decided.
    """
    current = ensure_published(now)
    Consent.objects.create(
        subject_ref=ref,
        purpose=Purpose.OTHER_PEOPLE,
        action=ConsentAction.GRANT,
        policy=current,
        notice_hash=current.notice_hashes[Purpose.OTHER_PEOPLE],
        job_id=job_id,
        at=now,
    )


def consents_of(subject: Any) -> list[Consent]:
    """Return a user's last word on every purpose and processor."""
    ref = known_subject_ref(subject)
    return Consent.objects.all().standing([ref]) if ref else []


def _leave_it_to_the_guardian(
    ref: uuid.UUID, purpose: str, processor: str, told: str | None
) -> None:  # fmt: skip
    """Raise `PrivacyRefusedError` where somebody under age would overwrite their guardian's word.

    Their own does not count, so what rests on the guardian's would rest on nothing.
    """
    words = Consent.objects.filter(subject_ref=ref, purpose=purpose, processor=processor)
    last = words.order_by("-pk").values_list("action", "given_by").first()
    if last != (ConsentAction.GRANT, GivenBy.GUARDIAN):
        return
    band = told or Subject.objects.values_list("age_band", flat=True).get(pk=ref)
    if band in {AgeBand.MINOR, AgeBand.CHILD}:
        raise PrivacyRefusedError(Code.GUARDIAN_NEEDED, clauses=GUARDIANS_ONLY)


def _record(
    *,
    ref: uuid.UUID,
    purpose: str,
    processor: str,
    action: ConsentAction,
    given_by: GivenBy,
    policy: PolicyVersion,
    notice: str,
    now: dt.datetime,
) -> Consent:
    # The lock on the person's row comes first: whoever decides on older words decides anew.
    Subject.objects.filter(pk=ref).update(revision=F("revision") + 1)
    if action == ConsentAction.GRANT:
        note(
            "consent_given", ref, purpose=purpose, processor=processor, by=given_by.value,
            policy=policy.number,
        )  # fmt: skip
        _let_go_on(ref, now)
    return Consent.objects.create(
        subject_ref=ref,
        purpose=purpose,
        processor=processor,
        action=action,
        given_by=given_by,
        policy=policy,
        notice_hash=notice,
        at=now,
    )


def _let_go_on(ref: uuid.UUID, now: dt.datetime) -> None:
    """Queue what waited for this person's consent; the gate is asked again before it leaves."""
    waiting = PhotoJob.objects.filter(
        subject_ref=ref, status=JobStatus.HELD, held_reason=HeldReason.CONSENT_NEEDED
    )
    if waiting.update(status=JobStatus.QUEUED, held_reason="", code="", due_at=now):
        queue.wake(router.db_for_write(PhotoJob))
