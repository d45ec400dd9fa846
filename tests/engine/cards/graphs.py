"""Owns small ONNX graphs with the ends of real models and a known function, and their cards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the test for its presence

Shape = Sequence[int | str]


def port(name: str, shape: Shape, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, value: object, kind: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def node(kind: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(
        kind, [i.strip("_") for i in inputs.split()], outputs.split(), **attributes
    )


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
    **more: object,
) -> onnx.ModelProto:
    body = helper.make_graph(nodes, "made", inputs, outputs, constants)
    return helper.make_model(
        body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, **more
    )


def enlarger(
    scale: int, *, side: Shape = ("h", "w"), batch: int | str = "b", name: str = "input"
) -> onnx.ModelProto:
    """Each pixel becomes scale x scale equal ones."""
    wide = ("H", "W") if isinstance(side[0], str) else [int(s) * scale for s in side]
    return graph(
        [
            node(
                "Resize",
                f"{name} _ sizes",
                "output",
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        ],
        [port(name, [batch, 3, *side])],
        [port("output", [batch, 3, *wide])],
        [constant("sizes", [1, 1, scale, scale])],
    )


def keeper(
    *,
    channels: int = 3,
    side: Shape = ("h", "w"),
    layout: str = "NCHW",
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """The answer is the input."""
    shape = [1, channels, *side] if layout == "NCHW" else [1, *side, channels]
    return graph(
        [node("Identity", "input", "output")],
        [port("input", shape, kind)],
        [port("output", shape, kind)],
    )


def blurrer(size: int = 5) -> onnx.ModelProto:
    """The mean over size x size, with zeros beyond the tile's edge, as convolutions have them."""
    kernel = np.zeros((3, 3, size, size), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / size**2
    return graph(
        [node("Conv", "input kernel", "output", pads=[size // 2] * 4)],
        [port("input", [1, 3, "h", "w"])],
        [port("output", [1, 3, "h", "w"])],
        [numpy_helper.from_array(kernel, "kernel")],
    )


def affine(
    channels_out: int,
    factor: float,
    offset: float,
    *,
    take: int = 0,
    side: Shape = ("h", "w"),
    outputs: int = 1,
) -> onnx.ModelProto:
    """Channels from `take` on, times factor plus offset; further outputs are zeros."""
    shape = [1, channels_out, *side]
    names = ["output", *(f"side{k}" for k in range(1, outputs))]
    nodes = [
        node("Slice", "input from to axis", "part"),
        node("Mul", "part factor", "product"),
        node("Add", "product offset", "output"),
        *(node("Sub", "output output", name) for name in names[1:]),
    ]
    constants = [
        constant("from", [take], np.int64),
        constant("to", [take + channels_out], np.int64),
        constant("axis", [1], np.int64),
        constant("factor", factor),
        constant("offset", offset),
    ]
    return graph(
        nodes, [port("input", [1, 3, *side])], [port(name, shape) for name in names], constants
    )


def inpainter(side: int, level: float = 100.0) -> onnx.ModelProto:
    """The picture (0..1) comes back as 0..255, the masked part as one level."""
    nodes = [
        node("Sub", "one mask", "keep"),
        node("Mul", "image keep", "kept"),
        node("Mul", "kept top", "levels"),
        node("Mul", "mask level", "filling"),
        node("Add", "levels filling", "output"),
    ]
    return graph(
        nodes,
        [port("image", [1, 3, side, side]), port("mask", [1, 1, side, side])],
        [port("output", [1, 3, side, side])],
        [constant("one", 1.0), constant("top", 255.0), constant("level", level)],
    )


FILLER = """
[input]
name = "image"
[[extra]]
name = "mask"
kind = "mask"
[output]
kind = "image"
range = [0, 255]
"""
LICENCE = '[licence]\nspdx = "MIT"\ncommercial = true\n'


def shelve(
    folder: Path,
    name: str,
    model: onnx.ModelProto,
    operation: str,
    tables: str = "",
    *,
    head: str = "",
    licence: str = LICENCE,
    change: Callable[[str], str] = str,
) -> Path:
    """Write the model and its card into a folder; `change` may spoil the card's text."""
    content = model.SerializeToString()
    (folder / f"{name}.onnx").write_bytes(content)
    text = (
        f'card = 1\nname = "{name}"\noperation = "{operation}"\nfile = "{name}.onnx"\n'
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n{head}\n{licence}{tables}'
    )
    card = folder / f"{name}.toml"
    card.write_text(change(text))
    return card
