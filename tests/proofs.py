"""Writes down which clause each test proves and how it ended: `pytest --proofs FILE`.

Owns the file that `hili_privacy report` reads. A clause that is not in the table is an error.
With `--without C11` the tests of a control's clauses run with that control switched off.
"""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import django
import pytest
from django.conf import settings

from django_hili.privacy.audit.clauses import CONTROLS, all_clauses


class ProofRecorder:
    """Collects the outcome of every test marked with clauses."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._clauses: dict[str, list[str]] = {}
        self._outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items):
        """Read the marks, and refuse ids that no policy has."""
        known = all_clauses()
        for item in items:
            ids = [name for mark in item.iter_markers("clause") for name in mark.args]
            if unknown := [name for name in ids if name not in known]:
                raise pytest.UsageError(f"{item.nodeid}: no policy has {', '.join(unknown)}")
            if ids:
                # With the report, so that it also comes back from another process.
                item.user_properties.append(("clauses", sorted(set(ids))))

    def pytest_runtest_logreport(self, report):
        """Remember the worst of set-up, call and tear-down."""
        clauses = dict(report.user_properties).get("clauses")
        if clauses is None:
            return
        self._clauses[report.nodeid] = clauses
        if report.failed or report.nodeid not in self._outcomes:
            self._outcomes[report.nodeid] = report.outcome
        elif report.skipped and self._outcomes[report.nodeid] == "passed":
            self._outcomes[report.nodeid] = "skipped"

    def pytest_sessionfinish(self, session):
        """Write the file, once, whatever number of processes ran the tests."""
        if self._path is None or hasattr(session.config, "workerinput"):
            return
        tests = [
            {"test": name, "clauses": self._clauses[name], "outcome": outcome}
            for name, outcome in sorted(self._outcomes.items())
        ]
        run = {
            "on": datetime.now(UTC).date().isoformat(),
            "Python": platform.python_version(),
            "Django": django.get_version(),
            "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        }
        text = json.dumps({"run": run, "tests": tests}, indent=1, sort_keys=True)
        self._path.write_text(text + "\n", encoding="utf-8")


def pytest_addoption(parser):
    """Add `--proofs` and `--without`."""
    parser.addoption("--proofs", type=Path, help="write clauses, tests and outcomes to this file")
    parser.addoption(
        "--without",
        choices=tuple(CONTROLS),
        metavar="CONTROL",
        help="switch a control off and run the tests of its clauses alone",
    )
    parser.addoption("--left-on", action="store_true", help="with --without: touch nothing")
    parser.addoption("--red", type=Path, help="with --without: write each clause's red tests here")


def pytest_configure(config):
    """Watch every run, so that a wrong clause id is found at once."""
    config.pluginmanager.register(ProofRecorder(config.getoption("--proofs")), "hili-proofs")
    if control := config.getoption("--without"):
        # Imported here: a run with everything on knows nothing of switches.
        from tests.ablation.recorder import Ablation

        report, left_on = config.getoption("--red"), config.getoption("--left-on")
        config.pluginmanager.register(Ablation(control, report, left_on=left_on), "hili-without")
