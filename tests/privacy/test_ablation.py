"""A control that is switched off is noticed: a slice of `make ablation`, and what it rests on."""

from __future__ import annotations

import types

import pytest

from django_hili.privacy.audit.clauses import CONTROLS, all_clauses
from tests.ablation import __main__ as command
from tests.ablation import consent, disclosure, retention, rights, security
from tests.ablation.names import is_there, named_in
from tests.ablation.recorder import clauses_of
from tests.ablation.runs import Run, run_without
from tests.ablation.switches import SWITCHES

CHEAP = ("C07", "C25", "C31")
"""Consent, security and rights: a few seconds each."""


def test_every_control_has_a_switch():
    assert set(SWITCHES) == set(CONTROLS)
    assert all(switch.taken_out for switch in SWITCHES.values())


def test_every_clause_with_a_proof_is_asked_about():
    asked = {name for control in CONTROLS for name in clauses_of(control)}
    assert asked == {clause.id for clause in all_clauses().values() if clause.needs_proof}


@pytest.mark.parametrize("switches", [consent, disclosure, retention, rights, security])
def test_whatever_a_switch_names_is_there(switches):
    named = list(named_in(switches))
    assert len(named) > 10
    assert [(line, path) for line, path in named if not is_there(path)] == []


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("django_hili.privacy.consent.gate:decide", True),
        ("django_hili.privacy.consent.gate:decided", False),
        ("django_hili.privacy.consent.gates:decide", False),
        ("django_hili.privacy.consent.gate:Question.bound", True),
        ("django_hili.privacy.consent.gate:Question.bounds", False),
        ("django_hili.privacy.consent.gate:Questions.bound", False),
        ("django_hili.privacy.consent:gate", True),
    ],
)
def test_a_name_that_was_renamed_is_missed(path, is_one):
    assert is_there(path) == is_one


def test_a_switch_whose_name_cannot_be_read_is_an_error(tmp_path):
    text = tmp_path / "switches.py"
    text.write_text("for name in names():\n    replace(f'django_hili.checks:{name}', None)\n")
    module = types.ModuleType("switches")
    module.__file__ = str(text)
    with pytest.raises(ValueError, match="line 2"):
        list(named_in(module))


@pytest.mark.process
@pytest.mark.parametrize("control", CHEAP)
def test_without_a_control_a_test_of_each_of_its_clauses_is_red(control):
    """INV-29, for a slice of the controls."""
    run = run_without(control)
    assert run.clauses, run.words
    assert run.green == [], run


@pytest.mark.process
def test_with_the_control_on_the_same_tests_are_green():
    run = run_without(CHEAP[0], left_on=True)
    assert (run.red, run.fell_over, run.words) == ([], [], "")
    assert len(run.green) == 2


@pytest.mark.parametrize(("red", "ended"), [([], 1), ([{"test": "t", "why": "w"}], 0)])
def test_the_command_fails_where_a_clause_stays_green(monkeypatch, capsys, tmp_path, red, ended):
    monkeypatch.setattr(
        command, "run_without", lambda control: Run(control, "all", {"HILI-9": red}, [], 1.0)
    )
    table = tmp_path / "table.md"
    assert command.main(["--control", "C33", "--table", str(table)]) == ended
    assert ("green: HILI-9" in capsys.readouterr().out) == bool(ended)
    assert "| C33 | Clock and fairness of requests | all | 1 |" in table.read_text()
