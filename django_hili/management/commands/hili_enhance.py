"""The operator's way to enhance one photo from a shell, with no worker running."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from django_hili.exceptions import HiliError, InvalidOptionsError
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.queries import result_of
from django_hili.jobs.run import Runner
from django_hili.jobs.submit import enhance
from django_hili.media import vault
from django_hili.models import Basis, EraseCause, JobStatus, PhotoJob
from django_hili.vocabulary import SCALES, Background, ImageType, Operation

_BAR = 24
_SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_DEFAULT_PRESET = "photo-repair-2x"


class Command(BaseCommand):
    """Sends one photo on the same trip as every other and brings the result to a file."""

    help = "Enhance one photo. Nothing of it is kept on the site afterwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the photo, where the result goes, and what shall be done."""
        parser.add_argument("photo", type=Path, help="the file to enhance")
        parser.add_argument("--out", type=Path, required=True, help="where the result goes")
        parser.add_argument("--preset", help=f"a preset's name (default: {_DEFAULT_PRESET})")
        parser.add_argument("--operations", help=f"comma-separated, of: {', '.join(Operation)}")
        parser.add_argument("--scale", type=int, help=f"one of {', '.join(map(str, SCALES))}")
        parser.add_argument("--type", dest="image_type", help=f"one of {', '.join(ImageType)}")
        parser.add_argument(
            "--background", help=f"one of {', '.join(Background.NAMED)}, #rrggbb or R,G,B"
        )
        parser.add_argument("--dpi", type=int, help="resolution written into the result")
        parser.add_argument("--provider", help="a provider's alias")

    def handle(self, *args: Any, **options: Any) -> None:
        """Submit the photo, work on it here, write the result, delete everything."""
        photo, out = options["photo"], options["out"]
        _check_paths(photo, out)
        try:
            job = _submit(photo, out, options)
        except InvalidOptionsError as error:
            lines = [f"{problem.field}: {problem.sentence}" for problem in error.problems]
            raise CommandError("\n".join(lines)) from None
        except HiliError as error:
            raise CommandError(str(error)) from None
        try:
            self._work(job)
            job.refresh_from_db()
            if job.status != JobStatus.DONE:
                raise CommandError(f"{job.failure_sentence} [{job.code}]")
            result = result_of(job)
            _write(out, vault.read(result))
        except KeyboardInterrupt:
            raise CommandError("Stopped. Nothing of the photo is kept.") from None
        finally:
            delete_jobs(job_ids=[job.pk], cause=EraseCause.DELIVERED)
        self._tell(job, out, f"{result.width}×{result.height}")

    def _work(self, job: PhotoJob) -> None:
        bar = _ProgressBar(self.stderr, is_drawn=sys.stderr.isatty())
        connections.close_all()
        asyncio.run(
            Runner(
                until_idle=True,
                only=[job.pk],
                on_progress=lambda _, stage, fraction: bar.show(stage, fraction),
            ).run()
        )
        bar.clear()

    def _tell(self, job: PhotoJob, out: Path, size: str) -> None:
        for step in job.steps:
            self.stdout.write(f"{step['operation']}: {step['method']}")
        for sentence in job.warning_sentences:
            self.stdout.write(self.style.WARNING(sentence))
        self.stdout.write(self.style.SUCCESS(f"{out}: {size}"))


def _submit(photo: Path, out: Path, options: dict[str, Any]) -> PhotoJob:
    operations = options["operations"]
    return enhance(
        photo,
        preset=options["preset"] or (None if operations else _DEFAULT_PRESET),
        operations=[word.strip() for word in operations.split(",")] if operations else None,
        image_type=options["image_type"],
        scale=options["scale"],
        background=options["background"],
        dpi=options["dpi"],
        format=_SUFFIXES[out.suffix.lower()],
        basis=Basis.ATTESTATION,
        provider=options["provider"],
    )


def _check_paths(photo: Path, out: Path) -> None:
    if not photo.is_file():
        raise CommandError(f"There is no file {photo}.")
    if out.suffix.lower() not in _SUFFIXES:
        raise CommandError(f"--out must end in {', '.join(_SUFFIXES)}.")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {out.parent}. Make it first.")
    if out.exists() and out.samefile(photo):
        raise CommandError("--out is the photo itself. Give the result another name.")


def _write(out: Path, content: bytes) -> None:
    """Write beside the goal and move into place, so that no half-written file is ever seen."""
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(content)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


class _ProgressBar:
    """One line on a terminal; nothing where standard error is not one."""

    def __init__(self, stream: Any, *, is_drawn: bool) -> None:
        self._stream = stream
        self._is_drawn = is_drawn
        self._last = 0.0

    def show(self, stage: str, fraction: float) -> None:
        """Draw the bar, ten times a second at most."""
        now = time.monotonic()
        if not self._is_drawn or (now - self._last < 0.1 and fraction < 1):  # noqa: PLR2004
            return
        self._last = now
        filled = round(_BAR * fraction)
        bar = "█" * filled + "░" * (_BAR - filled)
        self._stream.write(f"\r{stage:10} {bar} {fraction:4.0%}", ending="")
        self._stream.flush()

    def clear(self) -> None:
        """Leave an empty line for what follows."""
        if self._is_drawn:
            self._stream.write("\r" + " " * (_BAR + 20) + "\r", ending="")
