"""The reference page says what the code does, and its example runs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from django_hili.sandbox import checks, standalone
from django_hili.sandbox.behaviour import Behaviour
from django_hili.sandbox.contract import (
    MESSAGES,
    STAGE_NAMES,
    STAGES_OF_OPERATION,
    STATES,
)
from django_hili.sandbox.faults import CHOICES, KINDS

PAGE = Path(__file__).parents[2].joinpath("docs", "reference", "sandbox.md").read_text("utf-8")


def section(title: str) -> str:
    """Return the text between a heading and the next one of its kind."""
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> dict[str, str]:
    """Return the table rows of a text by what their first cell names in code."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("| `") else ():
            found[name] = line
    return found


def test_every_fault_and_figure_is_described():
    described = rows(section("Faults"))
    assert list(described) == list(KINDS)
    for kind in KINDS.values():
        for name, default in kind.params.items():
            assert f"`{name}`" in described[kind.name]
            for choice in CHOICES.get((kind.name, name), ()):
                assert choice in described[kind.name]
            if isinstance(default, bool):
                assert f"`{name}` {str(default).lower()}" in described[kind.name]
            elif isinstance(default, int | float):
                assert f"`{name}` {default:g}" in described[kind.name]


def test_every_setting_and_its_default_are_described():
    described = rows(section("Behaviour"))
    fields = {field.name: field.default for field in dataclasses.fields(Behaviour)}
    assert set(fields) <= set(described)
    for name, default in fields.items():
        written = default if isinstance(default, str) else f"{default:g}"
        if isinstance(default, bool):
            written = str(default).lower()
        if isinstance(default, int) and not isinstance(default, bool):
            written = str(default)
        assert (written or "empty") in described[name]


def test_every_option_is_described():
    import argparse

    parser = argparse.ArgumentParser(add_help=False)
    standalone.add_arguments(parser)
    options = [action.option_strings[0] for action in parser._actions]
    described = rows(section("Start it"))
    assert [name for name in described if name.startswith("--")] == options


def test_every_check_is_described():
    source = Path(checks.__file__).read_text("utf-8")
    assert re.findall(r'id="(hili_sandbox\.\w+)"', source) == list(rows(section("Checks")))


def test_the_example_runs(capsys: pytest.CaptureFixture[str]):
    (example,) = re.findall(r"```python\n(from .*?)```", section("From a test"), re.DOTALL)
    exec(compile(example, "sandbox.md", "exec"), {})


def test_the_contract_speaks_of_the_same_stages_everywhere():
    assert set(STATES) == set(STAGE_NAMES) == set(range(2001, 2011))
    worked = {stage for stages in STAGES_OF_OPERATION.values() for stage in stages}
    assert worked == set(STATES) - {2001, 2002, 2010}
    assert STATES[2002] == "任务处理完成"
    assert all(MESSAGES.values())
