"""Owns the folder of cards and model files: which cards can be used, and what is wrong with the
others.

Knows files, hashes and the outline of a graph; runs no model and needs no numpy.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django_hili.engine.cards.card import Card
from django_hili.engine.cards.graph import KNOWN_DOMAINS, Graph, Port, read_graph
from django_hili.engine.cards.read import read_card
from django_hili.engine.cards.table import CardError


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a site owner keeps cards beside their ONNX files, and what licences are taken."""

    path: Path
    allow_non_commercial: bool = False

    def cards(self) -> tuple[Card, ...]:
        """The cards that can be read and whose licence is taken, by file name. The ONNX files are
        not looked at.
        """
        return tuple(card for _, card in self._read() if isinstance(card, Card))

    def problems(self) -> tuple[str, ...]:
        """One sentence for every card that cannot be used: the card itself, its licence, its file,
        its graph.
        """
        if not self.path.is_dir():
            return ("The folder that the option 'models' names does not exist.",)
        return tuple(f"{path.name}: {problem}" for path, problem in self._problems())

    def _problems(self) -> Iterator[tuple[Path, str]]:
        names: dict[str, Path] = {}
        for path, card in self._read():
            if isinstance(card, CardError):
                yield path, str(card)
                continue
            if card.name in names:
                yield path, f"{names[card.name].name} has the same name, {card.name!r}."
            names[card.name] = path
            try:
                check_model(card)
            except CardError as error:
                yield path, str(error)

    def _read(self) -> Iterator[tuple[Path, Card | CardError]]:
        found = sorted(self.path.glob("*.toml")) if self.path.is_dir() else []
        for path in found:
            try:
                _inside(path, self.path)
                card = read_card(path)
                self._check_licence(card)
            except CardError as error:
                yield path, error
            else:
                yield path, card

    def _check_licence(self, card: Card) -> None:
        if not (card.licence.commercial or self.allow_non_commercial):
            raise CardError(
                f"The licence {card.licence.spdx} forbids commercial use. If that suits your site, "
                "set the option 'allow_non_commercial_models' to True."
            )


def _inside(path: Path, folder: Path) -> Path:
    """Follow links, and return where the file really is. Raises CardError where that is not in the
    folder.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise CardError(f"The file {path.name} is missing.") from None
    if not real.is_relative_to(folder.resolve()):
        raise CardError(f"The file {path.name} is not inside the folder of models.")
    if not real.is_file():
        raise CardError(f"{path.name} is not a file.")
    return real


def model_path(card: Card) -> Path:
    """Where the ONNX file really is. Raises CardError where that is not in the folder."""
    if Path(card.file).is_absolute():
        raise CardError("The card: 'file' must be a name inside the folder of models.")
    return _inside(card.model_path, card.path.parent)


def check_model(card: Card) -> Graph:
    """Return the outline of a card's ONNX file. Raises CardError where it is not the file the card
    was written for, or where it cannot be run safely.

    What was read is remembered for as long as the file does not change.
    """
    path = model_path(card)
    status = path.stat()
    digest, graph = _outline(path, (status.st_size, status.st_mtime_ns, status.st_ino))
    if digest != card.sha256:
        raise CardError(
            f"The file {card.file} is not the one the card was written for: its sha256 differs."
        )
    if isinstance(graph, CardError):
        raise CardError(str(graph))
    check_graph(card, graph)
    return graph


@lru_cache(maxsize=64)
def _outline(path: Path, stamp: tuple[int, int, int]) -> tuple[str, Graph | CardError]:
    """Hash a file and read its outline; `stamp` makes a changed file another key."""
    with path.open("rb") as stream:
        # Mapped, not read: a web process has no room for a gigabyte of weights it will not use.
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if stamp[0] else b""
    digest = hashlib.sha256(content).hexdigest()
    try:
        return digest, read_graph(content)
    except CardError as error:
        return digest, error


def check_graph(card: Card, graph: Graph) -> None:
    """Raise CardError where the graph is unsafe or its ends do not fit the card."""
    if graph.has_external_data:
        raise CardError(
            f"{card.file} keeps weights in further files (external data). Save it as one file."
        )
    foreign = graph.domains - KNOWN_DOMAINS - graph.functions
    if foreign:
        raise CardError(
            f"{card.file} needs operators that onnxruntime does not have, "
            f"of the domain {min(foreign)!r}."
        )
    if card.output.index >= len(graph.outputs):
        raise CardError(
            f"[output]: 'index' is {card.output.index}, but {card.file} has "
            f"{len(graph.outputs)} output(s)."
        )
    ports = {port.name: port for port in graph.inputs}
    main = main_input(card, graph)
    wanted = {main.name, *(extra.name for extra in card.extra)}
    if missing := wanted - set(ports):
        raise CardError(
            f"{card.file} has no input {min(missing)!r}; it has {', '.join(sorted(ports))}."
        )
    if unfed := set(ports) - wanted:
        raise CardError(
            f"{card.file} has the input {min(unfed)!r}, which the card does not feed. "
            "Describe it as [[extra]]."
        )
    if len(wanted) != 1 + len(card.extra):
        raise CardError("Two inputs of the card have the same name.")
    for name, dtype in (
        (main.name, card.input.dtype),
        *((extra.name, extra.dtype) for extra in card.extra),
    ):
        if ports[name].dtype not in ("", dtype):
            raise CardError(
                f"{card.file} takes {ports[name].dtype} at {name!r}, but the card says {dtype}."
            )
    _check_sides(card, main)


def main_input(card: Card, graph: Graph) -> Port:
    """The input the picture goes to: the one named, or the first that no [[extra]] feeds."""
    extras = {extra.name for extra in card.extra}
    for port in graph.inputs:
        if port.name == card.input.name or (not card.input.name and port.name not in extras):
            return port
    raise CardError(
        f"{card.file} has no input {card.input.name!r}."
        if card.input.name
        else f"{card.file} has no input left."
    )


def sides(card: Card, port: Port) -> tuple[int | None, int | None]:
    """Height and width that the graph fixes; None where they are free."""
    if port.shape is None:
        return None, None
    height, width = port.shape[2:4] if card.input.layout == "NCHW" else port.shape[1:3]
    return height, width


def _check_sides(card: Card, port: Port) -> None:
    """Compare what the graph says about its main input's shape with the card."""
    if port.shape is None:
        return
    if len(port.shape) != 4:
        raise CardError(
            f"{card.file} takes {len(port.shape)} dimensions at {port.name!r}; "
            "only pictures with four are run."
        )
    channels = port.shape[1 if card.input.layout == "NCHW" else 3]
    wanted = 1 if card.input.color in ("L", "Y") else 3
    if channels not in (None, wanted):
        raise CardError(
            f"{card.file} takes {channels} channels, "
            f"but color = {card.input.color!r} and {card.input.layout} give {wanted}."
        )
    fixed = sides(card, port)
    if card.input.fit == "stretch" and None in fixed and not card.input.size:
        raise CardError(
            f"{card.file} leaves its sides free: say in [input] which 'size' it should get."
        )
    if (
        card.input.size
        and None not in fixed
        and card.input.size not in (fixed, fixed[:1] * (fixed[0] == fixed[1]))
    ):
        raise CardError(
            f"[input]: 'size' differs from what {card.file} takes, {fixed[0]} x {fixed[1]}."
        )
    if card.input.fit != "stretch" and any(
        side is not None and side < 4 * card.tile.overlap for side in fixed
    ):
        raise CardError(
            f"[tile]: 'overlap' must be at most a quarter of what {card.file} takes, "
            f"{fixed[0]} x {fixed[1]}."
        )
