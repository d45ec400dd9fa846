"""Waits for what may never answer, for so long and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def within(*, seconds: float, verb: Callable[[], _T]) -> _T:
    """Return what `verb` returns or raise what it raises; `TimeoutError` when it takes too long.

    The thread is left behind then: nothing can end a call that hangs in a library.
    """
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(verb())
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if failure:
        raise failure[0]
    return outcome[0]
