"""The loss of the toy model of superposition in closed form, and its regular polygons."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np


def mean_squared_error(w: Any, b: Any) -> Any:
    """Return E |x − max(Wᵀ W x + b, 0)|² for x = u e_i, i uniform over the features and u ~ U(0, 1).

    Exact: given i, output j is max(b_j + u g_ji, 0) with g = Wᵀ W, piecewise linear in u.

    Parameters
    ----------
    w : (..., r, c)
    b : (..., c)

    Returns
    -------
    (...)
    """
    features = w.shape[-1]
    start = b[..., :, None]
    stop = start + jnp.einsum("...rj,...ri->...ji", w, w)
    own = jnp.eye(features)
    return jnp.mean(jnp.sum(own / 3 - 2 * own * _first_moment(start, stop) + _square(start, stop), axis=-2), axis=-1)


def polygon(sides: int) -> tuple[float, float]:
    """Return the length of the columns and the bias at which a regular polygon has no gradient.

    Each output is on for inputs of its own feature, above a threshold, and of its two neighbours; all others
    leave it off. Newton's method on the loss of one feature as a function of (length², bias).

    Parameters
    ----------
    sides : int
        5 or 6 (fewer sides have no negative bias, more have other neighbours).
    """
    cosine = math.cos(2 * math.pi / sides)

    def slope(point):
        q, b = point
        on = -b / q
        near = b + q * cosine
        width = 1 - on
        by_bias = -2 * ((1 - q) * (1 - on**2) / 2 - b * width) + 2 * near**2 / (q * cosine)
        by_square = -2 * ((1 - q) * (1 - on**3) / 3 - b * (1 - on**2) / 2)
        by_square += 2 * (near**2 / q - near**3 / (3 * cosine * q**2))
        return np.array([by_square, by_bias])

    point = np.array([1.74, -0.62]) if sides == 6 else np.array([1.37, -0.28])
    for _ in range(30):
        step = 1e-6 * np.eye(2)
        jacobian = np.stack([(slope(point + s) - slope(point - s)) / 2e-6 for s in step], axis=1)
        point = point - np.linalg.solve(jacobian, slope(point))
    return math.sqrt(point[0]), float(point[1])


def _square(start: Any, stop: Any) -> Any:
    """Return ∫ max(z, 0)² over u from 0 to 1, z going straight from start to stop."""
    low, high, share = _positive_part(start, stop)
    return share * (low**2 + low * high + high**2) / 3


def _first_moment(start: Any, stop: Any) -> Any:
    """Return ∫ u max(z, 0) over u from 0 to 1, z going straight from start to stop."""
    low, high, share = _positive_part(start, stop)
    from_left = jnp.where(start > 0, 0.0, 1 - share)
    return share * (from_left * (low + high) / 2 + share * (low / 6 + high / 3))


def _positive_part(start: Any, stop: Any) -> Any:
    """Return z at the two ends of the part of [0, 1] where z > 0, and the length of that part."""
    crosses = (start > 0) != (stop > 0)
    gap = jnp.where(crosses, stop - start, 1.0)
    root = jnp.where(crosses, -start / gap, 0.0)
    share = jnp.where(crosses, jnp.where(start > 0, root, 1 - root), jnp.where(start > 0, 1.0, 0.0))
    return jnp.maximum(start, 0.0), jnp.maximum(stop, 0.0), share
