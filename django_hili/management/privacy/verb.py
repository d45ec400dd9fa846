"""What a verb of `hili_privacy` is, and what it has to say. Knows none of them."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb has to say."""

    lines: Iterable[str]
    """For people."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For programs: with --json, one object."""
    is_good: bool = True
    """False makes the exit code 1."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing to ask for."""

    help: str
    run: Callable[[Options], Outcome]
    add_arguments: Callable[[ArgumentParser], None] = lambda _: None


def dry_run_argument(parser: ArgumentParser) -> None:
    """Add the option that only asks what would be done."""
    parser.add_argument("--dry-run", action="store_true", help="say what would go; touch nothing")


def would(facts: Mapping[str, Any]) -> Outcome:
    """Say what would be done."""
    return Outcome([f"Would be {name.replace('_', ' ')}: {n}" for name, n in facts.items()], facts)
