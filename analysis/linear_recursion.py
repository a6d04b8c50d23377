"""Moments of v ← μ v − η a u − η ξ, u ← u + v in directions that only the noise ties together."""

from __future__ import annotations

import numpy as np


def stationary_moments(a: np.ndarray, forcing: np.ndarray, eta: float, mu: float) -> np.ndarray:
    """Return (d, d) the covariance of u that the recursion settles in; 0 on directions with a = 0.

    Parameters
    ----------
    a : (d,) float
        0 ≤ η a < 2 (1 + μ).
    forcing : (d, d) float
        η² Cov ξ.
    """
    curved = a > 0
    safe = np.where(curved, a, 1.0)
    if mu == 0:
        covariance = forcing / (eta * (safe[:, None] + safe - eta * safe[:, None] * safe))
    else:
        covariance = np.zeros_like(forcing)
        rows, columns = np.nonzero(forcing)
        first = _step(safe[rows], eta, mu)
        second = _step(safe[columns], eta, mu)
        pairs = _pairs(first, second)
        right = np.broadcast_to(forcing[rows, columns][:, None, None], (rows.size, 4, 1))
        covariance[rows, columns] = np.linalg.solve(np.eye(4) - pairs, right)[:, 0, 0]
        heavy_ball = (1 + mu) / ((1 - mu) * eta * safe * (2 * (1 + mu) - eta * safe))
        np.fill_diagonal(covariance, np.diag(forcing) * heavy_ball)
    return np.where(curved[:, None] & curved, covariance, 0.0)


def moments_after(
    steps: int, a: np.ndarray, forcing: np.ndarray, eta: float, mu: float, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (d,) and covariance (d, d) of u after so many steps from v = 0; squarings, so N costs log N."""
    size = 1 if mu == 0 else 2
    step = _step(a, eta, mu)[:, :size, :size]
    pairs = _pairs(np.repeat(step, a.size, axis=0), np.tile(step, (a.size, 1, 1)))
    constant = np.broadcast_to(forcing.reshape(-1, 1, 1), (a.size**2, size * size, 1))
    begin = np.zeros((a.size**2, size * size, 1))
    begin[:, 0, 0] = covariance.ravel()
    power, total = _affine_power(pairs, constant, steps)
    single = _affine_power(step, np.zeros((a.size, size, 1)), steps)[0]
    return single[:, 0, 0] * mean, (power @ begin + total)[:, 0, 0].reshape(a.size, a.size)


def _step(a: np.ndarray, eta: float, mu: float) -> np.ndarray:
    rate = eta * a
    return np.stack(
        [np.stack([1 - rate, np.full_like(rate, mu)], -1), np.stack([-rate, np.full_like(rate, mu)], -1)], -2
    )


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    count, size = first.shape[0], first.shape[1]
    return np.einsum("pij,pkl->pikjl", first, second).reshape(count, size * size, size * size)


def _affine_power(matrix: np.ndarray, constant: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return M^N and Σ_{k<N} M^k c."""
    power = np.broadcast_to(np.eye(matrix.shape[-1]), matrix.shape).copy()
    total = np.zeros_like(constant)
    while count:
        if count % 2:
            power, total = matrix @ power, matrix @ total + constant
        matrix, constant, count = matrix @ matrix, matrix @ constant + constant, count // 2
    return power, total
