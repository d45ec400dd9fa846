"""Writes a person's copy into a file that only its owner can read, whole or not at all."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import CommandError

from django_hili.management.privacy.person import person_arguments, person_of
from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.rights.export import export


def _arguments(parser: ArgumentParser) -> None:
    person_arguments(parser)
    parser.add_argument("--to", type=Path, required=True, help="the archive to write")


def _run(options: Options) -> Outcome:
    path: Path = options["to"]
    ref = person_of(options)
    try:
        opened = path.open("xb")
    except FileExistsError:
        raise CommandError(f"{path} is there already; it is not overwritten.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    size = 0
    try:
        with opened:
            path.chmod(0o600)
            for piece in export(subject_ref=ref):
                size += opened.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)  # half an archive is no copy, and somebody's photos
        raise
    return Outcome([f"{path}: {size} bytes. Hand it over and delete it."], {"bytes": size})


VERB = Verb("Write a person's photos and data into one archive.", _run, _arguments)
