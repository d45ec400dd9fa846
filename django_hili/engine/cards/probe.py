"""Owns the one run on a made picture that shows whether a model does what its card says, before it
sees a photo.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from django_hili.engine.cards.model import Model
from django_hili.engine.cards.table import CardError
from django_hili.engine.cards.tensors import levels, picture
from django_hili.engine.pixels import Mask, Pixels, Plane, luma, resize

LIKENESS = 0.5
"""Least likeness, 0..1, of a picture and what a model that keeps pictures makes of it."""
PATIENCE = 60.0
"""Seconds."""
FREE = 256
"""Longer side where neither graph nor card says one."""


def probe(model: Model) -> None:
    """Raise CardError where the answer's size, channels or values are not those of the card."""
    card = model.card
    height, width = model.stretched(FREE, FREE) if card.input.fit == "stretch" else model.tile()
    made, hole = made_picture(height, width), _disc(height, width, 0.5, 0.5, 0.12)
    with model.turn(PATIENCE) as turn:
        answer = turn(made, hole if card.input.fit == "window" else None)
    scale, kind = card.output.scale, card.output.kind
    if answer.shape[:2] != (height * scale, width * scale):
        got, wanted = (
            f"{answer.shape[0]} x {answer.shape[1]}",
            f"{height * scale} x {width * scale}",
        )
        raise CardError(
            f"The probe of {height} x {width} came back as {got}; the card says {wanted}."
        )
    channels = {"alpha": 1, "mask": 1, "ab": 2}.get(
        kind, 1 if card.input.color in ("L", "Y") else 3
    )
    if answer.shape[2] != channels:
        raise CardError(
            f"The probe came back with {answer.shape[2]} channels; the card says {channels}."
        )
    if kind in ("alpha", "mask"):
        _within(answer, 0, 1, 0.01)
    elif kind == "ab":
        _within(answer, -128, 128, 64)
    else:
        _alike(picture(answer, made, card), made, hole)


def made_picture(height: int, width: int) -> Pixels:
    """Slopes of colour with discs and a grid: something with light, colour and edges, the same
    every time.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    y, x = y / height, x / width
    planes = np.stack([40 + 150 * x, 60 + 120 * y, 200 - 90 * x - 60 * y], 2)
    for row, column, radius, colour in (
        (0.3, 0.3, 0.2, (225, 190, 160)),
        (0.7, 0.65, 0.22, (35, 60, 45)),
        (0.25, 0.8, 0.1, (240, 240, 235)),
    ):
        planes[_disc(height, width, row, column, radius)] = colour
    planes[(np.floor(y * 12) + np.floor(x * 12)) % 4 == 0] *= np.float32(0.8)
    return levels(planes)


def _disc(height: int, width: int, row: float, column: float, radius: float) -> Mask:
    y, x = np.mgrid[:height, :width]
    disc: Mask = np.hypot(y / height - row, x / width - column) < radius
    return disc


def _within(answer: Plane, low: float, high: float, slack: float) -> None:
    least, most = float(answer.min()), float(answer.max())
    if least < low - slack or most > high + slack:
        raise CardError(
            f"The probe gave values from {least:.4g} to {most:.4g}; {low} to {high} was expected: "
            "check 'range' and 'activation' of [output]."
        )


def _alike(new: Pixels, made: Pixels, hole: Mask) -> None:
    small = (
        resize(new, made.shape[0], made.shape[1], Image.Resampling.BOX)
        if new.shape != made.shape
        else new
    )
    ours, theirs = luma(made)[~hole], luma(small)[~hole]
    # Correlation, less where contrast was lost: a picture of two neighbouring levels is not alike.
    spread = float(ours.std() * max(theirs.std(), ours.std()))
    likeness = float(((ours - ours.mean()) * (theirs - theirs.mean())).mean()) / spread
    if likeness < LIKENESS:
        raise CardError(
            f"The probe's picture came back unlike itself (likeness {likeness:.2f}): "
            "check 'color', 'range', 'mean', 'std' of [input] and 'range', 'kind' of [output]."
        )
