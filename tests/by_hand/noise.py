"""The unit-noise normal likelihood that most families share."""

from __future__ import annotations

import math

import numpy as np

LOG_2PI = math.log(2 * math.pi)


def normal(y: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return −Σ log N(y; mean, 1) for means (B, …) of the shape of y behind the batch axis."""
    axes = tuple(range(1, mean.ndim))
    return 0.5 * np.sum((y - mean) ** 2, axis=axes) + 0.5 * y.size * LOG_2PI
