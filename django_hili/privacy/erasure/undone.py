"""What has to stay as it was when an older copy of the database comes back.

The ends people made: accounts that were cancelled, jobs that were deleted, consents that were
taken back, people who turned out to be under age. And what cannot be called back: photos that
have left, each with its line in the ledger and none paid for twice.
Clauses C10: HILI-7b, AIART-7.2, MIAO-9.3. C13: HILI-0.5, HILI-API-1.
Clauses C31: HILI-6, PIXEL-6.3, MIAO-8.3. C32: AIART-5.3, MIAO-8.4.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import router, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.models import (
    AgeBand,
    Disclosure,
    EraseCause,
    HeldReason,
    JobStatus,
    PhotoJob,
    SendState,
    Subject,
    VendorCopy,
)
from django_hili.privacy.consent.answers import record_answers
from django_hili.privacy.consent.processors import is_paid_by_send
from django_hili.privacy.erasure.deletion import delete_with_photos
from django_hili.privacy.evidence.receipts import moment_of
from django_hili.privacy.rights.exercise import cancel_account
from django_hili.privacy.rights.withdrawal import withdraw_consent


@dataclass(frozen=True, slots=True)
class _User:
    """As much of a user as the verbs need; the site's own row may be gone."""

    pk: str


def _cancel_again(receipt: dict[str, Any]) -> None:
    ref = uuid.UUID(receipt["object"])
    if Subject.objects.filter(pk=ref).exclude(user_key=None).exists():
        cancel_account(subject_ref=ref)


def _delete_again(receipt: dict[str, Any]) -> None:
    jobs = PhotoJob.objects.filter(pk=uuid.UUID(receipt["object"]))
    if jobs.exists():
        delete_with_photos(
            job_ids=list(jobs.values_list("pk", flat=True)), cause=EraseCause.REPLAYED
        )


def _withdraw_again(receipt: dict[str, Any]) -> None:
    subject = Subject.objects.filter(pk=uuid.UUID(receipt["object"])).exclude(user_key=None).first()
    if subject is not None:
        facts = receipt["facts"]
        withdraw_consent(
            subject=_User(subject.user_key or ""),
            purpose=facts["purpose"],
            processor=facts.get("processor", ""),
        )


def _flag_again(receipt: dict[str, Any]) -> None:
    """Take the person for a child: the receipt does not say how old, and nobody agreed for them."""
    grown = Subject.objects.filter(age_band__in=[AgeBand.UNKNOWN, AgeBand.ADULT])
    subject = grown.filter(pk=uuid.UUID(receipt["object"])).exclude(user_key=None).first()
    if subject is not None:
        record_answers(subject=_User(subject.user_key or ""), age_band=AgeBand.CHILD)


def _doubt_again(receipt: dict[str, Any]) -> None:
    """Write a send down again that the restored ledger has lost, or has before its barrier.

    Nobody knows how it ended. Where a second one would be paid too, its job is held.
    """
    facts = receipt["facts"]
    job_id = uuid.UUID(facts["job"])
    with transaction.atomic(using=router.db_for_write(Disclosure)):
        if not _is_forgotten(uuid.UUID(receipt["object"]), receipt):
            return
        # Whoever sent them is no longer there, and their job may be taken up anew.
        Disclosure.objects.open().filter(job_id=job_id).update(state=SendState.UNKNOWN)
        if not is_paid_by_send(facts["processor"]):
            return
        PhotoJob.objects.filter(
            pk=job_id, status__in=[JobStatus.QUEUED, JobStatus.SENDING, JobStatus.HELD]
        ).update(
            status=JobStatus.HELD,
            held_reason=HeldReason.SEND_UNKNOWN,
            code=Code.SEND_UNKNOWN.value,
            lease_until=None,
            lease_owner="",
        )


def _is_forgotten(pk: uuid.UUID, receipt: dict[str, Any]) -> bool:
    """Say whether the ledger did not know how this send went on; it says *not known* then."""
    known = Disclosure.objects.filter(pk=pk)
    if known.exists():
        return bool(known.filter(state=SendState.INTENDED).update(state=SendState.UNKNOWN))
    facts = receipt["facts"]
    job = PhotoJob.objects.filter(pk=uuid.UUID(facts["job"])).first()
    Disclosure.objects.create(
        pk=pk,
        job_id=uuid.UUID(facts["job"]),
        provider=facts["processor"],
        region=facts.get("region", ""),
        processor_policy="taken back from a receipt",
        items=["photo", "operations", "image_type"],
        operations=job.operations if job else [],
        requested_by_ref=job.requested_by_ref if job else None,
        basis=job.basis if job else "",
        token=0,  # no worker's that could still be at it
        state=SendState.UNKNOWN,
        size=0,
        intended_at=moment_of(receipt),
    )
    return True


def _settle_again(receipt: dict[str, Any]) -> None:
    """Write down again what became of a vendor's copy: it has its receipt."""
    facts = receipt["facts"]
    charged = {SendState.REFUSED: False, SendState.ANSWERED: is_paid_by_send(facts["processor"])}
    at = moment_of(receipt)
    Disclosure.objects.filter(pk=uuid.UUID(receipt["object"]), outcome=VendorCopy.PENDING).update(
        state=facts["state"],
        charged=charged.get(facts["state"]),
        answered_at=Coalesce("answered_at", Value(at)),
        outcome=facts["outcome"],
        outcome_at=at,
        handle="",
        vendor_words="",
        expires_at=at + get_settings().privacy.effective.receipts_kept,
    )


Undo = Callable[[dict[str, Any]], object]
"""Sees one receipt, as it lies in the copy, and makes it true again. May be called twice."""

UNDOS: Final[Mapping[str, Undo]] = {
    "account_cancelled": _cancel_again,
    "photo_deleted": _delete_again,
    "consent_withdrawn": _withdraw_again,
    "minor_flagged": _flag_again,
    "send_intended": _doubt_again,
    "disclosed": _settle_again,
}
"""What is made true again, by the kind of its receipt. All else is true anyhow."""
