"""Holds the invariants against what is there, and with `--canary` against a synthetic life."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict

from django.core.management.base import CommandError

from django_hili.jobs.canary.report import STORED
from django_hili.jobs.canary.site import CannotBeTriedError
from django_hili.jobs.canary.trial import run_canary
from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.audit.check import audit


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--canary",
        action="store_true",
        help="afterwards have somebody who does not exist live through this site, and look "
        "everywhere for what they brought; leaves receipts",
    )


def _run(options: Options) -> Outcome:
    report = audit()
    facts = {
        "at": report.at.isoformat(timespec="seconds"),
        "is_clean": report.is_clean,
        "invariants": [
            {"id": answer.invariant.id, "holds": not answer.count, "found": answer.count,
             "sentence": answer.invariant.sentence}
            for answer in report.answers
        ],
    }  # fmt: skip
    lines = [
        f"{'ok  ' if not answer.count else 'FAIL'}  {answer.invariant.id}  "
        f"{answer.invariant.sentence}"
        + (f" Found {answer.count}. {answer.invariant.remedy}" if answer.count else "")
        for answer in report.answers
    ]
    outcome = Outcome(lines, facts, is_good=report.is_clean)
    return _with_canary(outcome) if options["canary"] else outcome


def _with_canary(audited: Outcome) -> Outcome:
    try:
        report = run_canary()
    except CannotBeTriedError as error:
        raise CommandError(str(error)) from None
    lines = [
        f"{'ok  ' if place.is_clean else 'FAIL'}  {place.name}: "
        f"{'seen' if place.is_seen else 'NOT SEEN'}, {place.bytes_read} bytes read, "
        f"found {place.found_before} while the photo was there and {place.found_after} afterwards"
        for place in report.places
    ]
    lines += [
        f"      {name}: cannot be read and was not looked at" for name in report.not_looked_at
    ]
    lines.append(
        f"{'ok  ' if report.is_proved else 'FAIL'}  "
        f"{report.receipts} of {STORED} erased photos have their one receipt"
    )
    by = {"worker": "by a worker of the site", "here": "in this process"}.get(report.enhanced_by)
    lines.append(f"ok    enhanced {by}" if by else f"FAIL  not enhanced: {report.job_code}")
    facts = {**asdict(report), "is_clean": report.is_clean}
    return Outcome(
        [*audited.lines, *lines],
        {**audited.facts, "canary": facts},
        is_good=audited.is_good and report.is_clean,
    )


VERB = Verb(
    "Hold every invariant against what is there; write nothing but with --canary.", _run, _arguments
)
