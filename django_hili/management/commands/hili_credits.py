"""The operator's look at credits: how many are left, and what a month has cost."""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_hili.exceptions import HiliError
from django_hili.jobs.balance import Balance, balance, refresh_balance
from django_hili.jobs.report import monthly_report
from django_hili.providers.registry import capabilities_of, provider_aliases

Lines = list[dict[str, Any]]


class Command(BaseCommand):
    """Prints balances, or with --month a report."""

    help = "Show how many credits are left, or what a month has cost by user and operation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--provider", help="a provider's alias (default: all that charge)")
        parser.add_argument("--refresh", action="store_true", help="ask the provider now, once")
        parser.add_argument("--month", metavar="YYYY-MM", help="report what this month has cost")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print."""
        found = (
            _report(options["month"], options["provider"])
            if options["month"]
            else {"providers": [self._balance(alias, options) for alias in _aliases(options)]}
        )
        if options["json"]:
            self.stdout.write(json.dumps(found, default=str))
        elif options["month"]:
            self._print_report(found)
        else:
            self._print_balances(found["providers"])

    def _balance(self, alias: str, options: Mapping[str, Any]) -> dict[str, Any]:
        try:
            count = refresh_balance if options["refresh"] else balance
            return _as_words(count(provider=alias))
        except HiliError as error:
            raise CommandError(f"{alias}: {error}") from None

    def _print_balances(self, lines: Lines) -> None:
        for line in lines:
            if line["credits"] is None:
                self.stdout.write(f"{line['provider']}: never counted (--refresh counts)")
                continue
            low = " (low)" if line["is_low"] else ""
            self.stdout.write(
                f"{line['provider']}: {line['credits']} credits{low}, "
                f"counted {line['counted_at']}, {line['in_doubt']} sends in doubt"
            )
        if not lines:
            self.stdout.write("No provider charges anything.")

    def _print_report(self, found: Mapping[str, Any]) -> None:
        for line in found["lines"]:
            self.stdout.write(
                f"{line['provider']}  {line['user'] or '–'}  {'+'.join(line['operations'])}: "
                f"{line['sent']} sent, {line['charged']} charged, {line['not_known']} not known"
            )
        self.stdout.write(
            f"{found['month']}: {found['charged']} charged, {found['not_known']} not known."
        )


def _aliases(options: Mapping[str, Any]) -> list[str]:
    if options["provider"]:
        return [options["provider"]]
    return [alias for alias in provider_aliases() if capabilities_of(alias).credits_per_send]


def _as_words(found: Balance) -> dict[str, Any]:
    counted_at = found.counted_at.isoformat(timespec="seconds") if found.counted_at else None
    return {**asdict(found), "counted_at": counted_at}


def _report(month: str, provider: str | None) -> dict[str, Any]:
    try:
        first = dt.datetime.strptime(month, "%Y-%m").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise CommandError("Write the month as 2026-11.") from None
    report = monthly_report(month=first, provider=provider)
    return {
        "month": f"{report.month:%Y-%m}",
        "charged": report.charged,
        "not_known": report.not_known,
        "lines": [asdict(line) for line in report.lines],
    }
