"""The operator's way to enhance photos from a shell, one or many, with no worker running."""

from __future__ import annotations

import datetime as dt
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError, InvalidOptionsError, InvalidPhotoError
from django_hili.imaging.apart import rebuild_apart
from django_hili.imaging.contact_sheet import ContactSheet
from django_hili.jobs.queries import result_of
from django_hili.jobs.submit import plan, submit
from django_hili.jobs.work_through import work_through
from django_hili.jobs.worker.masks import HEAD_START
from django_hili.management.files import (
    RESULT_SUFFIXES,
    ProgressBar,
    Task,
    UnderWay,
    check_sheet,
    name_results,
    one_result,
    with_masks,
    write,
)
from django_hili.management.masks import Masking, read_masking
from django_hili.media import intake, vault
from django_hili.models import Basis, JobStatus, PhotoJob
from django_hili.providers.registry import capabilities_of
from django_hili.vocabulary import (
    SCALES,
    Background,
    Enhancement,
    ImageType,
    Operation,
    ResultFormat,
)

_DEFAULT_PRESET = "photo-repair-2x"
_MASK_UNKNOWN = "Another worker took the photo up without the mask. Run the command again."
_REASON = "Enhanced from the shell by the site's operator; nothing is kept."


class Command(BaseCommand):
    """Sends photos on the same trip as every other and brings the results to files."""

    help = (
        "Enhance photos: files, or folders of them. A bad photo is told and left out, the others "
        "go on. Nothing of them is kept on the site afterwards."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the photos, where the results go, and what shall be done."""
        parser.add_argument("photos", type=Path, nargs="+", help="files or folders")
        parser.add_argument(
            "--out", type=Path, required=True, help="a file for one photo, else a folder"
        )
        parser.add_argument("--overwrite", action="store_true", help="replace results of before")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument(
            "--contact-sheet", type=Path, metavar="JPEG", help="also draw all before and after"
        )
        parser.add_argument("--preset", help=f"a preset's name (default: {_DEFAULT_PRESET})")
        parser.add_argument("--operations", help=f"comma-separated, of: {', '.join(Operation)}")
        parser.add_argument("--scale", type=int, help=f"one of {', '.join(map(str, SCALES))}")
        parser.add_argument("--type", dest="image_type", help=f"one of {', '.join(ImageType)}")
        parser.add_argument(
            "--background", help=f"one of {', '.join(Background.NAMED)}, #rrggbb or R,G,B"
        )
        parser.add_argument(
            "--mask", type=Path, metavar="FILE",
            help="what scratch shall fill, drawn by hand: white on black, as large as the photo",
        )  # fmt: skip
        parser.add_argument(
            "--save-mask", action="store_true",
            help="also write what scratch has filled, beside each result",
        )  # fmt: skip
        parser.add_argument("--dpi", type=int, help="resolution written into the results")
        parser.add_argument("--provider", help="a provider's alias")

    def handle(self, *args: Any, **options: Any) -> None:
        """Submit the photos, work on them here, write the results, delete everything."""
        photos, out = options["photos"], options["out"]
        is_single = len(photos) == 1 and not photos[0].is_dir() and not out.is_dir()
        with_alpha = options["background"] == "transparent"
        tasks = (
            [one_result(photos[0], out)]
            if is_single
            else name_results(photos, out, with_alpha=with_alpha)
        )
        tasks = with_masks(tasks) if options["save_mask"] else tasks
        check_sheet(options["contact_sheet"], ".jpg", ".jpeg", may_overwrite=options["overwrite"])
        wish = _wish(options)
        try:
            planned = plan(**wish)
            masking = read_masking(options, tasks, planned)
        except InvalidOptionsError as error:
            lines = [f"{problem.field}: {problem.sentence}" for problem in error.problems]
            raise CommandError("\n".join(lines)) from None
        self._is_single = is_single
        self._failures: list[str] = []
        self._ended, self._total = 0, len(tasks)
        self._under_way = UnderWay(len(planned.operations))
        self._bar = ProgressBar(self.stderr, is_drawn=sys.stderr.isatty())
        sheet = ContactSheet() if options["contact_sheet"] else None
        todo = self._checked(tasks, may_overwrite=options["overwrite"])
        if options["dry_run"]:
            self._say_what_would_be_done(todo, planned, options["provider"])
        else:
            orders = (_Order(self, task, wish, sheet, masking) for task in todo)
            self._do(orders, masking, sheet, options["contact_sheet"])
        self._end()

    def _checked(self, tasks: list[Task], *, may_overwrite: bool) -> Iterator[Task]:
        for task in tasks:
            problem = task.problem(may_overwrite=may_overwrite)
            if problem is None:
                yield task
            else:
                self.fail(task, problem)

    def _do(
        self, orders: Iterator[_Order], masking: Masking, sheet: ContactSheet | None, path: Path
    ) -> None:
        try:
            work_through(orders, on_progress=self._progress, masks=masking.masks)
        except KeyboardInterrupt:
            raise CommandError("Stopped. Nothing of the photos is kept on the site.") from None
        finally:
            self._bar.clear()
        if sheet:
            write(path, sheet.encode())
            self.stdout.write(f"{path}: {len(sheet)} before and after")
            for number, name in sheet.numbered:
                self.stdout.write(f"#{number}: {name}")

    def _progress(self, job: PhotoJob, stage: str, fraction: float) -> None:
        if self._is_single:
            self._bar.show(stage, fraction)
        else:
            self._under_way.tell(job.pk, stage, fraction)
            done = self._ended + self._under_way.photos()
            self._bar.show(f"{self._ended} of {self._total}", min(done / self._total, 1.0))

    def _say_what_would_be_done(
        self, todo: Iterator[Task], planned: Enhancement, provider: str | None
    ) -> None:
        words = ", ".join(operation.value for operation in planned.operations)
        capabilities = capabilities_of(provider or get_settings().default_provider)
        for task in todo:
            try:
                photo = intake.take_in(task.photo)
                of_format = replace(planned, format=ResultFormat(_kind(task)))
                of_format.check_size(photo.width, photo.height, capabilities)
            except HiliError as error:
                self.fail(task, str(error))
            else:
                size = f"{photo.width}×{photo.height}"
                self.stdout.write(f"{task.photo} ({size}): would become {task.out} by {words}")

    def ended(self, job: PhotoJob) -> None:
        """Count a job no more as one under way."""
        self._under_way.end(job.pk)

    def tell(self, task: Task, job: PhotoJob, size: str) -> None:
        """Say what was done to a photo."""
        self._ended += 1
        self._bar.clear()
        steps = [f"{step['operation']}: {step['method']}" for step in job.steps]
        if self._is_single:
            for line in steps:
                self.stdout.write(line)
        for sentence in job.warning_sentences:
            shown = sentence if self._is_single else f"{task.photo}: {sentence}"
            self.stdout.write(self.style.WARNING(shown))
        if task.mask_out is not None:
            self.stdout.write(f"{task.mask_out}: what scratch has filled")
        done = f"{task.out}: {size}" + ("" if self._is_single else f" ({', '.join(steps)})")
        self.stdout.write(self.style.SUCCESS(done))

    def fail(self, task: Task, why: str) -> None:
        """Say why there is no result for a photo; the others go on."""
        self._ended += 1
        self._failures.append(why)
        if not self._is_single:
            self._bar.clear()
            self.stderr.write(f"{task.photo}: {why}")

    def _end(self) -> None:
        if not self._failures:
            return
        if self._is_single:
            raise CommandError(self._failures[0])
        raise CommandError(f"{len(self._failures)} of {self._total} photos have no result.")


class _Order:
    """One photo of the command's, as the stream knows it."""

    def __init__(
        self,
        command: Command,
        task: Task,
        wish: dict[str, Any],
        sheet: ContactSheet | None,
        masking: Masking,
    ) -> None:
        self._command = command
        self._task = task
        self._wish = wish
        self._sheet = sheet
        self._masking = masking

    def submit(self) -> PhotoJob:
        masking, wish = self._masking, self._wish
        job = submit(
            self._task.photo,
            enhancement=plan(**wish, format=_kind(self._task)),
            preset=wish["preset"] or "",
            provider=wish["provider"],
            basis=Basis.ATTESTATION,
            reason=_REASON,
            head_start=HEAD_START if masking.is_asked_for else dt.timedelta(0),
        )
        if masking.is_asked_for:
            masking.masks.expect(job.pk, drawn=masking.drawn)
        return job

    def deliver(self, job: PhotoJob) -> None:
        self._command.ended(job)
        if job.status != JobStatus.DONE:
            self._command.fail(self._task, f"{job.failure_sentence} [{job.code}]")
            return
        mask = self._masking.masks.taken(job.pk)
        if self._masking.is_asked_for and mask is None:
            self._command.fail(self._task, _MASK_UNKNOWN)
            return
        result = result_of(job)
        content = vault.read(result)
        try:
            write(self._task.out, content)
            if self._task.mask_out is not None and mask is not None:
                write(self._task.mask_out, mask)
        except OSError as error:
            self._command.fail(self._task, f"{self._task.out}: {error.strerror}")
            return
        self._command.tell(self._task, job, f"{result.width}×{result.height}")
        if self._sheet is not None:
            self._draw(self._sheet, content)

    def refuse(self, error: HiliError) -> None:
        self._command.fail(self._task, str(error))

    def _draw(self, sheet: ContactSheet, content: bytes) -> None:
        try:
            before = rebuild_apart(
                self._task.photo.read_bytes(), max_megapixels=get_settings().limits.max_megapixels
            )
        except (InvalidPhotoError, OSError):
            return  # it has changed since; the result itself has been written
        sheet.add(before.content, content, caption=str(self._task.photo))


def _kind(task: Task) -> str:
    """The format that the result's suffix names."""
    return RESULT_SUFFIXES[task.out.suffix.lower()]


def _wish(options: dict[str, Any]) -> dict[str, Any]:
    operations = options["operations"]
    return {
        "preset": options["preset"] or (None if operations else _DEFAULT_PRESET),
        "operations": [word.strip() for word in operations.split(",")] if operations else None,
        "image_type": options["image_type"],
        "scale": options["scale"],
        "background": options["background"],
        "dpi": options["dpi"],
        "provider": options["provider"],
    }
