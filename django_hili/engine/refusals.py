"""Owns the one error of the engine; knows codes, no pixels, and loads without numpy."""

from __future__ import annotations


class EngineRefusal(Exception):  # noqa: N818  # a refusal is an honest answer, not a fault
    """Say that the engine will not do what was asked, because the result would not be good.

    `code` is stable and made for programs; the message is one sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """A stable code, for example "busy_background"."""
