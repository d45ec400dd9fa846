"""Erases a person's photos, or everything about them, and names the copies that are elsewhere."""

from __future__ import annotations

import uuid
from argparse import ArgumentParser

from django_hili.management.privacy.person import person_arguments, person_of
from django_hili.management.privacy.verb import Options, Outcome, Verb, dry_run_argument
from django_hili.privacy.rights.exercise import cancel_account, delete_photos
from django_hili.privacy.rights.holdings import held_about


def _arguments(parser: ArgumentParser) -> None:
    person_arguments(parser)
    parser.add_argument(
        "--job", action="append", type=uuid.UUID, help="only the photos of this job"
    )
    parser.add_argument(
        "--account", action="store_true", help="everything about the person, and who they are"
    )
    dry_run_argument(parser)


def _run(options: Options) -> Outcome:
    ref = person_of(options)
    if options["dry_run"]:
        held = {name: len(rows) for name, rows in held_about(ref).items()}
        return Outcome([f"Would erase: {number} {name}" for name, number in held.items()], held)
    if options["account"]:
        deletion = cancel_account(subject_ref=ref)
    else:
        deletion = delete_photos(subject_ref=ref, job_ids=options["job"])
    pending = [
        {"provider": copy.provider, "until": copy.until.isoformat() if copy.until else None}
        for copy in deletion.pending
    ]
    lines = [f"{deletion.deleted.jobs} jobs erased with their photos."]
    lines += [
        f"{copy['provider']} has a copy until {copy['until'] or 'it says nothing'}."
        for copy in pending
    ]
    return Outcome(lines, {"jobs": deletion.deleted.jobs, "pending": pending})


VERB = Verb("Erase a person's photos, or everything about them.", _run, _arguments)
