"""Owns the reading of cards: TOML in, `Card` out, one sentence for what is wrong; opens no model.

Needs no numpy: a web process reads cards to say what is offered.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from django_hili.engine.cards.card import Card, Extra, Input, Licence, Limits, Output, Tile
from django_hili.engine.cards.table import CardError, Table
from django_hili.engine.catalogue import IMAGE_TYPES, SCALES

COLORS = ("RGB", "BGR", "L", "Y", "GREY_RGB")
ACTIVATIONS = ("none", "sigmoid", "minmax")
DTYPES = ("float32", "float16", "uint8")
EXTRA_DTYPES = ("float32", "float16", "float64", "int64", "int32", "uint8", "bool")
WAYS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "sr": {"image": ("tile",), "residual": ("tile",)},
    "repair": {"image": ("tile",), "residual": ("tile",)},
    "defogging": {"image": ("tile",), "residual": ("tile",)},
    "colour": {"ab": ("stretch",), "image": ("stretch",)},
    "bg": {"alpha": ("stretch",)},
    "scratch": {"mask": ("tile", "stretch"), "image": ("window",)},
}
"""Operation -> kind of output -> the fits that make sense with it.

Where the model's pixels become the photo's, the photo is never shrunk to the model's size. Where
the model has to see the whole (what is the person, what colour is the sky), it is never cut into
tiles.
"""
LARGEST_CARD = 64 * 1024


def read_card(path: Path) -> Card:
    """Read one card. Raises CardError; says nothing yet about the ONNX file."""
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise CardError("The card is larger than 64 KiB.")
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        raise CardError("The card cannot be read.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CardError(f"The card is not valid TOML: {error}.") from None
    card = _card(Table(raw, "The card"), path)
    _check(card)
    return card


def _card(table: Table, path: Path) -> Card:
    if table.take("card", 0) != 1:
        raise CardError("The card must say card = 1.")
    name = table.word("name")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise CardError(
            "The card: 'name' must be small letters, digits, dots and hyphens, 64 at most."
        )
    operation = table.word("operation", choices=tuple(WAYS))
    answer = Table(table.take("output", {}), "[output]")
    ways = WAYS[operation]
    # A colour model gives ab or RGB, one for scratches finds or fills: nothing to guess there.
    kind = answer.word("kind", None if operation in ("colour", "scratch") else next(iter(ways)))
    if kind not in ways:
        raise CardError(f"[output]: a model for {operation} must have kind {' or '.join(ways)}.")
    given = _input(Table(table.take("input", {}), "[input]"), ways[kind])
    card = Card(
        name=name,
        operation=operation,
        types=table.words("types", choices=IMAGE_TYPES),
        file=table.word("file"),
        sha256=_sha256(table),
        licence=_licence(table),
        input=given,
        extra=_extras(table),
        output=_output(answer, kind, operation, given),
        tile=_tile(Table(table.take("tile", {}), "[tile]")),
        limits=_limits(Table(table.take("limits", {}), "[limits]")),
        path=path,
    )
    table.done()
    return card


def _sha256(table: Table) -> str:
    value = table.word("sha256").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise CardError(
            "The card: 'sha256' must be 64 hexadecimal digits, as sha256sum prints them."
        )
    return value


def _licence(table: Table) -> Licence:
    if not table.has("licence"):
        raise CardError(
            "The card lacks [licence] with spdx and commercial: "
            "say under which terms the weights may be used."
        )
    licence = Table(table.take("licence"), "[licence]")
    found = Licence(licence.word("spdx"), licence.flag("commercial"))
    licence.done()
    if found.commercial and re.search(
        r"(^|[^A-Z])(NC|NON-?COMMERCIAL)([^A-Z]|$)", found.spdx.upper()
    ):
        raise CardError(
            f"[licence] says commercial = true, but {found.spdx} forbids commercial use."
        )
    return found


def _input(table: Table, fits: tuple[str, ...]) -> Input:
    color = table.word("color", "RGB", choices=COLORS)
    counts = (1,) if color in ("L", "Y") else (1, 3)
    size = table.take("size", ())
    given = Input(
        name=table.word("name", ""),
        color=color,
        range=table.span("range", (0.0, 1.0)),
        divide_by_max=table.flag("divide_by_max", default=False),
        mean=table.numbers("mean", (0.0,), counts=counts),
        std=table.numbers("std", (1.0,), counts=counts),
        layout=table.word("layout", "NCHW", choices=("NCHW", "NHWC")),
        dtype=table.word("dtype", "float32", choices=DTYPES),
        fit=table.word("fit", fits[0], choices=fits),
        multiple=table.whole("multiple", 1, least=1, most=256),
        min=table.whole("min", 1, least=1, most=2048),
        size=tuple(size) if isinstance(size, list | tuple) else (size,),
    )
    table.done()
    if not all(value > 0 for value in given.std):
        raise CardError("[input]: 'std' must be above 0.")
    sides = [
        isinstance(side, int) and 16 <= side <= 4096 and side % given.multiple == 0
        for side in given.size
    ]
    if len(given.size) > 2 or not all(sides):
        raise CardError(
            "[input]: 'size' must be one or two whole numbers from 16 to 4096 "
            "that 'multiple' divides."
        )
    if given.divide_by_max and given.fit != "stretch":
        raise CardError(
            "[input]: 'divide_by_max' goes with fit = \"stretch\" only: "
            "tiles would differ in brightness."
        )
    if given.size and given.fit != "stretch":
        raise CardError(
            "[input]: 'size' goes with fit = \"stretch\" only; tiles take theirs from [tile]."
        )
    return given


def _extras(table: Table) -> tuple[Extra, ...]:
    raw = table.take("extra", ())
    if not isinstance(raw, list | tuple):
        raise CardError("[[extra]] must be a list of tables.")
    return tuple(_extra(Table(item, "[[extra]]")) for item in raw)


def _extra(table: Table) -> Extra:
    name, kind = table.word("name"), table.word("kind", choices=("scalar", "mask"))
    dtype = table.word("dtype", "float32", choices=EXTRA_DTYPES)
    value, shape = 0.0, (1,)
    if kind == "scalar":
        value = table.number("value", None)
        shape = tuple(table.take("shape", (1,)))
        if len(shape) > 4 or not all(side == 1 for side in shape):
            raise CardError(
                "[[extra]]: 'shape' must be a list of at most four ones; [] is a plain number."
            )
    table.done()
    return Extra(name, kind, value, dtype, shape)


def _output(table: Table, kind: str, operation: str, given: Input) -> Output:
    default = {"image": given.range, "residual": given.range, "ab": (-128.0, 128.0)}.get(
        kind, (0.0, 1.0)
    )
    found = Output(
        kind=kind,
        index=table.whole("index", 0, least=0, most=63),
        range=table.span("range", default),
        activation=table.word("activation", "none", choices=ACTIVATIONS),
        scale=table.whole("scale", 1, least=1, most=8),
        threshold=table.number("threshold", 0.5, above=0, most=1) if kind == "mask" else 0.5,
    )
    table.done()
    if operation == "sr" and found.scale not in SCALES:
        raise CardError("[output]: a model for sr must have scale 2, 4 or 8.")
    if operation != "sr" and found.scale != 1:
        raise CardError(f"[output]: a model for {operation} must have scale 1.")
    if found.activation != "none" and kind not in ("alpha", "mask"):
        raise CardError("[output]: 'activation' goes with alpha and mask only.")
    return found


def _tile(table: Table) -> Tile:
    tile = Tile(
        size=table.whole("size", 256, least=32, most=2048),
        overlap=table.whole("overlap", 16, least=8, most=256),
    )
    table.done()
    return tile


def _limits(table: Table) -> Limits:
    limits = Limits(
        max_megapixels=table.number("max_megapixels", 40.0, above=0),
        timeout_s=table.number("timeout_s", 90.0, above=0),
    )
    table.done()
    return limits


def _check(card: Card) -> None:
    """Raise where two parts of a card do not go together."""
    masks = [extra for extra in card.extra if extra.kind == "mask"]
    if (card.input.fit == "window") != (len(masks) == 1) or len(masks) > 1:
        raise CardError(
            'A model with fit = "window" needs exactly one [[extra]] of kind mask, '
            "and no other may have one."
        )
    if card.input.dtype == "uint8" and (
        card.input.range != (0, 255) or card.input.mean != (0,) or card.input.std != (1,)
    ):
        raise CardError(
            '[input]: dtype = "uint8" goes with range = [0, 255] and without mean and std.'
        )
    side = card.tile.size // card.input.multiple * card.input.multiple
    if card.input.fit != "stretch" and side < max(card.input.min, 4 * card.tile.overlap):
        raise CardError(
            "[tile]: 'size' must be at least four times 'overlap', and not below 'min' of [input]."
        )
