"""Many photos at once: made together under a cap, followed and cancelled together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import router, transaction

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import (
    HiliError,
    InvalidOptionsError,
    InvalidPhotoError,
    LostLeaseError,
    WrongStateError,
)
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.estimate import batch_problems
from django_hili.jobs.moves.idempotency import Turn
from django_hili.jobs.submit import basis_for, plan, start_batch, submit
from django_hili.media.intake import PhotoInput
from django_hili.models import Basis, PhotoBatch, PhotoJob
from django_hili.models.job import PhotoJobQuerySet
from django_hili.providers.registry import capabilities_of
from django_hili.vocabulary import Enhancement


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of many, and whose it is."""

    photo: PhotoInput
    subject: Any = None


@dataclass(slots=True)
class Submitted:
    """What became of many photos at the door."""

    batch: PhotoBatch | None = None
    """None where no photo was taken."""
    jobs: list[PhotoJob] = field(default_factory=list)
    refused: list[tuple[int, HiliError]] = field(default_factory=list)
    """Which photo was not taken, counted from nought, and why."""


@dataclass(frozen=True, slots=True)
class BatchCancelled:
    """What became of a batch's jobs, and of their credits."""

    cancelled: int
    ended_before: int
    charged: int
    """Of the cancelled ones, how many have cost a credit."""
    not_known: int
    """Of the cancelled ones, how many may have."""


def enhance_many(
    photos: Iterable[PhotoInput],
    *,
    preset: str | None = None,
    operations: Collection[str] | None = None,
    subject: Any = None,
    requested_by: Any = None,
    basis: Basis | str | None = None,
    reason: str = "",
    people_agreed: bool = False,
    provider: str | None = None,
    max_credits: int | None = None,
    **options: Any,
) -> Submitted:
    """Enhance many photos in the background with one wish.

    A bad photo is left out and named; the others go on. More photos than allowed at once, or
    more credits than `max_credits` or the site allow, raise `InvalidOptionsError` before
    anything is stored. See `enhance` for the rest.
    """
    return submit_many(
        [Item(photo, subject) for photo in photos],
        enhancement=plan(preset=preset, operations=operations, provider=provider, **options),
        preset=preset or "",
        provider=provider,
        requested_by=requested_by or subject,
        basis=basis_for(basis),
        reason=reason,
        people_agreed=people_agreed,
        max_credits=max_credits,
    )


def submit_many(
    items: Sequence[Item],
    *,
    enhancement: Enhancement,
    preset: str = "",
    provider: str | None = None,
    requested_by: Any = None,
    basis: Basis = Basis.CONSENT,
    reason: str = "",
    people_agreed: bool = False,
    max_credits: int | None = None,
    turn: Turn | None = None,
) -> Submitted:
    """Make jobs of many photos, each its own person's.

    With a `turn`, what has been made is written down with it, and what an earlier attempt has
    made is not made again.
    """
    check_batch(len(items), provider=provider, max_credits=max_credits)
    outcome = _begin(requested_by, turn)
    made_of = partial(
        submit, enhancement=enhancement, preset=preset, provider=provider,
        requested_by=requested_by, basis=basis, reason=reason, people_agreed=people_agreed,
        batch=outcome.batch,
    )  # fmt: skip
    for number, item in enumerate(items):
        if turn is None or number >= turn.row.taken:
            _take(number, item, outcome, turn, made_of)
    _end(outcome, turn)
    return outcome


def _take(
    number: int, item: Item, outcome: Submitted, turn: Turn | None, made_of: Callable[..., PhotoJob]
) -> None:
    """Make a job of one photo of many, or note why there is none."""
    try:
        job = made_of(item.photo, subject=item.subject, within=_noting(turn, number))
    except LostLeaseError:
        raise
    except HiliError as error:
        if turn is not None:
            turn.refuse(number, error)
        outcome.refused.append((number, error))
    else:
        outcome.jobs.append(job)


def _end(outcome: Submitted, turn: Turn | None) -> None:
    """Leave no batch behind that has no job; else say that this attempt has come to its end."""
    if not outcome.jobs and outcome.batch is not None:
        outcome.batch.delete()
        outcome.batch = None
    elif turn is not None:
        turn.ended()


def _begin(requested_by: Any, turn: Turn | None) -> Submitted:
    """Start a batch, or go on with the one that an earlier attempt has left unfinished."""
    if turn is not None and turn.row.batch_id is not None:
        batch = PhotoBatch.objects.get(pk=turn.row.batch_id)
        return Submitted(batch, list(batch.jobs.order_by("created_at")), turn.refused)
    with transaction.atomic(using=router.db_for_write(PhotoBatch)):
        batch = start_batch(requested_by=requested_by)
        if turn is not None:
            turn.began(batch)
    return Submitted(batch)


def _noting(turn: Turn | None, number: int) -> Callable[[PhotoJob], None] | None:
    return None if turn is None else partial(turn.took, number)


def check_batch(photos: int, *, provider: str | None, max_credits: int | None = None) -> None:
    """Raise what the limits say against so many photos, or return."""
    if not photos:
        raise InvalidPhotoError(Code.PHOTO_MISSING)
    capabilities = capabilities_of(provider or get_settings().default_provider)
    if problems := list(batch_problems(photos, capabilities, max_credits)):
        raise InvalidOptionsError(*problems)


def cancel_jobs(*, jobs: PhotoJobQuerySet) -> BatchCancelled:
    """Cancel what has not ended of these jobs, each by itself, and count what that means."""
    charges: list[bool | None] = []
    keys = list(jobs.values_list("pk", flat=True))
    for job_id in keys:
        with contextlib.suppress(WrongStateError):
            charges.append(cancel_job(job_id=job_id).is_charged)
    return BatchCancelled(
        cancelled=len(charges),
        ended_before=len(keys) - len(charges),
        charged=charges.count(True),
        not_known=charges.count(None),
    )
