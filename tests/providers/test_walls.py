"""Who may know what, in the room of the providers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_hili

PACKAGE = Path(django_hili.__file__).parent


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def who_imports(*roots: str, below: Path = PACKAGE) -> set[str]:
    return {
        str(path.relative_to(PACKAGE))
        for path in below.rglob("*.py")
        if any(name.split(".")[0] in roots for name in imported(path))
    }


def test_only_one_module_knows_httpx() -> None:
    assert who_imports("httpx", "httpcore", "h11", "anyio") == {"providers/http.py"}


def test_the_room_knows_django_by_the_registry_alone() -> None:
    assert who_imports("django", below=PACKAGE / "providers") == {"providers/registry.py"}


@pytest.mark.parametrize("room", ["models", "jobs", "privacy", "media", "api", "admin"])
def test_the_room_knows_nothing_above_it(room: str) -> None:
    above = f"django_hili.{room}"
    paths = (PACKAGE / "providers").glob("*.py")
    assert not [p.name for p in paths if any(name.startswith(above) for name in imported(p))]
