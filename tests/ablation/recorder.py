"""Runs the tests of one control's clauses with that control switched off: `pytest --without C11`.

Owns what counts as red: a test that ran and failed because something was not as it promises. A
test that only fell over the missing code, or whose surroundings did, proves nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest

from django_hili.privacy.audit.clauses import all_clauses
from tests.ablation.switches import SWITCHES

_FELL_OVER: Final = frozenset({"TypeError", "NameError", "AttributeError", "ImportError"})


def clauses_of(control: str) -> list[str]:
    """Return the clauses with a proof that a control serves."""
    return [
        clause.id
        for clause in all_clauses().values()
        if control in clause.controls and clause.needs_proof
    ]


def marked(item: Any) -> set[str]:
    """Return the clauses a test is marked with."""
    return {name for mark in item.iter_markers("clause") for name in mark.args}


class Ablation:
    """Throws one switch and writes down which tests of its clauses went red."""

    def __init__(self, control: str, report: Path | None, *, left_on: bool = False) -> None:
        self._control = control
        self._left_on = left_on
        self._report = report
        self._clauses: dict[str, list[dict[str, str]]] = {name: [] for name in clauses_of(control)}
        self._served: dict[str, set[str]] = {}
        self._fell: list[dict[str, str]] = []
        # A failing example is enough; the smallest one is not wanted, nor is it to be kept.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("without", phases=phases, database=None)
        hypothesis.settings.load_profile("without")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Switch the control off: Django is ready, and no test has been imported."""
        if not self._left_on:
            SWITCHES[self._control].throw()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Keep the tests of the control's clauses."""
        chosen = [item for item in items if marked(item) & set(self._clauses)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
        self._served = {item.nodeid: marked(item) & set(self._clauses) for item in items}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        """Leave out what could tell nothing new."""
        if all(self._clauses[name] for name in self._served[item.nodeid]):
            pytest.skip("a red test of each of its clauses is known")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """Write down a red test for each of its clauses."""
        yield
        if call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception):
            return
        found = {"test": item.nodeid, "why": call.excinfo.exconly().partition("\n")[0][:200]}
        if call.when != "call" or call.excinfo.typename in _FELL_OVER:
            self._fell.append(found)
        else:
            for name in self._served[item.nodeid]:
                self._clauses[name].append(found)
        self._write()

    def pytest_sessionfinish(self) -> None:
        """Write the file where nothing was red, too."""
        self._write()

    def _write(self) -> None:
        if self._report is not None:
            said = {"control": self._control, "clauses": self._clauses, "fell_over": self._fell}
            self._report.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
