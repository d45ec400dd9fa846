"""The verbs by which a person uses their rights: delete, correct, cancel.

Each works at once, costs nothing and is never refused to whoever is known to be the person.
Reading is `holdings`, a copy is `export`, withdrawing is `consents`.
Clauses C30: HILI-6, HILI-API-6, AIART-5.1, PIXEL-6.2a, PIXEL-6.2b, MIAO-8.2a.
Clauses C32: HILI-6, AIART-5.3, PIXEL-6.4, MIAO-8.4.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import F
from django.utils import timezone

from django_hili.models import (
    AgeBand,
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    Disclosure,
    EraseCause,
    Handover,
    IdempotencyKey,
    PhotoJob,
    SendState,
    Subject,
    VendorCopy,
)
from django_hili.models.case import OPEN
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.consent.answers import Ended, record_answers
from django_hili.privacy.consent.minors import check_guardian
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.deletion import Deleted, delete_with_photos
from django_hili.privacy.evidence.noting import note, noting
from django_hili.privacy.rights import cases, casetext, messages


class DeletionGround(StrEnum):
    """Why a person may want photos gone. None has to be given, each is enough, none is judged."""

    WISH = "wish"
    UNLAWFUL = "unlawful"
    """Processing them breaks the law."""
    NO_CONSENT = "no_consent"
    """They were taken or used without consent."""
    BREACH = "breach"
    """Processing them breaks what was agreed."""
    CANCELLED = "cancelled"
    """The person no longer uses the service."""
    SERVICE_ENDED = "service_ended"


@dataclass(frozen=True, slots=True)
class PendingCopy:
    """A copy that a provider still has, or may have. There is no call to delete it sooner."""

    provider: str
    region: str
    until: dt.datetime | None
    """When the provider has promised to delete it; None where no promise is left to wait for."""
    outcome: VendorCopy
    """What is known of it: waiting for its time, or why that does not end the matter."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion did, and what is still to go elsewhere."""

    deleted: Deleted
    pending: tuple[PendingCopy, ...]


def delete_photos(
    *, subject_ref: uuid.UUID, job_ids: Collection[uuid.UUID] | None = None,
    ground: DeletionGround = DeletionGround.WISH,
) -> Deletion:  # fmt: skip
    """Delete a person's photos, all of them or those of some jobs, with their jobs."""
    jobs = PhotoJob.objects.all().visible_to(subject_ref)
    if job_ids is not None:
        jobs = jobs.filter(pk__in=list(job_ids))
    return _delete(jobs, EraseCause.REQUESTED, ground)


def pending_copies(jobs: PhotoJobQuerySet) -> tuple[PendingCopy, ...]:
    """Return the copies of these jobs' photos that providers still have, or may have."""
    left = Disclosure.objects.filter(job_id__in=jobs.values("pk")).exclude(state=SendState.INTENDED)
    left = left.exclude(state=SendState.RECONCILED, charged=False)
    there = left.exclude(outcome__in=[VendorCopy.CONFIRMED, VendorCopy.NONE])
    return tuple(
        PendingCopy(
            provider=row.provider,
            region=row.region,
            until=row.vendor_due_at if row.outcome == VendorCopy.PENDING else None,
            outcome=VendorCopy(row.outcome),
        )
        for row in there.order_by("intended_at")
    )


def correct(
    *, subject: Any, age_band: AgeBand | None = None, region: str | None = None,
    guardian_proof: str = "", is_by_staff: bool = False,
) -> Ended:  # fmt: skip
    """Correct or supplement what is known of a user: how old, roughly, and in which country.

    An age that makes them a minor nobody agreed for ends what they have here, at once. A higher
    one than is known takes a guardian, whom the site's verifier is asked about, or staff. Raises
    `PrivacyRefusedError` without either.
    """
    if guardian_proof:
        check_guardian(user_key=str(subject.pk), proof=guardian_proof)
    with noting():
        done = record_answers(
            subject=subject, age_band=age_band, region=region,
            is_vouched=is_by_staff or bool(guardian_proof),
        )  # fmt: skip
        note("corrected", subject_ref_for(subject))
    return done


def cancel_account(*, subject_ref: uuid.UUID, cause: EraseCause = EraseCause.CANCELLED) -> Deletion:
    """End everything about a person: photos, jobs, requests, links, and who they were.

    In one transaction; from its commit on nothing can be read and nothing leads to the person.
    An upload that is under way has either made its job by then, or makes none.
    """
    now = timezone.now()
    with noting():
        # The lock on the person's row comes first: whoever decides on older words decides anew.
        Subject.objects.filter(pk=subject_ref).update(revision=F("revision") + 1)
        case = cases.open_case(
            kind=CaseKind.CANCEL, subject_ref=subject_ref, is_verified=True, now=now
        )
        jobs = PhotoJob.objects.all().visible_to(subject_ref)
        deletion = _delete(jobs, cause, DeletionGround.CANCELLED)
        Handover.objects.filter(subject_ref=subject_ref).delete()
        IdempotencyKey.objects.filter(subject_ref=subject_ref).delete()
        cases.close(case_id=case.pk, outcome=CaseOutcome.GRANTED, now=now)
        _forget_cases(subject_ref, now)
        _sever(subject_ref, cause, now)
        note("account_cancelled", subject_ref, jobs=deletion.deleted.jobs)
    return deletion


def _delete(jobs: PhotoJobQuerySet, cause: EraseCause, ground: DeletionGround) -> Deletion:
    with noting():
        ids = list(jobs.values_list("pk", flat=True))
        # Asked first: with the job goes what leads to its sends.
        pending = pending_copies(PhotoJob.objects.filter(pk__in=ids))
        deleted = delete_with_photos(job_ids=ids, cause=cause, ground=ground.value)
    return Deletion(deleted=deleted, pending=pending)


def _sever(subject_ref: uuid.UUID, cause: EraseCause, now: dt.datetime) -> None:
    """Cut the link between our rows and the user, once the site's own stores have it written."""
    subject = Subject.objects.filter(ref=subject_ref)
    user_key = subject.values_list("user_key", flat=True).first()
    scope = stores.Scope(subject_ref=subject_ref, user_key=user_key or "")
    stores.decide(scope, cause=cause, now=now)
    if user_key:
        messages.forget(user_key)
    subject.update(user_key=None, age_band=AgeBand.UNKNOWN, region="")


def _forget_cases(subject_ref: uuid.UUID, now: dt.datetime) -> None:
    """Drop what waits, and every word that was written: nobody is left to answer."""
    theirs = Case.objects.of(subject_ref)
    theirs.filter(state__in=OPEN).update(
        state=CaseState.CLOSED, outcome=CaseOutcome.DROPPED, closed_at=now
    )
    theirs.update(**casetext.GONE)
