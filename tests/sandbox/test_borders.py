"""What the sandbox may know: itself, the engine, Django and Pillow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from django_hili import sandbox

FOLDER = Path(sandbox.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))


def imported(module: Path) -> set[str]:
    """Return the names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_imports_nothing_else_of_this_project(module: Path):
    own = {name for name in imported(module) if name.split(".")[0] == "django_hili"}
    rooms = {".".join(name.split(".")[:2]) for name in own}
    assert rooms <= {"django_hili.sandbox", "django_hili.engine"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_needs_no_package_beyond_django_pillow_and_numpy(module: Path):
    tops = {name.split(".")[0] for name in imported(module)}
    known = {"django", "django_hili", "PIL", "numpy"} | set(sys.stdlib_module_names)
    assert tops <= known


def test_every_module_says_what_it_owns():
    for module in MODULES:
        if "migrations" in module.parts or not module.read_text("utf-8").strip():
            continue
        first = (ast.get_docstring(ast.parse(module.read_text("utf-8"))) or "").split("\n\n")[0]
        assert "wn " in first, module
        whole = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
        assert "ust not" in whole, module


def test_the_handle_for_tests_needs_no_django():
    script = (
        "import sys, django_hili.sandbox.server\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('django', 'PIL', 'numpy')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
