"""The table of clauses is whole, and the matrix tells proved from unproved."""

from __future__ import annotations

import json

import pytest

from django_hili.privacy.audit.clauses import CONTROLS, Scope, all_clauses
from django_hili.privacy.audit.matrix import as_markdown, read_matrix
from tests.processes import ROOT


def test_every_clause_of_the_four_policies_is_listed():
    clauses = all_clauses()
    assert len(clauses) == 208
    count = {scope: sum(c.scope is scope for c in clauses.values()) for scope in Scope}
    assert count == {
        Scope.ENFORCED: 131, Scope.EVIDENCED: 27, Scope.DECLINED: 28, Scope.FACT: 3,
        Scope.ORGANISATION: 19,
    }  # fmt: skip
    assert {clause.policy for clause in clauses.values()} == {"HILI", "AIART", "PIXEL", "MIAO"}


def test_every_clause_that_needs_proof_names_its_controls_and_every_control_serves_one():
    served = set()
    for clause in all_clauses().values():
        assert set(clause.controls) <= set(CONTROLS), clause.id
        assert clause.controls or not clause.needs_proof, clause.id
        served.update(clause.controls)
    assert served == set(CONTROLS)


@pytest.fixture
def matrix(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "keeps.py").write_text('"""Clauses C22: MIAO-5.3, MIAO-8.2b, HILI-API-1."""\n')
    proofs = tmp_path / "proofs.json"

    def read(*tests):
        proofs.write_text(json.dumps({"run": {"on": "2026-01-01"}, "tests": list(tests)}))
        return {line.clause.id: line for line in read_matrix(proofs=proofs, package=package).lines}

    return read


def test_a_clause_is_proved_by_code_and_a_passing_test(matrix):
    passed = {"test": "t.py::a", "clauses": ["MIAO-5.3", "MIAO-5.2"], "outcome": "passed"}
    lines = matrix(passed)
    assert lines["MIAO-5.3"].is_proved
    assert lines["MIAO-5.3"].code == ("keeps.py",)
    assert not lines["MIAO-5.2"].is_proved  # a test, but no place in the code
    assert not lines["MIAO-8.2b"].is_proved  # a place in the code, but no test
    assert lines["HILI-API-1"].code == ("keeps.py",)


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_a_failed_or_skipped_test_proves_nothing(matrix, outcome):
    test = {"test": "t.py::a", "clauses": ["MIAO-5.3"], "outcome": outcome}
    assert not matrix(test)["MIAO-5.3"].is_proved


def test_one_failed_test_outweighs_a_passed_one(matrix):
    good = {"test": "t.py::a", "clauses": ["MIAO-5.3"], "outcome": "passed"}
    bad = {"test": "t.py::b", "clauses": ["MIAO-5.3"], "outcome": "failed"}
    assert not matrix(good, bad)["MIAO-5.3"].is_proved


def test_the_page_has_a_line_for_every_clause(tmp_path):
    page = "\n".join(as_markdown(read_matrix(proofs=tmp_path / "none.json")))
    assert "0 of 186 clauses" in page
    assert all(f"| {clause_id} |" in page for clause_id in all_clauses())


def test_what_is_shipped_proves_every_clause_by_tests_that_are_here():
    matrix = read_matrix()
    assert not [line.clause.id for line in matrix.unproved], "make proofs"
    for line in matrix.to_prove:
        for proof in line.proofs:
            path, _, name = proof.test.partition("::")
            assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(), proof.test
