"""Owns the training loop and the cache of generated pictures; knows PyTorch, no net's purpose."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.nets import Chain
from training.pictures import Bytes, pool

Batch = tuple[Tensor, Tensor]
"""What the net is shown, and the correction it should have answered."""

Loss = Callable[[Tensor, Tensor, float], Tensor]
"""Answer, truth and the share of the run that is over -> what to lower."""
COARSE_SHARE = 0.85
"""The part of a training run made in bfloat16, twice as fast on processors that have it; the rest
is in float32.
"""


def cached_pool(folder: Path, count: int, *, seed: int, texts: float, drawings: float) -> Bytes:
    """Make the pictures once and keep them in `folder`; the name holds every argument."""
    path = folder / f"pictures-{seed}-{count}-{texts:g}-{drawings:g}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, pool(count, seed=seed, texts=texts, drawings=drawings))
    pictures: Bytes = np.load(path)
    return pictures


def fit(
    net: Chain,
    *,
    batches: Callable[[], Batch],
    check: Sequence[Batch],
    steps: int,
    rate: float,
    loss: Loss | None = None,
    score: Callable[[Chain, Sequence[Batch]], str] | None = None,
) -> None:
    """Train for `steps`; without a `loss`, on mean absolute error and in the last quarter on
    squared error.

    PSNR counts squared error, but learning it from the start is slower. The rate rises over 300
    steps and falls along a cosine. The weights kept are a running mean of the last ones.
    """
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from PyTorch's annotations
    optimiser = torch.optim.Adam(net.parameters(), rate, betas=(0.9, 0.99))
    mean = {name: value.detach().clone() for name, value in net.named_parameters()}
    score = score or _gain
    started = time.monotonic()
    for step in range(steps):
        share = step / steps
        for group in optimiser.param_groups:
            group["lr"] = (
                rate * min(1.0, (step + 1) / 300) * 0.5 * (1 + np.cos(np.pi * share)) + 1e-6
            )
        shown, wanted = batches()
        with torch.autocast("cpu", torch.bfloat16, enabled=share < COARSE_SHARE):
            answer = net(shown.contiguous(memory_format=torch.channels_last))
        cost = (loss or _distance)(answer.float(), wanted, share)
        optimiser.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]  # PyTorch's own annotation is missing
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimiser.step()
        with torch.no_grad():
            for name, value in net.named_parameters():
                mean[name].lerp_(value, 0.002 if step > 500 else 1.0)
        if (step + 1) % 2000 == 0 or step + 1 == steps:
            print(f"{step + 1} {time.monotonic() - started:.0f} s {score(net, check)}", flush=True)
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(mean[name])
    print(f"mean of weights {score(net, check)}", flush=True)


def _distance(answer: Tensor, wanted: Tensor, share: float) -> Tensor:
    error = answer - wanted
    return error.abs().mean() if share < 0.75 else (error**2).mean() * 20


def _gain(net: Chain, check: Sequence[Batch]) -> str:
    """How many decibels the correction gains on batches kept aside."""
    with torch.no_grad():
        before = sum(float((wanted**2).mean()) for _, wanted in check)
        after = sum(float(((net(shown) - wanted) ** 2).mean()) for shown, wanted in check)
    return f"{10 * np.log10(before / after):+.3f} dB"
