"""Erases again what was erased before a restore, or says what that would be."""

from __future__ import annotations

from dataclasses import asdict

from django_hili.management.privacy.verb import Options, Outcome, Verb, dry_run_argument, would
from django_hili.privacy.erasure import replay


def _run(options: Options) -> Outcome:
    if options["dry_run"]:
        return would(asdict(replay.look()))
    report = replay.replay()
    facts = asdict(report)
    lines = [f"{number} {name.replace('_', ' ')}" for name, number in facts.items()]
    return Outcome(lines, facts, is_good=not report.remaining)


VERB = Verb(
    "After a restore: erase again everything that was erased since the copy.",
    _run,
    dry_run_argument,
)
