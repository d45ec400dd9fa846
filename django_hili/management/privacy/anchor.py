"""Writes down, outside the database, how far the receipts have come."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.evidence.anchors import anchor


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, help="the file to append to")


def _run(options: Options) -> Outcome:
    line = anchor(options["to"])
    return Outcome([line or "There is no receipt yet."], {"anchor": line})


VERB = Verb("Write down, outside the database, how far the receipts have come.", _run, _arguments)
