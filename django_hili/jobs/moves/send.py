"""The charge guard: one row for every send, written before the photo leaves.

Owns the order that makes paying twice impossible. A send is *intended* before a connection is
made; all but the last bytes leave; the barrier commits *passed* under the job's token; only then
do the last bytes leave. Whatever dies before the barrier has cost nothing and may be sent again.
Whatever dies after it is in doubt: the job is held, and nobody sends it again on a guess.
The intention leaves a receipt too: a database put back from a copy has forgotten the row, and
would send again what has been paid for (see `privacy.erasure.undone`).
Clauses C13: HILI-API-1.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError
from django_hili.jobs.moves.claim import let_go
from django_hili.jobs.moves.consented import with_consent
from django_hili.jobs.moves.many import each, move_all, update_all
from django_hili.jobs.moves.verdict import FIRST_DELAY
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    Media,
    MediaKind,
    PhotoJob,
    SendState,
)
from django_hili.privacy.consent.processors import policy_of
from django_hili.privacy.erasure.vendor_copies import open_handle, seal_handle
from django_hili.privacy.evidence.receipts import Event, append
from django_hili.providers.remote import Charging
from django_hili.vocabulary import Capabilities

_NOBODY: dict[str, Any] = {"lease_until": None, "lease_owner": "", "stage": "", "percent": None}
_TAKEN_FOR_LOST = (SendState.UNKNOWN, SendState.RECONCILED)
"""An answer that comes after all is worth more than any reckoning."""
_MOST_DOUBLINGS = 5
ITEMS = ["photo", "operations", "image_type"]
"""The kinds of data a send holds, as the ledger writes them down."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a job when its photo is about to leave."""

    job: PhotoJob
    source: Media | None
    """None where the photo is gone: it will not leave."""
    row: Disclosure | None
    """The send that is written down, unless there is nothing to send."""
    known: Disclosure | None = None
    """A send that the vendor accepted and whose answer was taken for lost."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The vendor's answer to one send."""

    row: Disclosure
    handle: str
    charging: Charging
    kept_for: dt.timedelta | None


def prepare(
    *, jobs: Sequence[PhotoJob], capabilities: Capabilities, now: dt.datetime
) -> list[Prepared]:
    """Look at what claimed jobs have to send, and write down that it is about to leave."""
    with transaction.atomic(using=_database()):
        jobs = with_consent(jobs=jobs)
        # Who was never claimed before has never sent anything.
        known = last_handles(jobs=[job for job in jobs if job.token > 1])
        sources = {
            source.job_id: source
            for source in Media.objects.live().filter(
                kind=MediaKind.SOURCE, job_id__in=[job.pk for job in jobs if job.pk not in known]
            )
        }
        rows = intend(
            jobs=[job for job in jobs if job.pk in sources],
            sizes={pk: source.size for pk, source in sources.items()},
            capabilities=capabilities,
            now=now,
        )
    return [Prepared(job, sources.get(job.pk), rows.get(job.pk), known.get(job.pk)) for job in jobs]


def intend(
    *, jobs: Iterable[PhotoJob], sizes: Mapping[Any, int], capabilities: Capabilities,
    now: dt.datetime,
) -> dict[Any, Disclosure]:  # fmt: skip
    """Write down that these photos are about to leave. Returns the rows by the jobs' ids.

    The last thing of its transaction: it holds the chain of receipts. Raises `StorageError` while
    the database is older than its receipts.
    """
    rows = [
        Disclosure(
            job_id=job.pk,
            provider=job.provider,
            region=capabilities.region,
            processor_policy=policy_of(job.provider),
            items=ITEMS,
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
    append([_intention(row) for row in rows], now=now)
    return {row.job_id: row for row in rows}


def _intention(row: Disclosure) -> Event:
    facts = {"job": str(row.job_id), "processor": row.provider, "region": row.region}
    return Event("send_intended", row.pk, facts)


def pass_barrier(*, job: PhotoJob, send: Disclosure, now: dt.datetime) -> None:
    """Commit that the last bytes are about to leave. Raises `LostLeaseError` if they must not."""
    with transaction.atomic(using=_database()):
        if not pass_barrier_all(entries=[(job, send)], now=now)[0]:
            raise LostLeaseError


def pass_barrier_all(
    *, entries: Sequence[tuple[PhotoJob, Disclosure]], now: dt.datetime
) -> list[bool]:
    """Write that last bytes are about to leave, and say of each photo whether they may.

    A job has to be this worker's still: one that was paused past its lease stops here. Whoever
    takes such a job over changes this very row first, or finds it changed (see `recover`), so
    one statement is enough. The last bytes may leave once it has committed.
    """
    mine = PhotoJob.objects.filter(
        pk=OuterRef("job_id"),
        token=OuterRef("token"),
        status=JobStatus.SENDING,
        lease_until__gt=now,
    )
    pks = {row.pk for _, row in entries}
    rows = Disclosure.objects.filter(pk__in=pks)
    passed = update_all(
        rows.filter(Exists(mine), state=SendState.INTENDED),
        rows.filter(state=SendState.PASSED),
        pks,
        state=SendState.PASSED,
        passed_at=now,
    )
    return [row.pk in passed for _, row in entries]


def accepted(
    *, job: PhotoJob, send: Disclosure, handle: str, charging: Charging,
    kept_for: dt.timedelta | None, now: dt.datetime,
) -> None:  # fmt: skip
    """The vendor took the photo. Raises `LostLeaseError` if the job is no longer this worker's.

    The ledger is written either way: what was paid was paid.
    """
    with transaction.atomic(using=_database()):
        answered_all(entries=[Acceptance(send, handle, charging, kept_for)], now=now)
        is_ours = under_way_all(entries=[job], now=now)[0]
    if not is_ours:
        raise LostLeaseError


def answered_all(*, entries: Sequence[Acceptance], now: dt.datetime) -> list[None]:
    """Write into the ledger that the vendor took photos. No send is in doubt from then on.

    A job that was held for such a doubt goes on in the same transaction: whoever takes it up finds
    the answer, and the worker that had it may not live to say so.
    """
    alike: dict[tuple[Charging, dt.timedelta | None], list[Acceptance]] = defaultdict(list)
    for entry in entries:
        alike[entry.charging, entry.kept_for].append(entry)
    for (charging, kept_for), some in alike.items():
        due_at = now + kept_for if kept_for else None
        handles = {
            entry.row.pk: seal_handle(entry.handle, send_id=entry.row.pk, due_at=due_at, now=now)
            for entry in some
        }
        rows = Disclosure.objects.filter(pk__in=list(handles))
        answer = {
            "state": SendState.ANSWERED,
            "charged": charging is Charging.UPLOAD,
            "handle": each(Disclosure, "handle", handles, using=_database()),
            "answered_at": now,
            "vendor_due_at": due_at,
        }
        if rows.filter(state=SendState.PASSED).update(**answer) < len(handles):
            rows.filter(state__in=_TAKEN_FOR_LOST).update(**answer)
            _go_on(rows.filter(state=SendState.ANSWERED), now)
    return [None] * len(entries)


def _go_on(answered: QuerySet[Disclosure], now: dt.datetime) -> None:
    """Queue the jobs that are held for doubts which an answer has settled."""
    held = PhotoJob.objects.filter(
        pk__in=list(answered.values_list("job_id", flat=True)),
        status=JobStatus.HELD,
        held_reason=HeldReason.SEND_UNKNOWN,
    )
    held.update(status=JobStatus.QUEUED, held_reason="", code="", due_at=now)


def downloaded(*, job: PhotoJob) -> None:
    """A result came from a vendor that charges for results, once for each: the ledger says so."""
    sent = Disclosure.objects.filter(job_id=job.pk, state=SendState.ANSWERED)
    newest = sent.order_by("-answered_at").values_list("pk", flat=True).first()
    if newest is not None:
        Disclosure.objects.filter(pk=newest, charged=False).update(charged=True)


def under_way_all(
    *, entries: Sequence[PhotoJob], now: dt.datetime  # noqa: ARG001 - as every group verb has it
) -> list[bool]:
    """Move jobs whose photos the vendor has to *processing*; say which are this worker's still.

    A crash before this finds the answer in the ledger, and goes on from there.
    """
    moved = move_all(entries, JobStatus.SENDING, JobStatus.PROCESSING, stage="", percent=None)
    return [job.pk in moved for job in entries]


def refused(*, send: Disclosure, error: ProviderError, now: dt.datetime) -> None:
    """The photo was certainly not accepted: nothing was charged."""
    Disclosure.objects.filter(pk=send.pk, state__in=[SendState.INTENDED, SendState.PASSED]).update(
        state=SendState.REFUSED,
        charged=False,
        answered_at=now,
        vendor_words=error.vendor_words[:200],
    )


def in_doubt(*, job: PhotoJob, send: Disclosure, words: str, now: dt.datetime) -> bool:
    """The photo may have been accepted: hold the job until somebody or something can tell.

    Where the ledger has the answer already, nothing is in doubt: the next worker goes on from
    there. Returns whether the job is held.
    """
    with transaction.atomic(using=_database()):
        if not _doubt(send, vendor_words=words[:200]) and _is_answered(send):
            let_go(jobs=[job], now=now)
            return False
        return PhotoJob.objects.move(
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
    """The photo may have been accepted, but the vendor charges for results: send it again.

    Each time after a longer pause: it costs nothing, but every send is one copy more over there.
    """
    pause = FIRST_DELAY * 2 ** min(job.attempts - 1, _MOST_DOUBLINGS)
    with transaction.atomic(using=_database()):
        unanswered(send=send, words=words)
        PhotoJob.objects.move(
            job.pk, JobStatus.SENDING, JobStatus.QUEUED, token=job.token, due_at=now + pause,
            **_NOBODY,
        )  # fmt: skip


def unanswered(*, send: Disclosure, words: str = "") -> bool:
    """The photo may have been accepted by a vendor that charges for results: that was free.

    Returns whether that is so; it is not where the ledger has the answer already.
    """
    return _doubt(send, charged=False, vendor_words=words[:200]) or not _is_answered(send)


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
        if _is_past_barrier(job, now) and not is_free_again:
            silent.update(
                status=JobStatus.HELD,
                held_reason=HeldReason.SEND_UNKNOWN,
                code=Code.SEND_UNKNOWN.value,
                **_NOBODY,
            )
            return
        silent.update(status=JobStatus.QUEUED, due_at=now, **_NOBODY)


def _is_past_barrier(job: PhotoJob, now: dt.datetime) -> bool:
    """Close the rows of a silent worker's sends; say whether any last bytes may have left.

    More than one row, where a commit was done and never heard of: the worker wrote another.
    This update and the barrier's are of the same row, and each names the state it comes from:
    whichever is second changes nothing. So the barrier is asked for again after this one.
    """
    rows = Disclosure.objects.filter(job_id=job.pk, token=job.token)
    rows.filter(state=SendState.INTENDED).update(
        state=SendState.REFUSED, charged=False, answered_at=now
    )
    return bool(rows.filter(state=SendState.PASSED).update(state=SendState.UNKNOWN))


def last_handles(*, jobs: Sequence[PhotoJob]) -> dict[uuid.UUID, Disclosure]:
    """Return the newest accepted send of each job whose photo the vendor still holds."""
    if not jobs:
        return {}
    sent = Disclosure.objects.filter(
        job_id__in=[job.pk for job in jobs], state=SendState.ANSWERED
    ).exclude(handle="")
    rows = list(sent.order_by("answered_at"))
    now = timezone.now()
    for row in rows:
        row.handle = open_handle(row.handle, send_id=row.pk, now=now)
    return {row.job_id: row for row in rows if row.handle}


def _doubt(send: Disclosure, **changes: Any) -> bool:
    """Mark a send as not known, even before the barrier: a broken server may accept early."""
    open_rows = Disclosure.objects.open().filter(pk=send.pk)
    return bool(open_rows.update(state=SendState.UNKNOWN, **changes))


def _is_answered(send: Disclosure) -> bool:
    return Disclosure.objects.filter(pk=send.pk, state=SendState.ANSWERED).exists()


def _database() -> str:
    return router.db_for_write(PhotoJob)
