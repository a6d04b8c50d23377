"""Exact independent draws of linear networks: the last layer given the others is normal, the others are few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from singular.analysis.studies.rank_phases_rules import Network
from singular.errors import InputError
from singular.models.integrals.rules import log_normal_density
from singular.models.linear_networks.sobol_ridge import REACH, REPLICATES, ridge_nodes
from singular.posteriors.exact_draws import Axis, cell_draws, log_normal_block, normal_block, weighted_share

STEP = 0.3
"""Width of the cells in log r, and in p/scale near 0."""
LOG2_POINTS = 13
"""Of each of the replicates of the five-dimensional rule."""


class ExactDraws(NamedTuple):
    """Weighted draws of the tempered posterior.

    Attributes
    ----------
    parameters : site -> (draws, rows, columns)
    weights : (draws,)
    free_energy : float
        −log ∫ φ exp(−β ½ Σ |y − f|²), nats, + β ½ Σ |y|².
    replicates : int
        1 for independent draws; else the draws are this many equal consecutive blocks, each an estimate by itself.
    """

    parameters: dict[str, np.ndarray]
    weights: np.ndarray
    free_energy: float
    replicates: int

    def share(self, inside: np.ndarray) -> tuple[float, float]:
        """Return the share of draws inside a region, and its standard error, never less than that of one draw."""
        if self.replicates == 1:
            return weighted_share(inside, self.weights)
        mass, held = (block.reshape(self.replicates, -1).sum(axis=1) for block in (self.weights, self.weights * inside))
        value = held.sum() / mass.sum()
        spread = np.std((held - value * mass) / mass.mean(), ddof=1) / math.sqrt(self.replicates)
        one_draw = (self.weights**2).sum() / self.weights.sum() ** 2
        return float(value), float(np.hypot(spread, one_draw))


def exact_draws(
    network: Network, x: np.ndarray, y: np.ndarray, n: int, beta: float, draws: int, rng: np.random.Generator,
    step: float = 1.0,
) -> ExactDraws:  # fmt: skip
    """Draw the weights of a network, up to turns of its hidden directions that change neither density nor region.

    Parameters
    ----------
    network : Network
        Widths (1 or 2, 1, N), (2, 2, N), (1, 1, 1, 1), (2, 2, 1, 2), or (3, 2, 3) of rank 1.
    x, y : (rows, inputs), (rows, outputs)
        The data, or as many rows as have the same sums of products.
    n : int
        Observations.
    beta : float
    draws : int
        For (3, 2, 3) the points of the rule are drawn once each instead.
    rng : Generator
    step : float
        Width of the cells in units of `STEP`.

    Raises
    ------
    InputError
        For other widths.
    """
    squares, products = x.T @ x, x.T @ y

    def terms(rows):
        return rows @ squares @ rows.swapaxes(-1, -2), rows @ products

    scale = 1 / math.sqrt(n * beta + 1)
    if network.widths == (3, 2, 3):
        nodes = ridge_nodes(x, y, LOG2_POINTS)
        first = nodes.points.reshape(-1, 2, 3)
        logs = nodes.log_weights + log_normal_block(*terms(first), beta)
        total = float(np.asarray(logsumexp(logs)))
        last = normal_block(*terms(first), beta, rng).swapaxes(-1, -2)
        return ExactDraws({"A": first, "B": last}, np.exp(logs - total), -total, REPLICATES)
    axes, layers, log_prior = _coordinates(network, squares, products, scale, STEP * step, rng)

    def log_density(z):
        _, rows = layers(z)
        return log_prior(z) + log_normal_block(*terms(rows), beta)

    found = cell_draws(log_density, axes, draws, rng)
    inner, rows = layers(found.points)
    last = normal_block(*terms(rows), beta, rng).swapaxes(-1, -2)
    parameters = dict(zip(network.sites, [*inner, last], strict=True))
    return ExactDraws(parameters, found.weights, -found.log_integral, 1)


Layers = Callable[[np.ndarray], tuple[list[np.ndarray], np.ndarray]]


def _coordinates(
    network: Network, squares: np.ndarray, products: np.ndarray, scale: float, step: float, rng: np.random.Generator
) -> tuple[list[Axis], Layers, Callable[[np.ndarray], np.ndarray]]:
    """Return the axes, coordinates -> (layers but the last, their product), and the log prior of the coordinates."""

    def norm(degrees: int) -> Axis:
        lowest = math.log(scale) - 14.0 / degrees
        return Axis(lowest, step, math.ceil((math.log(REACH) - lowest) / step) + 1)

    turns = max(12, math.ceil(math.pi / step * 2))
    angle = Axis(math.pi / turns / 2, math.pi / turns, turns)
    widths = network.widths
    if widths[:2] == (1, 1) and len(widths) == 3:

        def one(z):
            row = np.exp(z)[:, :, None]
            return [row], row

        return [norm(1)], one, lambda z: _log_chi(z[:, 0], 1)
    if widths[:2] == (2, 1) and len(widths) == 3:

        def row_of_two(z):
            row = np.exp(z[:, :1, None]) * _direction(z[:, 1])
            return [row], row

        return [norm(2), angle], row_of_two, lambda z: _log_chi(z[:, 0], 2) - math.log(math.pi)
    if widths[:2] == (2, 2) and len(widths) == 3:
        basis = np.linalg.svd(np.linalg.solve(squares, products))[0]
        most = math.ceil(math.asinh(REACH / scale) / step)

        def triangle(z):
            r, p, q = np.exp(z[:, 0]), scale * np.sinh(z[:, 1]), np.exp(z[:, 2])
            rows = np.stack([np.stack([r, p], axis=1), np.stack([np.zeros_like(r), q], axis=1)], axis=1) @ basis.T
            return [rows], rows

        def log_prior(z):
            across = log_normal_density(scale * np.sinh(z[:, 1])) + np.log(scale * np.cosh(z[:, 1]))
            return _log_chi(z[:, 0], 2) + across + _log_chi(z[:, 2], 1)

        return [norm(2), Axis(-most * step, step, 2 * most + 1), norm(1)], triangle, log_prior
    if widths == (1, 1, 1, 1):

        def chain(z):
            first, second = np.exp(z[:, :1, None]), np.exp(z[:, 1:, None])
            return [first, second], second * first

        return [norm(1)] * 2, chain, lambda z: _log_chi(z[:, 0], 1) + _log_chi(z[:, 1], 1)
    if widths == (2, 2, 1, 2):

        def bottleneck(z):
            row = np.exp(z[:, 1:2, None]) * _direction(z[:, 2])
            free = rng.standard_normal(row.shape)  # the row of W_1 that W_2 = (ρ, 0) does not see
            size = np.exp(z[:, 0])
            second = np.stack([size, np.zeros_like(size)], axis=1)[:, None, :]
            return [np.concatenate([row, free], axis=1), second], size[:, None, None] * row

        def log_prior_of_three(z):
            return _log_chi(z[:, 0], 2) + _log_chi(z[:, 1], 2) - math.log(math.pi)

        return [norm(2), norm(2), angle], bottleneck, log_prior_of_three
    raise InputError(f"network={network.name!r}: no exact draws for widths {widths}")


def _direction(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None, :]


def _log_chi(log_norm: np.ndarray, degrees: int) -> np.ndarray:
    """Return the log density of the log of a χ variable."""
    constant = (0.5 * degrees - 1) * math.log(2) + float(gammaln(0.5 * degrees))
    return degrees * log_norm - 0.5 * np.exp(2 * log_norm) - constant
