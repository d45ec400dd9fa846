"""Owns the shape of the nets and how they are written to disk; knows PyTorch, no pictures and no
engine.

Every net is one chain: optionally fold 2x2 pixels into planes, convolve without padding, unfold.
Without padding, a net sees real pixels only, so tiles with a margin join without a seam. The file
holds what the numpy runner needs: `w0, b0, w1, b1, ...` in float16 and the three integers of the
shape.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
"""Of the leaky rectifier after every layer but the last; the runner uses the same. A plain
rectifier dies in small nets.
"""


class Chain(nn.Module):
    """A plain chain of convolutions with one long skip from the first features to the last layer.

    Input N x planes x H x W, values about 0..1. Output N x out x (H - 2 margin) scale x (W - 2
    margin) scale: a correction to be added to the plain enlargement (or to the picture itself when
    scale is 1). The inner layers carry an identity path that is folded into the weights when saved:
    it trains better, and costs nothing when run (Ding et al. 2021, RepVGG).
    """

    def __init__(
        self, *, planes: int, out: int, width: int, depth: int, fold: int, scale: int, head: int = 3
    ) -> None:
        super().__init__()
        self.planes, self.out, self.fold, self.scale = planes, out, fold, scale
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(planes * fold**2, width, head)]
            + [nn.Conv2d(width, width, 3) for _ in range(depth)]
            + [nn.Conv2d(width, out * (fold * scale) ** 2, 3)]
        )
        identity = torch.zeros(width, width, 3, 3)
        identity[range(width), range(width), 1, 1] = 1.0
        self.register_buffer("identity", identity)
        self.margin = (head // 2 + depth + 1) * fold
        for layer in self.convolutions:
            nn.init.kaiming_normal_(layer.weight, a=0.1)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            for layer in self.convolutions[1:-1]:
                layer.weight.mul_(0.4)
            self.convolutions[-1].weight.mul_(0.05)

    def forward(self, picture: Tensor) -> Tensor:
        features = functional.pixel_unshuffle(picture, self.fold) if self.fold > 1 else picture
        features = functional.leaky_relu(self.convolutions[0](features - 0.5), SLOPE)
        first = features
        for layer in self.convolutions[1:-1]:
            features = functional.conv2d(features, layer.weight + self.identity, layer.bias)
            features = functional.leaky_relu(features, SLOPE)
        skip = len(self.convolutions) - 2
        features = features + (first[..., skip:-skip, skip:-skip] if skip else first)
        planes = self.convolutions[-1](features)
        return functional.pixel_shuffle(planes, self.fold * self.scale)


def save(net: Chain, path: Path) -> int:
    """Write `net` as float16 with its identity paths folded in; return the file's size in bytes."""
    arrays: dict[str, np.ndarray] = {
        "shape": np.array([net.fold, net.scale, net.out], np.int16),
    }
    last = len(net.convolutions) - 1
    for i, layer in enumerate(net.convolutions):
        weight = layer.weight.detach().clone()
        if 0 < i < last:
            weight += net.identity
        arrays[f"w{i}"] = weight.numpy().astype(np.float16)
        arrays[f"b{i}"] = layer.bias.detach().numpy().astype(np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path.stat().st_size


def start_from(net: Chain, path: Path) -> None:
    """Begin with the weights of a saved net of the same shape, identity paths taken out again."""
    last = len(net.convolutions) - 1
    with np.load(path) as arrays, torch.no_grad():
        for i, layer in enumerate(net.convolutions):
            layer.weight.copy_(torch.from_numpy(arrays[f"w{i}"].astype(np.float32)))
            layer.bias.copy_(torch.from_numpy(arrays[f"b{i}"].astype(np.float32)))
            if 0 < i < last:
                layer.weight.sub_(net.identity)
