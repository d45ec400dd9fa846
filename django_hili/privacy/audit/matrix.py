"""Which code keeps a clause, which tests prove it, and how they ended when they last ran.

Owns the matrix clause → control → code → test → result. The places in the code are read from
the code itself: a clause's id stands where its rule is kept. The tests come from the file that a
run of them wrote (`proofs.json`, shipped with the package). Clauses C35: HILI-5c, AIART-4.2.2,
PIXEL-4.1b, MIAO-7.3c.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django_hili.privacy.audit.clauses import Clause, all_clauses

PACKAGE: Final = Path(__file__).resolve().parents[2]
PROOFS: Final = Path(__file__).with_name("proofs.json")
_CLAUSE_ID: Final = re.compile(r"\b(?:HILI|AIART|PIXEL|MIAO)-(?:[A-Z]+-?)?\d[\w.]*\b")


@dataclass(frozen=True, slots=True)
class Proof:
    """One test that proves a clause."""

    test: str
    """Its path and name, as the test runner takes it."""
    outcome: str
    """passed, failed or skipped, when it last ran."""


@dataclass(frozen=True, slots=True)
class Line:
    """One clause with all that speaks for it."""

    clause: Clause
    code: tuple[str, ...]
    """Modules in which its id stands."""
    proofs: tuple[Proof, ...]

    @property
    def is_proved(self) -> bool:
        """Whether a rule stands in the code and a test of it passed, with none failed."""
        outcomes = {proof.outcome for proof in self.proofs}
        return bool(self.code) and "passed" in outcomes and "failed" not in outcomes


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every clause, and what the last run of the tests was run with."""

    lines: Sequence[Line]
    run: Mapping[str, str]
    """When and with what the tests ran; empty where they never did."""

    @property
    def to_prove(self) -> Sequence[Line]:
        """The clauses that need a passing test."""
        return [line for line in self.lines if line.clause.needs_proof]

    @property
    def unproved(self) -> Sequence[Line]:
        """Those of them without one."""
        return [line for line in self.to_prove if not line.is_proved]


def read_matrix(*, proofs: Path = PROOFS, package: Path = PACKAGE) -> Matrix:
    """Put the table, the code and the last results together."""
    recorded = _read_proofs(proofs)
    by_clause: dict[str, list[Proof]] = defaultdict(list)
    for test in recorded.get("tests", ()):
        for clause_id in test["clauses"]:
            by_clause[clause_id].append(Proof(test["test"], test["outcome"]))
    places = _places(package)
    lines = [
        Line(clause, places.get(clause.id, ()), tuple(by_clause[clause.id]))
        for clause in all_clauses().values()
    ]
    return Matrix(lines=lines, run=recorded.get("run", {}))


def as_markdown(matrix: Matrix) -> Iterable[str]:
    """Yield the matrix as a page, one line of a table a clause."""
    proved = len(matrix.to_prove) - len(matrix.unproved)
    yield "# Clauses, the code that keeps them and the tests that prove it"
    yield ""
    yield f"{proved} of {len(matrix.to_prove)} clauses that need proof have a passing test."
    if matrix.run:
        yield "Tests run with " + ", ".join(f"{k} {v}" for k, v in matrix.run.items()) + "."
    yield ""
    yield "| clause | controls | scope | rule | code | tests | result |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for line in matrix.lines:
        yield _row(line)


def _row(line: Line) -> str:
    clause = line.clause
    tests = "<br>".join(sorted({proof.test for proof in line.proofs}))
    result = "–"
    if clause.needs_proof:
        result = "proved" if line.is_proved else "**not proved**"
    cells = (
        clause.id, " ".join(clause.controls), clause.scope.value, clause.rule,
        "<br>".join(line.code), tests, result,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _read_proofs(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    recorded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return recorded


@lru_cache(maxsize=2)
def _places(package: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the modules in which each clause's id stands."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in sorted(package.rglob("*.py")):
        for clause_id in set(_CLAUSE_ID.findall(path.read_text(encoding="utf-8"))):
            places[clause_id].add(path.relative_to(package).as_posix())
    return {clause_id: tuple(sorted(names)) for clause_id, names in places.items()}
