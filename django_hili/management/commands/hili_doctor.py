"""The operator's question: is this site in order, and if not, what is to be done?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from itertools import groupby
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

import django_hili
from django_hili.exceptions import HiliConfigurationError
from django_hili.jobs.doctor.examine import examine
from django_hili.jobs.doctor.findings import SEVERITY, Area, Finding, Level, Report, counted
from django_hili.providers.registry import provider_aliases

_MARGIN = " " * 11
_WIDEST = 100


class Command(BaseCommand):
    """Looks at the whole site and prints what it finds; changes nothing."""

    help = (
        "Say what is wrong with this site's photo enhancement, and what to do. Exit code 0 where "
        "no error was found (--fail-on warning: no warning either), else 1."
    )
    requires_system_checks = []  # the doctor reports them itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what to look at and how to tell."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--provider", action="append", default=[], help="look at this one only; may be repeated"
        )
        parser.add_argument(
            "--offline", action="store_true", help="ask no other machine but the database's"
        )
        parser.add_argument(
            "--skip",
            action="append",
            default=[],
            choices=[area.value for area in Area],
            help="leave this part out; may be repeated",
        )
        parser.add_argument(
            "--fail-on",
            choices=[Level.WARNING.value, Level.ERROR.value],
            default=Level.ERROR.value,
            help="the least level that makes the exit code 1 (default: error)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, tell, and fail where something was found that is bad enough."""
        self._refuse_unknown(options["provider"])
        report = examine(
            providers=options["provider"],
            skip=[Area(word) for word in options["skip"]],
            offline=options["offline"],
        )
        if options["json"]:
            self.stdout.write(json.dumps(_as_dict(report, options), indent=2, ensure_ascii=False))
        else:
            self._tell(report, with_good=options["verbosity"] > 0)
        if SEVERITY.index(report.level) >= SEVERITY.index(Level(options["fail_on"])):
            raise CommandError(_summary(report))

    def _refuse_unknown(self, wanted: list[str]) -> None:
        try:
            known = provider_aliases()
        except HiliConfigurationError:
            return  # a finding says so
        for alias in wanted:
            if alias not in known:
                raise CommandError(f"There is no provider {alias!r}. Known: {', '.join(known)}.")

    def _tell(self, report: Report, *, with_good: bool) -> None:
        shown = [item for item in report.findings if with_good or item.level is not Level.OK]
        for area, findings in groupby(shown, key=lambda finding: finding.area):
            self.stdout.write(self.style.MIGRATE_HEADING(area.value.capitalize()))
            for finding in findings:
                self._tell_one(finding)
        if report.level is Level.OK:
            self.stdout.write(self.style.SUCCESS(_summary(report)))
        elif report.level is Level.WARNING:
            self.stdout.write(self.style.WARNING(_summary(report)))

    def _tell_one(self, finding: Finding) -> None:
        paint = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.ERROR: self.style.ERROR,
        }[finding.level]
        width = min(_WIDEST, get_terminal_size((_WIDEST, 24)).columns)
        subject = f"{finding.subject}: " if finding.subject else ""
        code = "" if finding.level is Level.OK else f" [{finding.code}]"
        text = fill(f"{subject}{finding.message}{code}", width - len(_MARGIN))
        lines = text.splitlines()
        self.stdout.write(f"  {paint(finding.level.value.ljust(7))}  {lines[0]}")
        for line in lines[1:]:
            self.stdout.write(_MARGIN + line)
        if finding.next_step:
            self.stdout.write(
                fill(
                    finding.next_step,
                    width,
                    initial_indent=f"{_MARGIN}→ ",
                    subsequent_indent=f"{_MARGIN}  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )


def _summary(report: Report) -> str:
    errors, warnings = report.count(Level.ERROR), report.count(Level.WARNING)
    good = f"{report.count(Level.OK)} in order"
    return f"{counted(errors, 'error')}, {counted(warnings, 'warning')}, {good}."


def _as_dict(report: Report, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": django_hili.__version__,
        "looked_at": timezone.now().isoformat(timespec="seconds"),
        "offline": options["offline"],
        "level": report.level.value,
        "errors": report.count(Level.ERROR),
        "warnings": report.count(Level.WARNING),
        "findings": [
            {
                "area": finding.area.value,
                "level": finding.level.value,
                "code": str(finding.code),
                "subject": finding.subject,
                "message": finding.message,
                "next_step": finding.next_step,
                "facts": dict(finding.facts),
            }
            for finding in report.findings
        ],
    }
