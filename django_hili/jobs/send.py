"""The charge guard: one row for every send, written before the photo leaves.

Owns the order that makes paying twice impossible. A send is *intended* before a connection is
made; all but the last bytes leave; the barrier commits *passed* under the job's token; only then
do the last bytes leave. Whatever dies before the barrier has cost nothing and may be sent again.
Whatever dies after it is in doubt: the job is held, and nobody sends it again on a guess.
Clauses C13: HILI-API-1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import router, transaction

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError
from django_hili.models import Disclosure, HeldReason, JobStatus, PhotoJob, SendState
from django_hili.providers.remote import Charging
from django_hili.vocabulary import Capabilities

_NOBODY: dict[str, Any] = {"lease_until": None, "lease_owner": "", "stage": "", "percent": None}
_ITEMS = ["photo", "operations", "image_type"]


def intend(
    *, jobs: Iterable[PhotoJob], sizes: Mapping[Any, int], capabilities: Capabilities,
    now: dt.datetime,
) -> dict[Any, Disclosure]:  # fmt: skip
    """Write down that these photos are about to leave. Returns the rows by the jobs' ids."""
    rows = [
        Disclosure(
            job_id=job.pk,
            provider=job.provider,
            region=capabilities.region,
            items=_ITEMS,
            operations=job.operations,
            requested_by_ref=job.requested_by_ref,
            basis=job.basis,
            token=job.token,
            size=sizes[job.pk],
            intended_at=now,
        )
        for job in jobs
    ]
    Disclosure.objects.bulk_create(rows)
    return {row.job_id: row for row in rows}


def pass_barrier(*, job: PhotoJob, send: Disclosure, now: dt.datetime) -> None:
    """Commit that the last bytes are about to leave. Raises `LostLeaseError` if they must not.

    The job has to be this worker's still: one that was paused past its lease stops here.
    """
    with transaction.atomic(using=_database()):
        mine = PhotoJob.objects.filter(
            pk=job.pk, token=job.token, status=JobStatus.SENDING, lease_until__gt=now
        )
        # The lock on the job's row comes first: nobody can take the job over in between.
        if not mine.update(stage="sending"):
            raise LostLeaseError
        if not _move(send, SendState.INTENDED, SendState.PASSED, passed_at=now):
            raise LostLeaseError


def accepted(
    *, job: PhotoJob, send: Disclosure, handle: str, charging: Charging,
    kept_for: dt.timedelta | None, now: dt.datetime,
) -> None:  # fmt: skip
    """The vendor took the photo. Raises `LostLeaseError` if the job is no longer this worker's.

    The ledger is written either way: what was paid was paid.
    """
    with transaction.atomic(using=_database()):
        Disclosure.objects.filter(
            pk=send.pk, state__in=[SendState.PASSED, SendState.UNKNOWN]
        ).update(
            state=SendState.ANSWERED,
            charged=charging is Charging.UPLOAD,
            handle=handle,
            answered_at=now,
            vendor_due_at=now + kept_for if kept_for else None,
        )
        moved = PhotoJob.objects.move(
            job.pk, JobStatus.SENDING, JobStatus.PROCESSING, token=job.token, stage="", percent=None
        ) or PhotoJob.objects.move(
            # Taken for lost and held meanwhile; the answer settles the doubt.
            job.pk, JobStatus.HELD, JobStatus.QUEUED, token=job.token, held_reason="", due_at=now
        )  # fmt: skip
    if not moved:
        raise LostLeaseError


def refused(*, send: Disclosure, error: ProviderError, now: dt.datetime) -> None:
    """The photo was certainly not accepted: nothing was charged."""
    Disclosure.objects.filter(pk=send.pk, state__in=[SendState.INTENDED, SendState.PASSED]).update(
        state=SendState.REFUSED,
        charged=False,
        answered_at=now,
        vendor_words=error.vendor_words[:200],
    )


def in_doubt(*, job: PhotoJob, send: Disclosure, words: str, now: dt.datetime) -> None:
    """The photo may have been accepted: hold the job until somebody or something can tell."""
    with transaction.atomic(using=_database()):
        _doubt(send, vendor_words=words[:200])
        PhotoJob.objects.move(
            job.pk,
            JobStatus.SENDING,
            JobStatus.HELD,
            token=job.token,
            held_reason=HeldReason.SEND_UNKNOWN,
            code=Code.SEND_UNKNOWN.value,
            due_at=now,
            **_NOBODY,
        )


def doubt_that_is_free(*, job: PhotoJob, send: Disclosure, words: str, now: dt.datetime) -> None:
    """The photo may have been accepted, but the vendor charges for results: send it again."""
    with transaction.atomic(using=_database()):
        _doubt(send, charged=False, vendor_words=words[:200])
        PhotoJob.objects.move(
            job.pk, JobStatus.SENDING, JobStatus.QUEUED, token=job.token, due_at=now, **_NOBODY
        )


def resume(*, job: PhotoJob) -> None:
    """Go on with a photo the vendor has already. Raises `LostLeaseError` if it is not ours."""
    moved = PhotoJob.objects.move(job.pk, JobStatus.SENDING, JobStatus.PROCESSING, token=job.token)
    if not moved:
        raise LostLeaseError


def recover(*, job: PhotoJob, is_free_again: bool, now: dt.datetime) -> None:
    """Settle a job whose worker fell silent while sending. Touches nothing if it came back.

    `is_free_again` says that the vendor charges for downloads, so a second send costs nothing.
    """
    with transaction.atomic(using=_database()):
        silent = PhotoJob.objects.filter(
            pk=job.pk, token=job.token, status=JobStatus.SENDING, lease_until__lte=now
        )
        # Lock the row before the ledger is read: a barrier that is being passed waits for us.
        if not silent.update(lease_owner=""):
            return
        last = Disclosure.objects.filter(job_id=job.pk, token=job.token).first()
        if last is not None and last.state == SendState.PASSED:
            _move(last, SendState.PASSED, SendState.UNKNOWN)
            if not is_free_again:
                silent.update(
                    status=JobStatus.HELD,
                    held_reason=HeldReason.SEND_UNKNOWN,
                    code=Code.SEND_UNKNOWN.value,
                    **_NOBODY,
                )
                return
        elif last is not None:
            _move(last, SendState.INTENDED, SendState.REFUSED, charged=False, answered_at=now)
        silent.update(status=JobStatus.QUEUED, due_at=now, **_NOBODY)


def last_handle(job: PhotoJob) -> Disclosure | None:
    """Return the newest accepted send of a job, if the vendor still holds the photo."""
    sent = Disclosure.objects.filter(job_id=job.pk, state=SendState.ANSWERED)
    return sent.exclude(handle="").order_by("-answered_at").first()


def _doubt(send: Disclosure, **changes: Any) -> None:
    """Mark a send as not known, even before the barrier: a broken server may accept early."""
    open_rows = Disclosure.objects.open().filter(pk=send.pk)
    open_rows.update(state=SendState.UNKNOWN, **changes)


def _move(send: Disclosure, source: SendState, target: SendState, **changes: Any) -> bool:
    rows = Disclosure.objects.filter(pk=send.pk, state=source)
    return bool(rows.update(state=target, **changes))


def _database() -> str:
    return router.db_for_write(PhotoJob)
