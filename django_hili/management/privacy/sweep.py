"""Sweeps now, or says what a sweep would take."""

from __future__ import annotations

from dataclasses import asdict

from django_hili.jobs.worker.upkeep import look, upkeep
from django_hili.management.privacy.verb import Options, Outcome, Verb, dry_run_argument, would


def _run(options: Options) -> Outcome:
    if options["dry_run"]:
        return would(asdict(look()))
    report = upkeep()
    facts = asdict(report)
    return Outcome([f"{number} {name.replace('_', ' ')}" for name, number in facts.items()], facts)


VERB = Verb("Enforce every deadline now, as a worker does once a minute.", _run, dry_run_argument)
