"""Owns the reading of an ONNX file's outline without running it: inputs, outputs, operators, files
it would open.

Knows the protobuf wire format and the few fields of onnx.proto that matter here. Weights are
stepped over, so a large file costs as much as a small one. onnxruntime would follow a path to
external data as soon as it loads a file: this is read first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap

from django_hili.engine.cards.table import CardError

DEEPEST = 32
KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""What onnxruntime brings along; operators of other domains need a library of their own."""
ELEMENTS = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
"""onnx.TensorProto.DataType."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the graph."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    """None for a side that is free; None for all where nothing is said."""


@dataclass(slots=True)
class Graph:
    inputs: list[Port] = field(default_factory=list)
    """Those that have to be fed: without constants that are listed as inputs, as old files do."""
    outputs: list[Port] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)
    """Of all operators, in branches and loops too."""
    functions: set[str] = field(default_factory=set)
    """Domains whose operators the file itself defines."""
    has_external_data: bool = False


def read_graph(content: bytes | mmap) -> Graph:
    """Read the outline. Raises CardError where this is no ONNX file."""
    graph = Graph()
    try:
        _model(memoryview(content), graph)
    except (IndexError, ValueError, RecursionError):
        raise CardError("The file is not a readable ONNX model.") from None
    if not graph.outputs:
        raise CardError("The file is not a readable ONNX model.")
    return graph


def _model(message: memoryview, graph: Graph) -> None:
    for number, value in _fields(message):
        if number == 7 and isinstance(value, memoryview):
            _graph(value, graph, 0)
        elif number == 25 and isinstance(value, memoryview):
            for inner, part in _fields(value):
                if inner == 7 and isinstance(part, memoryview):
                    _node(part, graph, 0)
                elif inner == 10 and isinstance(part, memoryview):
                    graph.functions.add(_text(part))


def _graph(message: memoryview, graph: Graph, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    constants, inputs = set(), []
    for number, value in _fields(message):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            _node(value, graph, depth)
        elif number == 5:
            constants.add(_tensor(value, graph))
        elif number == 15:
            _sparse(value, graph)
        elif depth == 0 and number == 11:
            inputs.append(_port(value))
        elif depth == 0 and number == 12:
            graph.outputs.append(_port(value))
    graph.inputs.extend(port for port in inputs if port.name not in constants)


def _node(message: memoryview, graph: Graph, depth: int) -> None:
    domain = ""
    for number, value in _fields(message):
        if number == 7 and isinstance(value, memoryview):
            domain = _text(value)
        elif number == 5 and isinstance(value, memoryview):
            _attribute(value, graph, depth)
    graph.domains.add(domain)


def _attribute(message: memoryview, graph: Graph, depth: int) -> None:
    for number, value in _fields(message):
        if number in (5, 10) and isinstance(value, memoryview):
            _tensor(value, graph)
        elif number in (6, 11) and isinstance(value, memoryview):
            _graph(value, graph, depth + 1)
        elif number in (22, 23) and isinstance(value, memoryview):
            _sparse(value, graph)


def _tensor(message: memoryview, graph: Graph) -> str:
    """Return the tensor's name; its values are not looked at."""
    name = ""
    for number, value in _fields(message):
        if number == 8 and isinstance(value, memoryview):
            name = _text(value)
        elif number == 13 or (number == 14 and value == 1):
            graph.has_external_data = True
    return name


def _sparse(message: memoryview, graph: Graph) -> None:
    for number, value in _fields(message):
        if number in (1, 2) and isinstance(value, memoryview):
            _tensor(value, graph)


def _port(message: memoryview) -> Port:
    name, dtype, shape = "", "", None
    for number, value in _fields(message):
        if number == 1 and isinstance(value, memoryview):
            name = _text(value)
        elif number == 2 and isinstance(value, memoryview):
            for kind, tensor in _fields(value):
                if kind == 1 and isinstance(tensor, memoryview):
                    dtype, shape = _tensor_type(tensor)
    return Port(name, dtype, shape)


def _tensor_type(message: memoryview) -> tuple[str, tuple[int | None, ...] | None]:
    dtype, shape = "", None
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            dtype = ELEMENTS.get(value, "another type")
        elif number == 2 and isinstance(value, memoryview):
            shape = tuple(
                _side(part) for n, part in _fields(value) if n == 1 and isinstance(part, memoryview)
            )
    return dtype, shape


def _side(message: memoryview) -> int | None:
    sides = [value for number, value in _fields(message) if number == 1 and isinstance(value, int)]
    return sides[0] if sides and 0 < sides[0] < 2**31 else None


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Walk a message: field number, and the number or the bytes. Raises IndexError, ValueError
    where it is broken.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            size, at = _varint(message, at)
            if at + size > end:
                raise ValueError("cut off")
            yield number, message[at : at + size]
            at += size
        else:
            raise ValueError("not protobuf")
    if at != end:
        raise ValueError("cut off")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("not protobuf")


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8")
