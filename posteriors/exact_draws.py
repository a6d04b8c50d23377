"""Independent draws without a sampler: cells of a grid where few coordinates are left, normal blocks for the rest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from singular.errors import InputError, whole
from singular.models.integrals.collapse import log_gaussian_block
from singular.posteriors.precision import x64

CHUNK = 50_000
"""Points handed to a density at once."""


class Axis(NamedTuple):
    """Evenly spaced cell centres of one coordinate: ``start``, ``start + step``, …, ``count`` of them."""

    start: float
    step: float
    count: int


class CellDraws(NamedTuple):
    """Independent draws of a low-dimensional density.

    Attributes
    ----------
    points : (draws, k)
    weights : (draws,)
        Density over the density that drew, scaled to a mean of 1: near 1 where cells are small.
    log_integral : float
        Log of the integral of the density over the grid, by the sum over the cells.
    log_integral_drawn : float
        The same by the draws: the two agree to the error of the sum and to that of the draws.
    """

    points: np.ndarray
    weights: np.ndarray
    log_integral: float
    log_integral_drawn: float


def cell_draws(
    log_density: Callable[[np.ndarray], np.ndarray], axes: Sequence[Axis], draws: int, rng: np.random.Generator
) -> CellDraws:
    """Draw a cell of a grid by the density at its centre, a point in it uniformly, and weigh it by the density there.

    Weighted means of any function, a step across a cell included, have no error but that of independent draws:
    `weighted_share` gives it. The grid must reach as far as the density has mass, and be fine enough that the weights
    stay near 1.

    Parameters
    ----------
    log_density : (N, k) -> (N,)
        Up to a constant; −∞ where there is nothing. Jacobians of the coordinates included.
    axes : sequence of Axis
        One for each of the k coordinates.
    draws : int
    rng : Generator

    Returns
    -------
    CellDraws

    Raises
    ------
    InputError
        If there is no axis, a step or a count is not positive, or the density is 0 or not a number on the whole grid.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = cell_draws(lambda z: -0.5 * z[:, 0] ** 2, [Axis(-8.0, 0.25, 65)], 1000, rng)
    >>> round(float(np.exp(found.log_integral) / np.sqrt(2 * np.pi)), 9)
    1.0
    """
    if not axes:
        raise InputError("axes=[]: allowed is at least one")
    for axis in axes:
        whole("count", axis.count, least=1)
        if not axis.step > 0:
            raise InputError(f"step={axis.step!r}: allowed is more than 0")
    whole("draws", draws, least=2)
    start, step = (np.array([getattr(axis, name) for axis in axes]) for name in ("start", "step"))
    index = np.indices([axis.count for axis in axes]).reshape(len(axes), -1).T
    logs = _in_chunks(log_density, start + step * index)
    if not np.isfinite(logs.max()):
        raise InputError("log_density is −∞ or not a number on the whole grid")
    total = float(np.asarray(logsumexp(logs)))
    relative = np.exp(logs - logs.max())  # of a total in the billions rounding would leave them short of 1
    chosen = rng.choice(len(logs), size=draws, p=relative / relative.sum())
    points = start + step * (index[chosen] + rng.uniform(-0.5, 0.5, size=(draws, len(axes))))
    log_weights = _in_chunks(log_density, points) - logs[chosen]
    log_mean = float(np.asarray(logsumexp(log_weights))) - np.log(draws)
    volume = total + float(np.log(step).sum())
    return CellDraws(points, np.exp(log_weights - log_mean), volume, volume + log_mean)


def weighted_share(inside: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the share of weighted independent draws that are inside, and its standard error.

    The error counts one draw more than were seen to be inside or outside, so that a share of which no draw is has the
    error of one draw and not 0.

    Parameters
    ----------
    inside : (draws,) bool
    weights : (draws,)

    Examples
    --------
    >>> weighted_share(np.array([True, False, False, False]), np.ones(4))[0]
    0.25
    """
    relative = weights / weights.mean()
    share, draws = float(np.mean(relative * inside)), len(weights)
    one_draw = np.mean(relative**2) / draws
    return share, float(np.hypot(np.std(relative * (inside - share)) / np.sqrt(draws), one_draw))


def normal_block(gram: np.ndarray, moment: np.ndarray, beta: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a from the density proportional to N(a; 0, I) exp(β (aᵀ h − aᵀ G a / 2)), the weights of a linear layer.

    Parameters
    ----------
    gram : (N, k, k)
        G, symmetric and positive semi-definite.
    moment : (N, k, r)
        h, for r outputs with weights of their own.
    beta : float
        Inverse temperature.
    rng : Generator

    Returns
    -------
    (N, k, r)
        One draw for each of the N.
    """
    root = np.linalg.cholesky(np.eye(gram.shape[-1]) + beta * gram)
    half = np.linalg.solve(root, beta * moment)
    return np.linalg.solve(root.swapaxes(-1, -2), half + rng.standard_normal(half.shape))


def log_normal_block(gram: np.ndarray, moment: np.ndarray, beta: float) -> np.ndarray:
    """Return the log of the integral of that density, (N,), in nats, 64 bit: `log_gaussian_block` on NumPy arrays."""
    with x64():
        return np.asarray(log_gaussian_block(gram, moment, beta))


def _in_chunks(log_density: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    pieces = itertools.pairwise([*range(0, len(points), CHUNK), len(points)])
    values = np.concatenate([log_density(points[a:b]) for a, b in pieces])
    return np.where(np.isnan(values), -np.inf, values)
