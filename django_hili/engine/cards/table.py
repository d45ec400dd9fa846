"""Owns the strict reading of one TOML table; knows kinds of values, not what they are for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isfinite
from typing import Any


class CardError(Exception):
    """Say in one sentence what is wrong with a card or with the file it describes."""


class Table:
    """Hands out each key once, checked. `done` complains about what nobody asked for."""

    def __init__(self, raw: object, name: str) -> None:
        if not isinstance(raw, Mapping):
            raise CardError(f"{name} must be a table.")
        self._left: dict[str, Any] = dict(raw)
        self._name = name

    def done(self) -> None:
        """Raise where keys are left that the card format does not have."""
        if self._left:
            raise CardError(f"{self._name} has the unknown key {min(self._left)!r}.")

    def has(self, key: str) -> bool:
        return key in self._left

    def take(self, key: str, default: object = None) -> Any:
        """Hand out a value unchecked; without a default the key is required."""
        if key not in self._left and default is None:
            raise CardError(f"{self._name} lacks {key!r}.")
        return self._left.pop(key, default)

    def word(self, key: str, default: str | None = None, *, choices: Collection[str] = ()) -> str:
        value = self.take(key, default)
        if not isinstance(value, str) or (not value and default is None):
            raise CardError(f"{self._name}: {key!r} must be a word.")
        if choices and value not in choices:
            raise CardError(f"{self._name}: {key!r} must be one of {', '.join(choices)}.")
        return value

    def words(self, key: str, *, choices: Collection[str]) -> tuple[str, ...]:
        value = self.take(key, ())
        if not isinstance(value, list | tuple) or not all(word in choices for word in value):
            raise CardError(f"{self._name}: {key!r} must be a list of {', '.join(choices)}.")
        return tuple(value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise CardError(f"{self._name}: {key!r} must be true or false.")
        return value

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise CardError(f"{self._name}: {key!r} must be a whole number from {least} to {most}.")
        return value

    def number(
        self,
        key: str,
        default: float | None,
        *,
        above: float = float("-inf"),
        most: float = float("inf"),
    ) -> float:
        value = self.take(key, default)
        if not _is_number(value) or not above < value <= most:
            limits = "".join(
                [
                    f" above {above:g}" * (above > float("-inf")),
                    f", at most {most:g}" * (most < float("inf")),
                ]
            )
            raise CardError(f"{self._name}: {key!r} must be a number{limits}.")
        return float(value)

    def numbers(
        self, key: str, default: tuple[float, ...], *, counts: Collection[int]
    ) -> tuple[float, ...]:
        value = self.take(key, default)
        if (
            not isinstance(value, list | tuple)
            or len(value) not in counts
            or not all(map(_is_number, value))
        ):
            wanted = " or ".join(str(count) for count in counts)
            raise CardError(f"{self._name}: {key!r} must be a list of {wanted} numbers.")
        return tuple(float(item) for item in value)

    def span(self, key: str, default: tuple[float, float]) -> tuple[float, float]:
        low, high = self.numbers(key, default, counts=(2,))
        if low == high:
            raise CardError(f"{self._name}: {key!r} must be two different numbers.")
        return low, high


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
