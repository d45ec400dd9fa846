"""Own how the sandbox behaves when nothing is broken: figures and modes; must not know HTTP."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from django_hili.sandbox import contract

ENGINE: Final = "engine"
CHEAP: Final = "cheap"
ECHO: Final = "echo"
MODES: Final = (ENGINE, CHEAP, ECHO)

BATCH_UNKNOWN: Final = ("refuse", "leave_out")

Value = str | int | float | bool


@dataclasses.dataclass(frozen=True, slots=True)
class Behaviour:
    """Every figure a developer may turn, with the vendor's own as the default."""

    mode: str = ENGINE
    """engine: really processed. cheap: only encoded again. echo: the upload itself comes back."""
    processing_seconds_min: float = 0.0
    """No picture is done before this many seconds."""
    processing_seconds_max: float = 0.0
    """The seconds are drawn evenly from this range; below the minimum it counts as the minimum."""
    lifetime_seconds: float = contract.LIFETIME_SECONDS
    """How long a picture stays after it is done."""
    token_window_seconds: float = contract.TOKEN_WINDOW_SECONDS
    package_days: float = contract.PACKAGE_DAYS
    travel_seconds: float = 0.0
    """How far the sandbox's calendar runs ahead; tokens and the Date header stay with real time."""
    charge_again: bool = True
    """Whether processing again costs a credit. The vendor does not say."""
    batch_unknown: str = "refuse"
    """A status call with one unknown id: refuse it all (9002), or leave_out that id."""
    result_base_url: str = ""
    """Where result addresses point; empty for the address the call came to."""
    largest_upload_bytes: int = 64 * 1024 * 1024
    seed: int = 0
    """Seeds processing times and the chances of faults, so that a run can be repeated."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        if self.batch_unknown not in BATCH_UNKNOWN:
            raise ValueError(f"batch_unknown is one of {', '.join(BATCH_UNKNOWN)}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "travel_seconds" and isinstance(value, int | float) and value < 0:
                raise ValueError(f"{field.name} is not negative")

    def changed(self, values: Mapping[str, Any]) -> Behaviour:
        """Return a copy with other values; unknown names and wrong types are a ValueError."""
        types = {field.name: field.type for field in dataclasses.fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in types:
                raise ValueError(f"there is no setting {name[:40]!r}")
            checked[name] = _as(str(types[name]), name, value)
        return dataclasses.replace(self, **checked)


def _as(kind: str, name: str, value: object) -> Value:
    """Check one value against the type its field is annotated with."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "float" and is_number:
        return float(value)  # type: ignore[arg-type]  # narrowed by is_number
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str):
        return value
    raise ValueError(f"{name} is a {kind}")
