"""Ends the service, or says what that would erase."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.models import Media, PhotoJob, Subject
from django_hili.privacy.erasure.winddown import wind_down


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it; there is no way back")


def _run(options: Options) -> Outcome:
    if not options["yes"]:
        would = {
            "people": Subject.objects.exclude(user_key=None).count(),
            "photos": Media.objects.count(),
            "jobs": PhotoJob.objects.count(),
        }
        lines = [f"Would erase: {number} {name}" for name, number in would.items()]
        return Outcome([*lines, "Nothing was done. Say --yes to end the service for good."], would)
    report = wind_down()
    facts = asdict(report)
    lines = [f"{name.replace('_', ' ')}: {number}" for name, number in facts.items()]
    if not report.is_empty:
        lines.append("Not everything is gone yet. Run it again.")
    return Outcome(lines, facts, is_good=report.is_empty)


VERB = Verb("End the service: tell people, erase everything, leave receipts.", _run, _arguments)
