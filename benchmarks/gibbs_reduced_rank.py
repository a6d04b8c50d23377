"""Exact conditional draws for reduced-rank regression at any β: y ~ N(B A x, σ² I), entries of A and B ~ N(0, τ²).

Given A the rows of B are normal; given B so is A, with a precision diagonal in the eigenvectors of BᵀB and XᵀX: a sweep
draws all of B and then all of A. What the data determine is renewed by every sweep; the scale that a spare row of A
shares with its column of B walks, and nL_n hardly depends on it. Nothing is tuned. Everything is batched over the
leading axis: chains and data sets run side by side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Sums(NamedTuple):
    """XᵀX (R, M, M), XᵀY (R, M, N), ‖Y‖² (R,) of R runs, and n."""

    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    n: int


def sums_of(x: np.ndarray, y: np.ndarray, chains: int) -> Sums:
    """Return the sums of data sets (T, n, M) and (T, n, N), each repeated for every chain: runs (T · chains)."""
    xx, xy, yy = np.swapaxes(x, 1, 2) @ x, np.swapaxes(x, 1, 2) @ y, np.sum(y**2, axis=(1, 2))
    return Sums(*(np.repeat(a, chains, axis=0) for a in (xx, xy, yy)), x.shape[1])


def nll(sums: Sums, product: np.ndarray, sigma: float) -> np.ndarray:
    """Return nL_n of the matrices BA (R, N, M), nats, (R,)."""
    fit = sums.yy - 2 * np.einsum("rij,rji->r", product, sums.xy)
    fit += np.einsum("rij,rjk,rik->r", product, sums.xx, product, optimize=True)
    return 0.5 * fit / sigma**2 + 0.5 * sums.n * product.shape[1] * math.log(2 * math.pi * sigma**2)


def sample(
    sums: Sums, hidden: int, beta: float, sigma: float, tau: float, draws: int, warmup: int, seed: int
) -> np.ndarray:
    """Return nL_n at each draw, (R, draws), nats; chains start from the prior of A.

    Parameters
    ----------
    sums : Sums
    hidden : int
        H, rows of A and columns of B.
    beta : float
        Inverse temperature, positive.
    sigma, tau : float
        Standard deviations of the noise and of the prior.
    draws, warmup : int
        Sweeps kept, and sweeps before them.
    seed : int
    """
    rng = np.random.default_rng(seed)
    runs, inputs, outputs = sums.xy.shape
    scale, prior = beta / sigma**2, 1 / tau**2
    lengths, axes = np.linalg.eigh(sums.xx)
    turned = np.swapaxes(sums.xy, 1, 2) @ axes  # YᵀX in the eigenvectors of XᵀX
    a = tau * rng.standard_normal((runs, hidden, inputs))
    kept = np.empty((runs, draws))
    for sweep in range(warmup + draws):
        precision = prior * np.eye(hidden) + scale * a @ sums.xx @ np.swapaxes(a, 1, 2)
        root = np.linalg.cholesky(precision)
        half = np.linalg.solve(root, scale * a @ sums.xy) + rng.standard_normal((runs, hidden, outputs))
        b = np.swapaxes(np.linalg.solve(np.swapaxes(root, 1, 2), half), 1, 2)
        sizes, basis = np.linalg.eigh(np.swapaxes(b, 1, 2) @ b)
        weight = prior + scale * np.maximum(sizes, 0)[:, :, None] * lengths[:, None, :]
        moment = scale * np.swapaxes(b @ basis, 1, 2) @ turned
        drawn = moment / weight + rng.standard_normal(moment.shape) / np.sqrt(weight)
        a = basis @ drawn @ np.swapaxes(axes, 1, 2)
        if sweep >= warmup:
            kept[:, sweep - warmup] = nll(sums, b @ a, sigma)
    return kept
