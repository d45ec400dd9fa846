"""What can be asked for, as frozen values that check themselves against a provider.

Owns operations, image types, backgrounds, scales, resolutions, presets and the capabilities
a provider declares. Knows no models, no provider and no engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_hili.codes import OPERATION_REASONS, Code
from django_hili.exceptions import InvalidOptionsError, Problem


class Operation(StrEnum):
    """One thing that can be done to a photo."""

    REPAIR = "repair"
    COLOUR = "colour"
    SR = "sr"
    BG = "bg"
    SCRATCH = "scratch"
    DEFOGGING = "defogging"


class ImageType(StrEnum):
    """What is in the photo, as the person says."""

    PEOPLE = "people"
    CARTOON = "cartoon"
    LANDSCAPE = "landscape"
    PORTRAIT = "portrait"
    TEXT = "text"


class ResultFormat(StrEnum):
    """The file format a result can be asked for in."""

    JPEG = "jpeg"
    PNG = "png"


OPERATION_LABELS: Final = {
    Operation.REPAIR: _("Repair noise, blocks, fading and colour cast"),
    Operation.COLOUR: _("Colour a black-and-white photo"),
    Operation.SR: _("Enlarge with more detail (super-resolution)"),
    Operation.BG: _("Replace the background"),
    Operation.SCRATCH: _("Remove scratches"),
    Operation.DEFOGGING: _("Remove haze"),
}
BACKGROUND_LABELS: dict[str, str | Promise] = {
    "transparent": _("transparent"),
    "gradient_grey": _("grey gradient"),
    "red": _("red"),
    "blue": _("blue"),
    "white": _("white"),
}
IMAGE_TYPE_LABELS: Final = {
    ImageType.PEOPLE: _("People"),
    ImageType.CARTOON: _("Cartoon"),
    ImageType.LANDSCAPE: _("Landscape"),
    ImageType.PORTRAIT: _("Memorial portrait"),
    ImageType.TEXT: _("Text"),
}

SCALES: Final = (2, 4, 8)
MIN_DPI, MAX_DPI, DEFAULT_DPI = 72, 1200, 300
JPEG_LONGEST_SIDE: Final = 65_500
"""Pixels: what libjpeg writes at the most. The format itself ends 35 pixels later."""

_RGB = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3})")
_HEX = re.compile(r"#([0-9a-fA-F]{6})")


@dataclass(frozen=True, slots=True)
class Background:
    """What stands behind the person: a named background or one plain colour."""

    name: str
    """transparent, gradient_grey, red, blue, white, or a colour as #rrggbb."""

    NAMED = {
        "transparent": None,
        "gradient_grey": None,
        "red": (235, 51, 35),
        "blue": (85, 142, 213),
        "white": (255, 255, 255),
    }

    @classmethod
    def parse(cls, text: str) -> Background:
        """Read a name, `#rrggbb` or `R,G,B`. Raises `ValueError` for anything else."""
        text = text.strip()
        if text in cls.NAMED:
            return cls(text)
        if _HEX.fullmatch(text):
            return cls(text.lower())
        if match := _RGB.fullmatch(text):
            red, green, blue = (int(part) for part in match.groups())
            if max(red, green, blue) <= 255:  # noqa: PLR2004 - the largest 8-bit level
                return cls(f"#{red:02x}{green:02x}{blue:02x}")
        raise ValueError("not a background")

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """The colour as 8-bit levels, or None where the background is not one colour."""
        if self.name.startswith("#"):
            return (int(self.name[1:3], 16), int(self.name[3:5], 16), int(self.name[5:7], 16))
        return self.NAMED[self.name]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, declared before anything is stored or sent."""

    operations: Mapping[Operation, str | None]
    """Each operation with None where it is offered, else the reason code why not."""
    combinations: tuple[frozenset[Operation], ...] = ()
    """The only sets of operations that can be asked for together; empty where any can."""
    scales: tuple[int, ...] = SCALES
    picks_scale: bool = False
    """True where super-resolution can be asked for without a scale: the provider picks one."""
    image_types: frozenset[ImageType] = frozenset(ImageType)
    backgrounds: frozenset[str] = frozenset(Background.NAMED)
    any_background_colour: bool = False
    dpis: tuple[int, int] = (MIN_DPI, MAX_DPI)
    """The lowest and highest resolution that can be written into a result."""
    formats: frozenset[ResultFormat] = frozenset()
    """The formats a result can be asked for in; empty where the provider decides."""
    max_result_side: int = 6000
    """Pixels on the longer side of a result."""
    credits_per_send: int = 0
    can_repeat: bool = False
    """True where a photo the provider still holds can be processed again without being sent."""
    takes_masks: bool = False
    """True where what scratch shall fill can be drawn by hand, and what it filled be shown."""
    leaves_server: bool = False
    """True where the photo is sent to another company's computers."""
    processor: str = ""
    """Who gets the photo, by the name that consents name; empty: the provider's alias."""
    region: str = ""
    """ISO 3166 code of the country the photo is processed in; empty for this server."""
    copy_kept_seconds: int | None = 0
    """How long the provider says it keeps a copy; None where it says nothing."""

    @property
    def offered(self) -> tuple[Operation, ...]:
        """The operations that can be asked for, in the vocabulary's order."""
        return tuple(op for op in Operation if op in self.operations and not self.operations[op])


@dataclass(frozen=True, slots=True)
class Enhancement:
    """What shall be done to one photo. Valid in itself; `problems` asks a provider."""

    operations: tuple[Operation, ...]
    image_type: ImageType = ImageType.PEOPLE
    scale: int | None = None
    background: Background | None = None
    dpi: int = DEFAULT_DPI
    format: ResultFormat | None = None

    def problems(self, capabilities: Capabilities) -> tuple[Problem, ...]:
        """Return everything a provider with `capabilities` cannot do; empty means it can."""
        return tuple(self._problems(capabilities))

    def check(self, capabilities: Capabilities) -> None:
        """Raise `InvalidOptionsError` with every problem, or return."""
        if problems := self.problems(capabilities):
            raise InvalidOptionsError(*problems)

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the pixels a photo of `width` × `height` has afterwards."""
        scale = self.scale or 1
        return width * scale, height * scale

    def check_size(self, width: int, height: int, capabilities: Capabilities) -> None:
        """Raise where the result of a `width` × `height` photo would be larger than allowed, or
        than a JPEG can be.
        """
        limit = capabilities.max_result_side
        if self.format is not ResultFormat.PNG:
            limit = min(limit, JPEG_LONGEST_SIDE)
        if max(self.result_size(width, height)) > limit:
            raise InvalidOptionsError(Problem("scale", Code.RESULT_TOO_LARGE, {"limit": limit}))

    def check_mask(self, capabilities: Capabilities) -> None:
        """Raise where a mask makes no sense with this, or the provider knows none."""
        if Operation.SCRATCH not in self.operations:
            raise InvalidOptionsError(Problem("mask", Code.MASK_WITHOUT_SCRATCH))
        if not capabilities.takes_masks:
            raise InvalidOptionsError(Problem("mask", Code.MASK_UNSUPPORTED))

    def _problems(self, capabilities: Capabilities) -> Iterator[Problem]:
        for operation in self.operations:
            reason = capabilities.operations.get(operation, "not_offered")
            if reason:
                words = OPERATION_REASONS.get(reason, OPERATION_REASONS["not_offered"])
                params = {"operation": operation.value, "reason": words}
                yield Problem("operations", Code.OPERATION_UNAVAILABLE, params)
        if capabilities.combinations and set(self.operations) not in capabilities.combinations:
            sets = ("+".join(op for op in Operation if op in s) for s in capabilities.combinations)
            yield Problem("operations", Code.OPERATION_COMBINATION, _listed(sets))
        if self.image_type not in capabilities.image_types:
            choices = _listed(t for t in ImageType if t in capabilities.image_types)
            yield Problem("image_type", Code.IMAGE_TYPE_UNSUPPORTED, choices)
        if self.scale is None and Operation.SR in self.operations and not capabilities.picks_scale:
            yield Problem("scale", Code.SCALE_MISSING, _listed(capabilities.scales))
        if self.scale and self.scale not in capabilities.scales:
            yield Problem("scale", Code.SCALE_UNSUPPORTED, _listed(capabilities.scales))
        if self.background and not self._background_is_offered(capabilities):
            choices = _listed(sorted(capabilities.backgrounds))
            yield Problem("background", Code.BACKGROUND_UNSUPPORTED, choices)
        low, high = capabilities.dpis
        if not low <= self.dpi <= high:
            yield Problem("dpi", Code.DPI_UNSUPPORTED, _listed([f"{low}-{high}"]))
        if self.format and self.format not in capabilities.formats:
            yield Problem("format", Code.FORMAT_UNSUPPORTED, _listed(sorted(capabilities.formats)))

    def _background_is_offered(self, capabilities: Capabilities) -> bool:
        if self.background is None or self.background.name in capabilities.backgrounds:
            return True
        return capabilities.any_background_colour and self.background.rgb is not None


def read_enhancement(
    *,
    operations: Collection[str],
    image_type: str | None = None,
    scale: int | None = None,
    background: str | None = None,
    dpi: int | None = None,
    format: str | None = None,  # noqa: A002 - the option's public name
) -> Enhancement:
    """Make an `Enhancement` of plain words, or raise `InvalidOptionsError` with every problem."""
    reader = _Reader()
    enhancement = Enhancement(
        operations=reader.operations(operations),
        image_type=reader.image_type(image_type),
        scale=reader.scale(scale, operations),
        background=reader.background(background, operations),
        dpi=reader.dpi(dpi),
        format=reader.format(format),
    )
    if reader.problems:
        raise InvalidOptionsError(*reader.problems)
    return enhancement


@dataclass(slots=True)
class _Reader:
    """Reads one option after the other and remembers what was wrong with each."""

    problems: list[Problem] = field(default_factory=list)

    def operations(self, words: Collection[str]) -> tuple[Operation, ...]:
        known = [Operation(word) for word in words if word in set(Operation)]
        if not words:
            self._note("operations", Code.OPERATION_MISSING)
        elif len(known) != len(words):
            self._note("operations", Code.OPERATION_UNKNOWN, Operation)
        elif len(set(known)) != len(known):
            self._note("operations", Code.OPERATION_REPEATED)
        return tuple(known)

    def image_type(self, word: str | None) -> ImageType:
        if not word:
            return ImageType.PEOPLE
        if word in set(ImageType):
            return ImageType(word)
        self._note("image_type", Code.IMAGE_TYPE_UNKNOWN, ImageType)
        return ImageType.PEOPLE

    def scale(self, scale: int | None, operations: Collection[str]) -> int | None:
        if scale is None:
            return None  # whether the provider picks one is its own word
        if scale not in SCALES:
            self._note("scale", Code.SCALE_UNSUPPORTED, SCALES)
        elif Operation.SR not in operations:
            self._note("scale", Code.SCALE_WITHOUT_SR)
        return scale

    def background(self, text: str | None, operations: Collection[str]) -> Background | None:
        if not text:
            if Operation.BG in operations:
                self._note("background", Code.BACKGROUND_MISSING, Background.NAMED)
            return None
        if Operation.BG not in operations:
            self._note("background", Code.BACKGROUND_WITHOUT_BG)
        try:
            return Background.parse(text)
        except ValueError:
            self._note("background", Code.BACKGROUND_INVALID, (*Background.NAMED, "#rrggbb"))
            return None

    def dpi(self, dpi: int | None) -> int:
        if dpi is None:
            return DEFAULT_DPI
        if not MIN_DPI <= dpi <= MAX_DPI:
            self._note("dpi", Code.DPI_UNSUPPORTED, (f"{MIN_DPI}-{MAX_DPI}",))
        return dpi

    def format(self, word: str | None) -> ResultFormat | None:
        if not word:
            return None
        if word in set(ResultFormat):
            return ResultFormat(word)
        self._note("format", Code.FORMAT_UNSUPPORTED, ResultFormat)
        return None

    def _note(self, option: str, code: Code, choices: Iterable[object] = ()) -> None:
        listed = _listed(choices)
        self.problems.append(Problem(option, code, listed if listed["choices"] else {}))


def _listed(choices: Iterable[object]) -> dict[str, object]:
    return {"choices": ", ".join(str(choice) for choice in choices)}


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of operations and options."""

    name: str
    label: str | Promise
    enhancement: Enhancement


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            "photo-repair",
            _("Repair an old photo"),
            Enhancement((Operation.REPAIR,)),
        ),
        Preset(
            "photo-repair-2x",
            _("Repair and double the size"),
            Enhancement((Operation.REPAIR, Operation.SR), scale=2),
        ),
        Preset(
            "photo-4x",
            _("Enlarge four times"),
            Enhancement((Operation.SR,), scale=4),
        ),
        Preset(
            "landscape-2x",
            _("Landscape: double the size"),
            Enhancement((Operation.SR,), ImageType.LANDSCAPE, scale=2),
        ),
        Preset(
            "cartoon-4x",
            _("Cartoon: enlarge four times"),
            Enhancement((Operation.SR,), ImageType.CARTOON, scale=4),
        ),
        Preset(
            "text-2x",
            _("Text: double the size"),
            Enhancement((Operation.SR,), ImageType.TEXT, scale=2),
        ),
    )
}
"""The presets every site has; `HILI["PRESETS"]` adds to them or replaces one by name."""
