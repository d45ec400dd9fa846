"""The door of whoever answers for data protection: one command, a verb each."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from django_hili.management.privacy.verbs import VERBS


class Command(BaseCommand):
    """Calls one verb and tells what came of it; exit code 1 where anything is left undone."""

    help = "Keep, show and prove what the privacy policy says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add a parser for each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in VERBS.items():
            child = verbs.add_parser(name, help=verb.help, description=verb.help)
            child.add_argument("--json", action="store_true", help="print one JSON object")
            verb.add_arguments(child)

    def handle(self, *args: Any, **options: Any) -> None:
        """Call the verb."""
        outcome = VERBS[options["verb"]].run(options)
        if options["json"]:
            text = json.dumps(dict(outcome.facts), cls=DjangoJSONEncoder, indent=1)
            self.stdout.write(text)
        else:
            for line in outcome.lines:
                self.stdout.write(line)
        if not outcome.is_good:
            raise CommandError(f"{options['verb']}: not everything is as it must be.")
