"""The true matrices of the linear networks, and their balanced factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def true_matrix(inputs: int, outputs: int, rank: int) -> np.ndarray:
    """Return the (outputs, inputs) truth: singular values 1, 1/2, …, 1/rank, on fixed oblique directions."""
    right, left = _frame(inputs)[:, :rank], _frame(outputs)[:, :rank]
    return (left * _strengths(rank)) @ right.T


def best_loss(rank: int, reach: int) -> float:
    """Return ½ ‖C − its best approximation of rank ``reach``‖², 0 if that is enough."""
    return 0.5 * float(np.sum(_strengths(rank)[reach:] ** 2))


def balanced_factors(widths: Sequence[int], rank: int) -> list[np.ndarray]:
    """Return W_1, …, W_L with the truth as product, or its best approximation: the strengths shared evenly.

    Parameters
    ----------
    widths : sequence of int
        H_0, …, H_L; W_s is H_s × H_{s−1}.
    rank : int
        Of the truth.
    """
    used = min(rank, *widths)
    layers = len(widths) - 1
    share = _strengths(rank)[:used] ** (1.0 / layers)
    into, out = _frame(widths[0])[:, :used], _frame(widths[-1])[:, :used]
    factors = []
    for s in range(1, layers + 1):
        factor = np.zeros((widths[s], widths[s - 1]))
        factor[np.arange(used), np.arange(used)] = share
        factors.append(factor)
    factors[0] = factors[0][:, :used] @ into.T
    factors[-1] = out @ factors[-1][:used] if layers > 1 else out @ np.diag(share) @ into.T
    return factors


def truth_in_words(rank: int, inputs: bool = True) -> str:
    """Return the truth in one line, of a regression or of a matrix seen without inputs."""
    seen, ending = ("C x, I", ", x ~ N(0, I)") if inputs else ("C, 1", "")
    if rank == 0:
        return f"y ~ N(0, {seen[-1]}){ending}"
    values = ", ".join(["1", "1/2", "1/3", "1/4"][:rank] + (["…"] if rank > 4 else []))
    return f"y ~ N({seen}){ending}, C of rank {rank} with singular values {values}"


def _strengths(rank: int) -> np.ndarray:
    return 1.0 / np.arange(1, rank + 1)


def _frame(size: int) -> np.ndarray:
    """Return a fixed orthonormal basis as columns, the first along (1, 1, …, 1)."""
    grid = np.vander(np.linspace(-1.0, 1.0, size) if size > 1 else np.ones(1), increasing=True)
    q, r = np.linalg.qr(grid)
    return q * np.sign(np.diag(r))
