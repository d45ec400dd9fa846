"""Records what staff know of a person's age, and tells what that ended."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from django_hili.management.privacy.person import person_arguments, person_of
from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.models import AgeBand, Subject
from django_hili.privacy.rights.exercise import correct


def _arguments(parser: ArgumentParser) -> None:
    person_arguments(parser)
    bands = [band.value for band in AgeBand if band != AgeBand.UNKNOWN]
    parser.add_argument("--band", required=True, choices=bands, help="how old, roughly")


def _run(options: Options) -> Outcome:
    ref = person_of(options)
    user_key = Subject.objects.filter(pk=ref).values_list("user_key", flat=True).first()
    user = get_user_model()._base_manager.filter(pk=user_key).first() if user_key else None
    if user is None:
        raise CommandError("That person has no account any more.")
    ended = correct(subject=user, age_band=AgeBand(options["band"]), is_by_staff=True)
    lines = [f"Recorded: {options['band']}.", f"{ended.cancelled} jobs cancelled.",
             f"{ended.photos} photos can no longer be read."]  # fmt: skip
    return Outcome(lines, asdict(ended))


VERB = Verb(
    "Record what staff know of a person's age; also a higher one than they may say.",
    _run,
    _arguments,
)
