"""How a control is switched off in a process that runs tests.

Owns the list of switches and the two ways to take code out. A function keeps its identity and
gets other code, so that whoever imported it by name meets the other code too.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Switch:
    """What goes out with one control."""

    control: str
    taken_out: str
    """One line for the table."""
    throw: Callable[[], None]


SWITCHES: Final[dict[str, Switch]] = {}


def switch(control: str, taken_out: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a function as what switches a control off."""

    def enter(throw: Callable[[], None]) -> Callable[[], None]:
        SWITCHES[control] = Switch(control, taken_out, throw)
        return throw

    return enter


def replace(path: str, by: Callable[..., Any]) -> None:
    """Have a function or method do something else: `by(original, *args, **kwargs)`.

    `path` is `package.module:name` or `package.module:Class.name`.
    """
    module, name = module_of(path)
    if "." in name:
        _replace_in_class(module, name, by)
    else:
        _replace_function(module, name, by)


def put(path: str, value: Any) -> None:
    """Set a value of a module or class."""
    module, name = module_of(path)
    *outer, last = name.split(".")
    holder = functools.reduce(getattr, outer, module)
    assert hasattr(holder, last), path
    setattr(holder, last, value)


def module_of(path: str) -> tuple[Any, str]:
    """Return the module that a path begins with, and the name in it."""
    module, _, name = path.partition(":")
    return importlib.import_module(module), name


def gives(value: Any = None) -> Callable[..., Any]:
    """Return a replacement that answers the same whatever it is asked."""
    return lambda original, *args, **kwargs: value


def yields_nothing(original: Any, *args: Any, **kwargs: Any) -> Any:
    """Replace what yields objections."""
    return iter(())


def _replace_function(module: Any, name: str, by: Callable[..., Any]) -> None:
    function = inspect.unwrap(getattr(module, name))  # what a decorator calls
    assert isinstance(function, types.FunctionType), name
    assert not function.__code__.co_freevars, name
    original = types.FunctionType(
        function.__code__, function.__globals__, name, function.__defaults__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    # Code finds its names in the module of the function it is put into.
    entry = f"_without_{name}"
    function.__globals__[entry] = functools.partial(by, original)
    scope: dict[str, Any] = {}
    # A generator takes no other code than a generator's.
    passes_on = "yield from" if inspect.isgeneratorfunction(function) else "return"
    exec(f"def {name}(*args, **kwargs): {passes_on} {entry}(*args, **kwargs)", scope)
    function.__defaults__ = function.__kwdefaults__ = None
    function.__code__ = scope[name].__code__


def _replace_in_class(module: Any, name: str, by: Callable[..., Any]) -> None:
    *outer, last = name.split(".")
    holder = functools.reduce(getattr, outer, module)
    found = next(vars(base)[last] for base in holder.__mro__ if last in vars(base))
    if isinstance(found, property):
        getter = found.fget

        def read(self: Any) -> Any:
            return by(getter, self)

        setattr(holder, last, property(read))
    elif isinstance(found, (staticmethod, classmethod)):
        bound = getattr(holder, last)
        setattr(holder, last, staticmethod(functools.partial(by, bound)))
    else:

        @functools.wraps(found)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            return by(found, self, *args, **kwargs)

        setattr(holder, last, method)
