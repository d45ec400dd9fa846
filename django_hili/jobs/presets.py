"""The presets of this site: the shipped ones and those in `HILI["PRESETS"]`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError, InvalidOptionsError, Problem
from django_hili.vocabulary import PRESETS, Capabilities, Enhancement, Preset, read_enhancement


def all_presets() -> Mapping[str, Preset]:
    """Return every preset by name. Raises `HiliConfigurationError` for one that cannot be."""
    return {**PRESETS, **{name: _read(name, raw) for name, raw in _configured().items()}}


def presets_for(capabilities: Capabilities) -> tuple[Preset, ...]:
    """Return the presets a provider can do, in the order they are declared."""
    return tuple(p for p in all_presets().values() if not p.enhancement.problems(capabilities))


def find_preset(
    name: str, *, operations: Collection[str] | None = None, **options: Any
) -> Enhancement:
    """Return what a preset does. Raises `InvalidOptionsError` if it is unknown or mixed."""
    presets = all_presets()
    if name not in presets:
        choices = {"choices": ", ".join(presets)}
        raise InvalidOptionsError(Problem("preset", Code.PRESET_UNKNOWN, choices))
    if operations or any(value is not None for key, value in options.items() if key != "format"):
        raise InvalidOptionsError(Problem("preset", Code.PRESET_AND_OPERATIONS))
    preset = presets[name].enhancement
    if not options.get("format"):
        return preset
    return read_enhancement(
        operations=[operation.value for operation in preset.operations],
        image_type=preset.image_type.value,
        scale=preset.scale,
        background=preset.background.name if preset.background else None,
        dpi=preset.dpi,
        format=options["format"],
    )


def read_wish(
    *, preset: str | None = None, operations: Collection[str] | None = None, **options: Any
) -> Enhancement:
    """Make an enhancement of plain words: a preset's name, or operations with their options."""
    if preset:
        return find_preset(preset, operations=operations, **options)
    return read_enhancement(operations=operations or (), **options)


def _configured() -> Mapping[str, Mapping[str, Any]]:
    return get_settings().presets


def _read(name: str, raw: Mapping[str, Any]) -> Preset:
    values = dict(raw)
    label = values.pop("label", name)
    try:
        return Preset(name, label, read_enhancement(**values))
    except (TypeError, InvalidOptionsError) as error:
        text = f'HILI["PRESETS"]["{name}"] cannot be used: {error}'
        raise HiliConfigurationError(text) from error
