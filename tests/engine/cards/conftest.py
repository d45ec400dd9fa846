"""Owns what the tests of cards share: an empty folder of models and a made photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """150 x 211 RGB: slopes with fine noise, no side a multiple of anything."""
    y, x = np.mgrid[:150, :211]
    planes = np.stack(
        [40 + 150 * x / 211, 60 + 120 * y / 150, 200 - 90 * x / 211 - 60 * y / 150], 2
    )
    planes += np.random.default_rng(7).normal(0, 6, planes.shape)
    return np.rint(planes.clip(0, 255)).astype(np.uint8)
