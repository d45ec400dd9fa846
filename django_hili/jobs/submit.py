"""Makes a job of a photo: checks everything first, stores it, and wakes a worker on commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import router, transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from django_hili import queue
from django_hili.conf import get_settings
from django_hili.imaging.clean import CleanPhoto
from django_hili.jobs.presets import find_preset
from django_hili.media import intake, vault
from django_hili.media.intake import PhotoInput
from django_hili.models import Basis, MediaKind, PhotoBatch, PhotoJob
from django_hili.privacy import retention
from django_hili.privacy.subjects import subject_ref_for
from django_hili.providers.registry import capabilities_of
from django_hili.vocabulary import Enhancement, read_enhancement


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
    provider: str | None = None,
) -> PhotoJob:
    """Enhance a photo in the background and return its job.

    `photo` is bytes, a path object, an open file or a model's file; in the last case the job
    remembers the row it came from. Name a `preset`, or `operations` with their options.
    `subject` is the user whose photo it is: the photo is theirs to see and to delete. Without
    one, say on what `basis` it is processed: "attestation" or "no_personal_data".

    Raises `InvalidPhotoError` or `InvalidOptionsError`; nothing has been stored then.
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
        basis=Basis(basis) if basis else (Basis.CONSENT if subject else Basis.ATTESTATION),
    )


def plan(
    *,
    preset: str | None = None,
    operations: Collection[str] | None = None,
    provider: str | None = None,
    **options: Any,
) -> Enhancement:
    """Return what would be done, checked against the provider. Raises `InvalidOptionsError`."""
    enhancement = (
        find_preset(preset, operations=operations, **options)
        if preset
        else read_enhancement(operations=operations or (), **options)
    )
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
    batch: PhotoBatch | None = None,
) -> PhotoJob:
    """Store one photo and queue its job. Everything is checked before anything is stored."""
    alias = provider or get_settings().default_provider
    capabilities = capabilities_of(alias)
    enhancement.check(capabilities)
    clean = intake.take_in(photo)
    enhancement.check_size(clean.width, clean.height, capabilities)
    owner_ref = subject_ref_for(subject) if subject is not None else None
    actor_ref = owner_ref if requested_by in {None, subject} else subject_ref_for(requested_by)
    now = timezone.now()
    media = vault.reserve(
        clean, kind=MediaKind.SOURCE, now=now, expires_at=retention.source_deadline(now)
    )
    vault.write(media, clean.content)
    database = router.db_for_write(PhotoJob)
    with transaction.atomic(using=database):
        job = PhotoJob.objects.create(
            **_columns(enhancement, clean, now),
            batch=batch,
            subject_ref=owner_ref,
            requested_by_ref=actor_ref,
            basis=basis,
            provider=alias,
            preset=preset,
            **_target_columns(target_of(photo)),
        )
        vault.publish(media, job_id=job.pk)
        queue.wake(database)
    return job


def start_batch(*, requested_by: Any = None) -> PhotoBatch:
    """Make the row that holds jobs made together."""
    return PhotoBatch.objects.create(
        requested_by_ref=subject_ref_for(requested_by) if requested_by is not None else None,
        expires_at=retention.job_deadline(timezone.now()),
    )


def target_of(photo: PhotoInput) -> Target:
    """Return the host's row a photo comes from; empty where it is no model's file."""
    if not isinstance(photo, FieldFile) or photo.instance.pk is None:
        return Target()
    return Target(photo.instance._meta.label_lower, str(photo.instance.pk), photo.field.name)


def _columns(enhancement: Enhancement, clean: CleanPhoto, now: dt.datetime) -> dict[str, Any]:
    return {
        "operations": [operation.value for operation in enhancement.operations],
        "image_type": enhancement.image_type.value,
        "scale": enhancement.scale,
        "background": enhancement.background.name if enhancement.background else "",
        "dpi": enhancement.dpi,
        "result_format": enhancement.format.value if enhancement.format else "",
        "warnings": [code.value for code in clean.warnings],
        "created_at": now,
        "due_at": now,
        "expires_at": retention.job_deadline(now),
    }


def _target_columns(target: Target) -> dict[str, str]:
    return {
        "target_model": target.model,
        "target_pk": target.pk,
        "target_field": target.field,
    }
