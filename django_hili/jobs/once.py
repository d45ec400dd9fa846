"""Takes photos in once, however often their client sends them under the same key.

Each verb makes what was asked for, or tells what it made before; without a key it makes. Owns the
order: the gate, the turn, the photo.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.files.base import File

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError, WrongStateError
from django_hili.jobs.batch import Item, Submitted, submit_many
from django_hili.jobs.moves.idempotency import Turn, take_turn
from django_hili.jobs.queries import with_results
from django_hili.jobs.submit import basis_for, plan, submit
from django_hili.models import PhotoBatch, PhotoJob
from django_hili.models.job import PhotoJobQuerySet
from django_hili.privacy.consent.asking import ask_upload


@dataclass(frozen=True, slots=True)
class Made:
    """A job, made now or before."""

    job: PhotoJob
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class ManyMade:
    """What became of many photos, now or before."""

    submitted: Submitted
    is_replay: bool = False


def enhance_once(
    photo: File[bytes] | None, *, key: str | None, subject: Any, preset: str | None = None,
    operations: Collection[str] | None = None, provider: str | None = None,
    people_agreed: bool = False, **options: Any,
) -> Made:  # fmt: skip
    """Enhance a person's uploaded photo; under the same `key` once. See `enhance`, `take_turn`."""
    wish = {"preset": preset, "operations": operations, "provider": provider, **options}
    choices: dict[str, Any] = {
        "enhancement": plan(**wish), "preset": preset or "", "provider": provider,
        "subject": subject, "basis": basis_for(None), "people_agreed": people_agreed,
    }  # fmt: skip
    if key is None:
        return Made(submit(photo, **choices))
    ask_upload(subject=subject)
    if photo is None:
        raise InvalidPhotoError(Code.PHOTO_MISSING)
    words = {**wish, "people_agreed": people_agreed}
    turn = take_turn(subject=subject, key=key, kind="job", words=words, photos=[photo])
    if turn.is_answered:
        return Made(_job_made_before(turn), is_replay=True)
    with turn.held():
        return Made(submit(photo, **choices, within=turn.made))


def enhance_many_once(
    photos: Sequence[File[bytes]], *, key: str | None, subject: Any, preset: str | None = None,
    operations: Collection[str] | None = None, provider: str | None = None,
    people_agreed: bool = False, max_credits: int | None = None, **options: Any,
) -> ManyMade:  # fmt: skip
    """Enhance a person's uploaded photos; under the same `key` once. See `enhance_many`."""
    wish = {"preset": preset, "operations": operations, "provider": provider, **options}
    choices: dict[str, Any] = {
        "enhancement": plan(**wish), "preset": preset or "", "provider": provider,
        "requested_by": subject, "basis": basis_for(None), "people_agreed": people_agreed,
        "max_credits": max_credits,
    }  # fmt: skip
    items = [Item(photo, subject) for photo in photos]
    if key is None:
        return ManyMade(submit_many(items, **choices))
    ask_upload(subject=subject)
    words = {**wish, "people_agreed": people_agreed, "max_credits": max_credits}
    turn = take_turn(subject=subject, key=key, kind="batch", words=words, photos=photos)
    if turn.is_answered:
        return ManyMade(_made_before(turn), is_replay=True)
    with turn.held():
        submitted = submit_many(items, **choices, turn=turn)
    if submitted.batch is None:
        turn.give_back()
    return ManyMade(submitted)


def _job_made_before(turn: Turn) -> PhotoJob:
    job = _jobs_of(turn).filter(pk__in=[turn.row.job_id]).first()
    if job is None:
        raise WrongStateError(Code.KEY_SPENT)
    return job


def _jobs_of(turn: Turn) -> PhotoJobQuerySet:
    return with_results(PhotoJob.objects.all().visible_to(turn.row.subject_ref))


def _made_before(turn: Turn) -> Submitted:
    batch = PhotoBatch.objects.filter(pk__in=[turn.row.batch_id]).first()
    if batch is None:
        raise WrongStateError(Code.KEY_SPENT)
    made = _jobs_of(turn).filter(batch_id=batch.pk).order_by("created_at")
    return Submitted(batch, list(made), turn.refused)
