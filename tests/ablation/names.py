"""What the switches name, read out of their text: nothing is switched off to know it.

Owns the question whether a name is there still. A switch that names what has been renamed takes
nothing out, and the run that it belongs to proves nothing.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.ablation.switching import module_of

_VERBS: Final = {"replace", "put"}


def named_in(module: types.ModuleType) -> Iterator[tuple[int, str]]:
    """Yield the line and the path of everything that a module of switches replaces or imports.

    Raises ValueError where the text does not say which path is meant.
    """
    constants = {name: {value} for name, value in vars(module).items() if isinstance(value, str)}
    for part in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body:
        known = _known_in(part, constants)
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _VERBS:
                paths = _texts(node.args[0], known)
                if not paths:
                    raise ValueError(f"line {node.lineno}: {ast.unparse(node.args[0])}")
                yield from ((node.lineno, path) for path in sorted(paths))
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{node.module}:{alias.name}") for alias in node.names)


def _known_in(part: ast.stmt, constants: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return what each name in one switch may stand for, where that is text."""
    known = dict(constants)
    for node in ast.walk(part):
        if isinstance(node, ast.Assign):
            (name, *_), values = node.targets, [node.value]
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            name, values = node.target, node.iter.elts
        else:
            continue
        if isinstance(name, ast.Name):
            known[name.id] = {text for value in values for text in _texts(value, known)}
    return known


def is_there(path: str) -> bool:
    """Whether there is something of that name."""
    try:
        holder: Any
        holder, name = module_of(path)
        *outer, last = name.split(".")
        for part in outer:
            holder = getattr(holder, part)
    except (ImportError, AttributeError):
        return False
    return hasattr(holder, last) or _is_module(path.replace(":", "."))


def _is_module(path: str) -> bool:
    try:
        importlib.import_module(path)
    except ImportError:
        return False
    return True


def _texts(node: ast.expr, known: dict[str, set[str]]) -> set[str]:
    """Return what a string in the text may be; nothing where that cannot be told."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.Name):
        return known.get(node.id, set())
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, known)
    if isinstance(node, ast.JoinedStr):
        parts = [_texts(part, known) for part in node.values]
        return {"".join(words) for words in itertools.product(*parts)}
    return set()
