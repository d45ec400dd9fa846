"""Owns the training of the enlargement nets; knows generated pictures only, never a photograph.

    python -m training.sr --variant photo          # x2, any photo
    python -m training.sr --variant photo --scale 4
    python -m training.sr --variant jpeg           # x2, small JPEG photos
    python -m training.sr --variant text --pictures 240 --steps 4000 --rate 5e-4 \\
        --start django_hili/engine/weights/sr-x2-photo.npz   # x2, documents

One net works on luma only: the eye's sharpness is there, and it is a third of the work. It learns
the correction to Pillow's bicubic enlargement, the very one the engine adds it to.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from training.degrade import luma, resize, shared_online, shrink, to_bytes
from training.loop import Batch, cached_pool, fit
from training.nets import Chain, save, start_from
from training.pictures import Floats

WEIGHTS = Path(__file__).parents[1] / "django_hili" / "engine" / "weights"
Pair = tuple[Floats, Floats, Floats]
"""small, its bicubic enlargement, the original; luma 0..255."""

SHAPES = {
    ("photo", 2): {"width": 28, "depth": 9, "fold": 1, "head": 5},
    ("jpeg", 2): {"width": 24, "depth": 8, "fold": 1, "head": 5},
    ("text", 2): {"width": 28, "depth": 9, "fold": 1, "head": 5},
    ("photo", 4): {"width": 24, "depth": 6, "fold": 1, "head": 5},
    ("jpeg", 4): {"width": 24, "depth": 6, "fold": 1, "head": 5},
}
"""Deep and narrow: at the same cost, 24 x 9 layers gained 0.2 dB over 32 x 5 after the same 3000
steps.
"""


def pair(rng: np.random.Generator, plane: Floats, variant: str, scale: int) -> Pair:
    """Shrink one luma plane as `variant` says and enlarge it again."""
    if variant == "jpeg":
        small = shared_online(rng, plane, scale)
    else:
        small = to_bytes(shrink(plane, scale)).astype(np.float32)
    height, width = plane.shape
    return small, resize(small, width, height), plane


def pairs(variant: str, scale: int, count: int, cache: Path) -> list[Pair]:
    """Make the training set; text pages and drawings fill the text variant, leaves the others."""
    shares = (
        {"texts": 0.6, "drawings": 0.4} if variant == "text" else {"texts": 0.06, "drawings": 0.06}
    )
    pictures = cached_pool(cache, count, seed=21 if variant == "text" else 11, **shares)
    rng = np.random.default_rng(1)
    planes = [luma(p) for p in pictures]
    return [
        pair(rng, plane, variant, scale)
        for plane in planes
        for _ in range(2 if variant == "jpeg" else 1)
    ]


def batch(rng: np.random.Generator, data: list[Pair], net: Chain, size: int, side: int) -> Batch:
    """Cut `size` crops that yield side x side small pixels each, turned, mirrored and varied in
    contrast.
    """
    smalls, bases, targets = [], [], []
    margin, scale = net.margin, net.scale
    for index in rng.integers(0, len(data), size):
        small, base, target = data[index]
        span = side + 2 * margin
        y, x = (
            rng.integers(0, small.shape[0] - span + 1),
            rng.integers(0, small.shape[1] - span + 1),
        )
        inner = np.s_[
            (y + margin) * scale : (y + margin + side) * scale,
            (x + margin) * scale : (x + margin + side) * scale,
        ]
        crops = [small[y : y + span, x : x + span], base[inner], target[inner]]
        turn = int(rng.integers(8))
        flip = np.s_[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1]
        gain, lift = (
            (rng.uniform(0.5, 1.0), rng.uniform(0, 0.5)) if rng.random() < 0.3 else (1.0, 0.0)
        )
        for crop, store in zip(crops, (smalls, bases, targets), strict=True):
            turned = (crop.T if turn & 4 else crop)[flip]
            store.append(turned * (gain / 255) + lift * (1 - gain))
    small, base, target = (
        torch.from_numpy(np.stack(s)[:, None].astype(np.float32)) for s in (smalls, bases, targets)
    )
    return small, target - base


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", choices=["photo", "jpeg", "text"], required=True)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int)
    parser.add_argument("--depth", type=int)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--start", type=Path, help="begin with the weights of this net")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    side = options.side or (28 if options.scale == 2 else 24)
    shape = dict(SHAPES[options.variant, options.scale])
    shape |= {k: v for k in ("width", "depth", "fold") if (v := getattr(options, k)) is not None}
    net = Chain(planes=1, out=1, scale=options.scale, **shape)
    if options.start is not None:
        start_from(net, options.start)
    started = time.monotonic()
    data = pairs(options.variant, options.scale, options.pictures, options.cache)
    print(f"{len(data)} pairs in {time.monotonic() - started:.0f} s", flush=True)
    rng = np.random.default_rng(3)
    kept = len(data) // 20
    check = [batch(np.random.default_rng(4), data[:kept], net, 64, side)]
    fit(
        net,
        batches=lambda: batch(rng, data[kept:], net, options.batch, side),
        check=check,
        steps=options.steps,
        rate=options.rate,
    )
    path = options.out or WEIGHTS / f"sr-x{options.scale}-{options.variant}.npz"
    print(f"{path.name}: {save(net, path)} bytes", flush=True)


if __name__ == "__main__":
    main()
