"""The page on model cards and the reader of cards say the same."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from django_hili.engine.cards.card import Card, Extra, Input, Licence, Limits, Output, Tile
from django_hili.engine.cards.folder import Folder
from django_hili.engine.cards.models import Models
from django_hili.engine.cards.read import read_card
from django_hili.engine.pipeline import enhance
from tests.engine.cards.graphs import enlarger, keeper, shelve
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "how-to" / "model-cards.md").read_text()


def test_the_example_is_a_card_that_works(shelf: Path, photo: np.ndarray) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    content = enlarger(4).SerializeToString()
    (shelf / "RealESRGAN_x4plus.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (shelf / "realesrgan.toml").write_text(example.replace("…", digest))
    assert Folder(shelf).problems() == ()
    result = enhance(photo[:20, :20], operations=["sr"], scale=4, models=Models(Folder(shelf)))
    assert f"`method` is `{result.steps[0].method}`" in PAGE


def test_every_key_has_its_row_and_every_row_its_key() -> None:
    table = PAGE.split("## All keys")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[2:]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    tables = {"licence", "input", "extra", "output", "tile", "limits"}
    keys = {
        item.name
        for kind in (Card, Licence, Input, Extra, Output, Tile, Limits)
        for item in fields(kind)
    }
    assert named == (keys - tables - {"path"}) | {"card"}
    assert {word for row in rows for word in re.findall(r"`\[+(\w+)\]+`", row)} == tables


def test_the_defaults_are_those_of_the_page(shelf: Path) -> None:
    card = read_card(shelve(shelf, "plain", keeper(), "repair"))
    given, answer = card.input, card.output
    assert (given.color, given.range, given.mean, given.std) == ("RGB", (0, 1), (0,), (1,))
    assert (given.layout, given.dtype, given.multiple, given.min) == ("NCHW", "float32", 1, 1)
    assert (answer.kind, answer.index, answer.range, answer.scale) == ("image", 0, (0, 1), 1)
    assert (answer.activation, answer.threshold) == ("none", 0.5)
    assert (card.tile, card.limits) == (Tile(256, 16), Limits(40, 90))
