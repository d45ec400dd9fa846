"""Makes a job of a photo: checks everything first, stores it, and wakes a worker on commit."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from django_hili import queue
from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import HiliError, StorageError
from django_hili.imaging.clean import CleanPhoto
from django_hili.jobs.moves.lineage import claim_repeat
from django_hili.jobs.pause import is_paused
from django_hili.jobs.presets import read_wish
from django_hili.media import intake, vault
from django_hili.media.intake import PhotoInput
from django_hili.models import (
    Basis,
    EraseCause,
    HeldReason,
    JobStatus,
    Media,
    MediaKind,
    PhotoBatch,
    PhotoJob,
)
from django_hili.privacy.consent.entry import Entry, ask_to_enter, ask_to_repeat
from django_hili.privacy.consent.gate import Claim
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import retention
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.erasure.winddown import refuse_if_ended
from django_hili.providers.registry import capabilities_of
from django_hili.vocabulary import Enhancement


@dataclass(frozen=True, slots=True)
class Target:
    """The row of the host's that a photo came from."""

    model: str = ""
    """app_label.modelname, in lower case."""
    pk: str = ""
    field: str = ""


def enhance(
    photo: PhotoInput,
    *,
    preset: str | None = None,
    operations: Collection[str] | None = None,
    image_type: str | None = None,
    scale: int | None = None,
    background: str | None = None,
    dpi: int | None = None,
    format: str | None = None,  # noqa: A002 - the option's public name
    subject: Any = None,
    requested_by: Any = None,
    basis: Basis | str | None = None,
    reason: str = "",
    people_agreed: bool = False,
    provider: str | None = None,
) -> PhotoJob:
    """Enhance a photo in the background and return its job.

    `photo` is bytes, a path object, an open file or a model's file; in the last case the job
    remembers the row it came from. Name a `preset`, or `operations` with their options.
    `subject` is the user whose photo it is: the photo is theirs to see and to delete. They have
    agreed before (`give_consent`), and `people_agreed` says that everybody shown has. Where it
    does not rest on consent, say on what `basis`: "attestation" with the operator's `reason`, or
    "no_personal_data".

    Raises `InvalidPhotoError`, `InvalidOptionsError` or `PrivacyRefusedError`; nothing has been
    stored then.
    """
    enhancement = plan(
        preset=preset, operations=operations, image_type=image_type, scale=scale,
        background=background, dpi=dpi, format=format, provider=provider,
    )  # fmt: skip
    return submit(
        photo,
        enhancement=enhancement,
        preset=preset or "",
        provider=provider,
        subject=subject,
        requested_by=requested_by,
        basis=basis_for(basis),
        reason=reason,
        people_agreed=people_agreed,
    )


def basis_for(basis: Basis | str | None) -> Basis:
    """Return the ground a photo is processed on: the one named, the site's, or consent."""
    return Basis(basis or get_settings().privacy.basis or Basis.CONSENT)


def plan(
    *,
    preset: str | None = None,
    operations: Collection[str] | None = None,
    provider: str | None = None,
    **options: Any,
) -> Enhancement:
    """Return what would be done, checked against the provider. Raises `InvalidOptionsError`."""
    enhancement = read_wish(preset=preset, operations=operations, **options)
    enhancement.check(capabilities_of(provider or get_settings().default_provider))
    return enhancement


def submit(
    photo: PhotoInput,
    *,
    enhancement: Enhancement,
    preset: str = "",
    provider: str | None = None,
    subject: Any = None,
    requested_by: Any = None,
    basis: Basis = Basis.CONSENT,
    reason: str = "",
    people_agreed: bool = False,
    batch: PhotoBatch | None = None,
    again_of: PhotoJob | None = None,
    head_start: dt.timedelta = dt.timedelta(0),
    within: Callable[[PhotoJob], None] | None = None,
) -> PhotoJob:
    """Store one photo and queue its job. Everything is checked before anything is stored.

    The job is due after `head_start`; until then it waits for the worker that knows of it. With
    `again_of`, the photo is the person's of that ended job, on the same ground. `within` is called
    in the job's transaction, and undoes it by raising.
    """
    alias = provider or get_settings().default_provider
    enhancement.check(capabilities_of(alias))
    claim = Claim(basis, reason, basis is not Basis.CONSENT, people_agreed)
    entry = _let_in(subject, alias, claim, again_of)
    clean = _cleaned(photo, enhancement, alias)
    now = timezone.now()
    media = _laid_down(clean, entry, now)
    columns = {
        **entry.columns(),
        **columns_of(enhancement, now, head_start),
        **_waiting(alias),
        **_target_columns(target_of(photo)),
        "warnings": [code.value for code in clean.warnings],
        "source_mark": clean.mark or "",
        "again_of": again_of.pk if again_of else None,
        "batch": batch,
        "preset": preset,
    }
    database = router.db_for_write(PhotoJob)
    with _taken_back_if_refused(media, now), transaction.atomic(using=database):
        owner_ref = entry.confirm()
        if again_of is not None:
            claim_repeat(job=again_of, enhancement=enhancement)
        job = PhotoJob.objects.create(**_people(owner_ref, subject, requested_by), **columns)
        _make_readable(media, job)
        entry.record(job_id=job.pk, now=now)
        if within is not None:
            within(job)
        queue.wake(database)
    return job


def _let_in(subject: Any, alias: str, claim: Claim, again_of: PhotoJob | None) -> Entry:
    """Ask the gate for one photo; where it was here before, on the ground it came in on."""
    if again_of is not None:
        return ask_to_repeat(job=again_of, provider=alias)
    return ask_to_enter(subject=subject, provider=alias, claim=claim)


def _cleaned(photo: PhotoInput, enhancement: Enhancement, alias: str) -> CleanPhoto:
    """Read the photo, drop all but its pixels, and make sure that its result can be made."""
    clean = intake.take_in(photo)
    enhancement.check_size(clean.width, clean.height, capabilities_of(alias))
    return clean


def _laid_down(clean: CleanPhoto, entry: Entry, now: dt.datetime) -> Media:
    """Commit the row with its deadline, then write the bytes; nobody can read them yet."""
    deadline = retention.source_deadline(now, promised=entry.permit.profile.source_ceiling)
    media = vault.reserve(clean, kind=MediaKind.SOURCE, now=now, expires_at=deadline)
    vault.write(media, clean.content)
    return media


def _make_readable(media: Media, job: PhotoJob) -> None:
    if not vault.publish(media, job_id=job.pk):
        raise StorageError(Code.SOURCE_GONE)  # condemned while it was written


@contextmanager
def _taken_back_if_refused(media: Media, now: dt.datetime) -> Iterator[None]:
    """Erase a photo that was stored and then refused."""
    try:
        yield
    except HiliError:
        rows = Media.objects.filter(pk=media.pk)
        condemn(rows, EraseCause.ORPHAN, now)
        if not erase_condemned(rows).erased:
            with suppress(Exception):  # its row went while it was written; else a sweep finds it
                vault.discard(media)
        raise


def start_batch(*, requested_by: Any = None) -> PhotoBatch:
    """Make the row that holds jobs made together. Raises `WrongStateError` after the end."""
    refuse_if_ended()
    return PhotoBatch.objects.create(
        requested_by_ref=subject_ref_for(requested_by) if requested_by is not None else None,
        expires_at=retention.job_deadline(timezone.now()),
    )


def target_of(photo: PhotoInput) -> Target:
    """Return the host's row a photo comes from; empty where it is no model's file."""
    if not isinstance(photo, FieldFile) or photo.instance.pk is None:
        return Target()
    return Target(photo.instance._meta.label_lower, str(photo.instance.pk), photo.field.name)


def columns_of(
    enhancement: Enhancement, now: dt.datetime, head_start: dt.timedelta = dt.timedelta(0)
) -> dict[str, Any]:
    """Return what a new job's row says about what shall be done, and until when it is kept."""
    return {
        "operations": [operation.value for operation in enhancement.operations],
        "image_type": enhancement.image_type.value,
        "scale": enhancement.scale,
        "background": enhancement.background.name if enhancement.background else "",
        "dpi": enhancement.dpi,
        "result_format": enhancement.format.value if enhancement.format else "",
        "created_at": now,
        "due_at": now + head_start,
        "expires_at": retention.job_deadline(now),
    }


def _waiting(alias: str) -> dict[str, Any]:
    """For whom a new job waits, and how: held, while staff have paused the provider."""
    if not is_paused(alias):
        return {"provider": alias}
    held = {"status": JobStatus.HELD, "held_reason": HeldReason.PROVIDER_PAUSED}
    return {"provider": alias, **held}


def _people(
    owner_ref: uuid.UUID | None, subject: Any, requested_by: Any
) -> dict[str, uuid.UUID | None]:
    """Whose the photo is, and who asks: mostly the same person."""
    is_own = requested_by in {None, subject}
    return {
        "subject_ref": owner_ref,
        "requested_by_ref": owner_ref if is_own else subject_ref_for(requested_by),
    }


def _target_columns(target: Target) -> dict[str, str]:
    return {
        "target_model": target.model,
        "target_pk": target.pk,
        "target_field": target.field,
    }
