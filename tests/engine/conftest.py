"""Owns the sample photos of the engine's tests: crops of those inside scikit-image, which no net
has seen.
"""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """256 x 256 RGB: a face, cloth, a flag."""
    return np.ascontiguousarray(data.astronaut()[0:256, 100:356])


@pytest.fixture(scope="session")
def machine() -> np.ndarray:
    """256 x 320 RGB: fine metal parts; a clean photo of much detail."""
    left, _, _ = data.stereo_motorcycle()
    return np.ascontiguousarray(left[150:406, 200:520])


@pytest.fixture(scope="session")
def grey() -> np.ndarray:
    """256 x 256 grey."""
    return np.ascontiguousarray(data.camera()[60:316, 100:356])
