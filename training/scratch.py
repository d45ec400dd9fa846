"""Owns the training of the scratch finder; knows generated pictures and generated marks only.

    python -m training.scratch

The net answers, for every pixel, the log-odds that it is a scratch, dust or a crease. A third of
the pictures carry no mark at all: a finder that erases eyes and wires is worse than none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.degrade import camera_noise, jpeg, luma, to_bytes
from training.loop import Batch, cached_pool, fit
from training.marks import damaged
from training.nets import Chain, save
from training.pictures import Bytes
from training.sr import WEIGHTS

Sample = tuple[Bytes, NDArray[np.bool_]]


def sample(rng: np.random.Generator, picture: Bytes) -> Sample:
    """One marked picture, as colour, grey or sepia print, sometimes noisy and sometimes a JPEG."""
    light = luma(picture)[..., None]
    kind = rng.random()
    if kind < 0.35:
        picture = to_bytes(np.repeat(light, 3, 2))
    elif kind < 0.55:
        tint = np.array([[0.95, 0.82, 0.65]], np.float32)
        picture = to_bytes(light * tint + np.array([12, 15, 18], np.float32))
    if rng.random() < 0.25:
        picture = to_bytes(picture * rng.uniform(0.6, 1) + rng.uniform(0, 60))
    clean = rng.random() < 0.3
    marked, truth = (
        (picture, np.zeros(picture.shape[:2], bool))
        if clean
        else damaged(rng, picture, float(rng.uniform(0.3, 1.3)))
    )
    if rng.random() < 0.4:
        marked = to_bytes(marked + camera_noise(rng, marked.shape, float(rng.uniform(1, 9))))
    if rng.random() < 0.4:
        marked = jpeg(marked, int(rng.integers(45, 95)))
    return marked, truth


def batch(
    rng: np.random.Generator, samples: Sequence[Sample], net: Chain, size: int, side: int
) -> Batch:
    shown, wanted = [], []
    margin = net.margin
    span = side + 2 * margin
    for index in rng.integers(0, len(samples), size):
        marked, truth = samples[index]
        y, x = (
            rng.integers(0, truth.shape[0] - span + 1),
            rng.integers(0, truth.shape[1] - span + 1),
        )
        turn = int(rng.integers(8))
        order = rng.permutation(3) if rng.random() < 0.5 else np.arange(3)
        picture = marked[y : y + span, x : x + span][..., order]
        inner = truth[y + margin : y + margin + side, x + margin : x + margin + side]
        if turn & 4:
            picture, inner = picture.transpose(1, 0, 2), inner.T
        flip = np.s_[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1]
        shown.append(picture[flip].transpose(2, 0, 1).astype(np.float32) / 255)
        wanted.append(inner[flip][None].astype(np.float32))
    return torch.from_numpy(np.stack(shown)), torch.from_numpy(np.stack(wanted))


def loss(answer: Tensor, truth: Tensor, _share: float) -> Tensor:
    """Cross entropy and, because marks are few, the overlap (Dice)."""
    entropy = functional.binary_cross_entropy_with_logits(answer, truth)
    found = torch.sigmoid(answer)
    overlap = (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    return 2 * entropy + 0.3 * (1 - overlap)


def score(net: Chain, check: Sequence[Batch]) -> str:
    """Precision, recall and their mean on samples kept aside, counted pixel by pixel."""
    with torch.no_grad():
        pairs = [(net(shown) > 1.0, truth > 0.5) for shown, truth in check]
    hit = sum(int((found & truth).sum()) for found, truth in pairs)
    found_count, true_count = (sum(int(p[k].sum()) for p in pairs) for k in (0, 1))
    precision, recall = hit / max(found_count, 1), hit / max(true_count, 1)
    together = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"P {precision:.3f} R {recall:.3f} F1 {together:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=9_000)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path, default=WEIGHTS / "scratch.npz")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = Chain(planes=3, out=1, width=options.width, depth=options.depth, fold=2, scale=1)
    with torch.no_grad():
        net.convolutions[-1].bias.fill_(-3.0)
    rng = np.random.default_rng(17)
    pictures = cached_pool(options.cache, options.pictures, seed=11, texts=0.06, drawings=0.06)
    samples = [sample(rng, picture) for picture in pictures for _ in range(3)]
    print(f"{len(samples)} samples", flush=True)
    kept = len(samples) // 20
    fit(
        net,
        batches=lambda: batch(rng, samples[kept:], net, options.batch, options.side),
        check=[batch(np.random.default_rng(18), samples[:kept], net, 64, options.side)],
        steps=options.steps,
        rate=options.rate,
        loss=loss,
        score=score,
    )
    print(f"{options.out.name}: {save(net, options.out)} bytes", flush=True)


if __name__ == "__main__":
    main()
