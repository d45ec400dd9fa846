"""Owns the training of the repair net (noise, grain and JPEG blocks); knows generated pictures
only.

    python -m training.repair

The net sees luma folded 2 x 2 and chroma at half size: six planes, a quarter of the positions,
twice the reach (after FFDNet, Zhang et al. 2018). It answers what to add to those planes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from training.degrade import worn
from training.loop import Batch, cached_pool, fit
from training.nets import Chain, save
from training.pictures import Bytes, Floats
from training.sr import WEIGHTS

TO_YCC = np.array(
    [[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]], np.float32
)
"""JFIF colour matrix, RGB in rows."""


def planes(image: Bytes) -> Floats:
    """Six planes at half size of an even RGB picture: Y folded 2 x 2, mean Cb, mean Cr; 0..1."""
    ycc = image.astype(np.float32) @ (TO_YCC / 255)
    height, width, _ = ycc.shape
    quads = ycc.reshape(height // 2, 2, width // 2, 2, 3)
    light = quads[..., 0].transpose(1, 3, 0, 2).reshape(4, height // 2, width // 2)
    colour = quads[..., 1:].mean((1, 3)).transpose(2, 0, 1) + 0.5
    return np.concatenate([light, colour])


def pair(rng: np.random.Generator, clean: Bytes) -> tuple[Bytes, Bytes]:
    """Vary the tones of one picture and damage it; return the damaged and the clean one."""
    if rng.random() < 0.4:
        clean = np.clip(clean * rng.uniform(0.4, 1) + rng.uniform(0, 70), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        grey = clean.mean(2, keepdims=True)
        clean = (grey + (clean - grey) * rng.choice([0, 0.3, 0.5])).astype(np.uint8)
    clean = np.ascontiguousarray(clean)
    return worn(rng, clean), clean


def batch(
    rng: np.random.Generator, pairs: list[tuple[Bytes, Bytes]], net: Chain, size: int, side: int
) -> Batch:
    """Cut `size` crops whose answers cover side x side pixels, turned and mirrored, at any offset
    to the JPEG grid.
    """
    shown, clean = [], []
    span, inner = (
        side + 4 * net.margin,
        np.s_[..., net.margin : -net.margin, net.margin : -net.margin],
    )
    for index in rng.integers(0, len(pairs), size):
        rows, columns = pairs[index][0].shape[:2]
        y, x = rng.integers(0, rows - span + 1), rng.integers(0, columns - span + 1)
        turn = int(rng.integers(8))
        for picture, store in zip(pairs[index], (shown, clean), strict=True):
            crop = picture[y : y + span, x : x + span]
            crop = crop.transpose(1, 0, 2) if turn & 4 else crop
            store.append(planes(crop[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1]))
    before, after = np.stack(shown), np.stack(clean)
    return torch.from_numpy(before), torch.from_numpy(np.ascontiguousarray((after - before)[inner]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=14_000)
    parser.add_argument("--width", type=int, default=40)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--side", type=int, default=56)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path, default=WEIGHTS / "repair.npz")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = Chain(planes=6, out=6, width=options.width, depth=options.depth, fold=1, scale=1)
    pictures = cached_pool(options.cache, options.pictures, seed=11, texts=0.06, drawings=0.06)
    rng = np.random.default_rng(7)
    pairs = [pair(rng, picture) for picture in pictures for _ in range(3)]
    kept = len(pairs) // 20
    fit(
        net,
        batches=lambda: batch(rng, pairs[kept:], net, options.batch, options.side),
        check=[batch(np.random.default_rng(8), pairs[:kept], net, 64, options.side)],
        steps=options.steps,
        rate=options.rate,
    )
    print(f"{options.out.name}: {save(net, options.out)} bytes", flush=True)


if __name__ == "__main__":
    main()
