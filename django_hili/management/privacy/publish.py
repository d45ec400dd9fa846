"""Publishes the next version of the policy, or shows what it would say."""

from __future__ import annotations

from argparse import ArgumentParser

from django.utils import timezone

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.consent.policies import draft, next_number, publish
from django_hili.profiles import ChangeKind


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        choices=[kind.value for kind in ChangeKind],
        help="what changes beside what the values show; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the text; publish nothing")


def _run(options: Options) -> Outcome:
    if options["dry_run"]:
        version = draft(number=next_number(), now=timezone.now())
        lines = [f"Would be version {version.number}.", "", version.texts["en"]]
        return Outcome(lines, {"number": version.number})
    version = publish(change_kinds=options["change"])
    facts = {
        "number": version.number, "change_kinds": list(version.change_kinds),
        "reduces_rights": version.reduces_rights,
    }  # fmt: skip
    lines = [f"Version {version.number} is published."]
    if version.change_kinds:
        lines.append(f"People agree anew because of: {', '.join(version.change_kinds)}.")
    return Outcome(lines, facts)


VERB = Verb("Publish the settings of now as the next version of the policy.", _run, _arguments)
