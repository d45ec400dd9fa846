"""Owns the running of the engine's own nets by onnxruntime, where that is installed; knows how the
nets are built, not what they are for.

The graph is written here, byte by byte: onnxruntime reads ONNX files but cannot make them, and a
library that can is no dependency. Only six of ONNX's message types are needed (see onnx.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from django_hili.engine.cards import library
from django_hili.engine.nets import SLOPE, Layer, Net, fold_back, unfold
from django_hili.engine.pixels import Plane

IR_VERSION, OPSET = 8, 17
FLOAT, INT64 = 1, 7
"""Of onnx.TensorProto.DataType."""


@dataclass(frozen=True, slots=True)
class FastNet(Net):
    """A net whose convolutions onnxruntime does. May be called from several threads at once."""

    session: Any

    def __call__(self, picture: Plane) -> Plane:
        """As `Net`, with every value the same to about 1e-5 (of 0..1)."""
        features = unfold(picture, self.fold) - np.float32(0.5)
        (planes,) = self.session.run(None, {"input": features.transpose(2, 0, 1)[None]})
        return fold_back(planes[0].transpose(1, 2, 0), self.fold * self.scale)


def faster(net: Net) -> Net:
    """Hand a net to onnxruntime, or return it as it is where that cannot be had."""
    try:
        runtime = library.onnxruntime()
    except ImportError:
        return net
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # the engine runs its tiles on threads of its own
    # With these two, enlarging one megapixel by four took 328 MB instead of 213.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(
            written(net), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # noqa: BLE001 - numpy computes the same
        return net
    return FastNet(net.layers, net.fold, net.scale, net.out, session)


def written(net: Net) -> bytes:
    """The chain as an ONNX file: convolutions without padding, the first added before the last."""
    nodes, tensors, last = [], [], "input"
    for k, layer in enumerate(net.layers):
        tensors += [_tensor(f"w{k}", _weights(layer)), _tensor(f"b{k}", layer.bias)]
        nodes.append(_node("Conv", [last, f"w{k}", f"b{k}"], f"c{k}"))
        last = f"c{k}"
        if k < len(net.layers) - 1:
            nodes.append(_node("LeakyRelu", [last], f"r{k}", alpha=float(SLOPE)))
            last = f"r{k}"
        if k == len(net.layers) - 2:
            skip = sum(step.size // 2 for step in net.layers[1:-1])
            ends = {"from": [skip] * 2, "to": [-skip or 2**31] * 2, "axes": [2, 3]}
            tensors += [_tensor(name, np.array(value, np.int64)) for name, value in ends.items()]
            nodes.append(_node("Slice", ["r0", *ends], "inner"))
            nodes.append(_node("Add", [last, "inner"], "sum"))
            last = "sum"
    graph = b"".join(
        [
            *(_bytes(1, node) for node in nodes),
            _bytes(2, b"chain"),
            *(_bytes(5, tensor) for tensor in tensors),
            _bytes(11, _port("input")),
            _bytes(12, _port(last)),
        ]
    )
    return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, OPSET))


def _weights(layer: Layer) -> Plane:
    """From matrix order back to planes out x planes in x rows x columns."""
    size, count = layer.size, layer.matrix.shape[1]
    return layer.matrix.reshape(size, size, -1, count).transpose(3, 2, 0, 1)


def _tensor(name: str, values: np.ndarray[Any, np.dtype[Any]]) -> bytes:
    kind = INT64 if values.dtype == np.int64 else FLOAT
    dims = b"".join(_number(1, side) for side in values.shape)
    return dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, values.tobytes())


def _node(kind: str, inputs: Iterable[str], output: str, alpha: float | None = None) -> bytes:
    names = b"".join(_bytes(1, name.encode()) for name in inputs)
    node = names + _bytes(2, output.encode()) + _bytes(4, kind.encode())
    if alpha is None:
        return node
    attribute = _bytes(1, b"alpha") + b"\x15" + struct.pack("<f", alpha) + _number(20, 1)
    return node + _bytes(5, attribute)


def _port(name: str) -> bytes:
    """A float tensor of four sides, all free."""
    sides = b"".join(_bytes(1, _bytes(2, f"{name}{k}".encode())) for k in range(4))
    tensor = _number(1, FLOAT) + _bytes(2, sides)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
