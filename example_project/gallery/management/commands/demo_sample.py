"""Adds the sample photo, waits for the worker to enhance it, and measures what came back.

It enhances nothing itself: without a running worker it waits in vain and says so.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

import django_hili
from django_hili.conf import get_settings
from django_hili.jobs.queries import latest_jobs_of_targets, result_of
from django_hili.media import vault
from django_hili.media.intake import clean_file
from django_hili.models import Basis, JobStatus, PhotoJob
from example_project.gallery.forms import first_choice
from example_project.gallery.management.commands.demo_user import NAME
from example_project.gallery.models import Photo
from example_project.sample import age
from example_project.sample.measure import Comparison, compare

TITLE = "Eileen Collins"
_LABEL = Photo._meta.label_lower
_LOOK_EVERY = 0.3


class Command(BaseCommand):
    """Brings the demo's sample to *enhanced*."""

    help = "Add the sample photo for the user `demo` and wait until a worker has enhanced it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add how long to wait, and whether to start from nothing."""
        parser.add_argument("--wait", type=float, default=180, help="seconds to wait at most")
        parser.add_argument("--address", default="", help="where the site is, for what is printed")
        parser.add_argument(
            "--anew", action="store_true", help="delete an earlier sample and add it again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Add, wait, measure. Fails unless the result is larger and sharper."""
        owner = get_user_model().objects.get(username=NAME)
        photo = Photo.objects.of(owner).filter(title=TITLE).first()
        if photo and options["anew"]:
            photo.delete()
            photo = None
        photo = photo or _add(owner)
        job = _usable_job(photo) or django_hili.enhance(
            photo.image,
            preset=first_choice(),
            subject=owner,
            basis=Basis.ATTESTATION,
            reason="A public-domain portrait that comes with the example",
        )
        self._wait(job, patience=options["wait"])
        with photo.image.open("rb") as source:
            comparison = compare(source.read(), vault.read(result_of(job)))
        self._tell(comparison)
        page = reverse("gallery:photo", args=[photo.pk])
        self.stdout.write(f"  page     {options['address']}{page}")
        if not (comparison.is_larger and comparison.is_sharper):
            raise CommandError("The result is not larger and sharper than the sample.")

    def _wait(self, job: PhotoJob, *, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            job.refresh_from_db()
            if job.status == JobStatus.DONE:
                return
            if job.is_ended:
                raise CommandError(f"{job.failure_sentence} [{job.code}]")
            if time.monotonic() > deadline:
                state = job.get_status_display()
                raise CommandError(f"The sample is still {state}. Is a worker running?")
            time.sleep(_LOOK_EVERY)

    def _tell(self, found: Comparison) -> None:
        old, new = found.source_size, found.result_size
        gain = found.result_sharpness / found.bicubic_sharpness
        self.stdout.write(
            f"  size     {old[0]}×{old[1]}, {found.source_bytes} bytes → "
            f"{new[0]}×{new[1]}, {found.result_bytes} bytes\n"
            f"  sharper  {gain:.2f} times as sharp as a bicubic enlargement\n"
            f"           (variance of the Laplacian at equal contrast: "
            f"{found.result_sharpness:.4f}, bicubic {found.bicubic_sharpness:.4f})"
        )


def _add(owner: Any) -> Photo:
    return Photo.objects.create(owner=owner, title=TITLE, image=clean_file(Path(age.AGED)))


def _usable_job(photo: Photo) -> PhotoJob | None:
    """Return the sample's job if its result is there or to come, from whom it is asked of now."""
    job: Any = latest_jobs_of_targets(_LABEL, [photo.pk]).get(str(photo.pk))
    if job is None or job.provider != get_settings().default_provider:
        return None
    if job.is_ended and job.result_kept_until is None:
        return None
    return job
