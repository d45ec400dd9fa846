"""Whom a verb of `hili_privacy` is about: named by their account, or by their reference."""

from __future__ import annotations

import uuid
from argparse import ArgumentParser

from django.core.management.base import CommandError

from django_hili.management.privacy.verb import Options
from django_hili.models import Subject


def person_arguments(parser: ArgumentParser) -> None:
    """Add the two options that name a person, of which one is needed."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", help="the person by the primary key of their account")
    who.add_argument("--subject", type=uuid.UUID, help="the person by their reference")


def person_of(options: Options) -> uuid.UUID:
    """Return the person's reference. Raises `CommandError` where nobody is known by it."""
    if options["subject"]:
        rows = Subject.objects.filter(pk=options["subject"])
    else:
        rows = Subject.objects.filter(user_key=options["user"])
    ref = rows.values_list("ref", flat=True).first()
    if ref is None:
        raise CommandError("Nobody is known here by that key: nothing is stored about them.")
    return ref
