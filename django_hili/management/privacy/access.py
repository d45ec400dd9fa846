"""Lists who may see photos, and notes that somebody has looked at that list."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.rights.access import access_report, record_review


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--reviewed-by", help="note that this user has looked at the list and put it right"
    )


def _run(options: Options) -> Outcome:
    if options["reviewed_by"]:
        users = get_user_model()._base_manager
        staff = users.filter(pk=options["reviewed_by"]).first()
        if staff is None:
            raise CommandError("There is no user with that key.")
        record_review(staff=staff)
    report = access_report()
    facts = asdict(report)
    lines = [
        f"{viewer.name} ({viewer.user_key}){', superuser' if viewer.is_superuser else ''}"
        for viewer in report.viewers
    ]
    lines.append(f"Last looked at: {report.reviewed_at or 'never'}.")
    return Outcome(lines, facts, is_good=not report.is_review_due)


VERB = Verb("Say who may see photos, and when somebody last looked at that list.", _run, _arguments)
