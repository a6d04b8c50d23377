"""Independent draws of two ReLU units' posterior without a sampler, and its integral: cells of directions and radii.

A unit is q max(⟨w, x⟩ + b, 0) with (w, b) = r u, u on the sphere. Under the prior u is uniform on it, and azimuth,
height and the probability up to r are uniform coordinates of a cube. Given u and r of both units the outputs q and the
offset c are normal, so that six coordinates are left. Cells of directions are halved where the mass is; a pair of cells
is drawn by the density at the centres, a point in it uniformly, and weighed by the density there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import chi

from singular.errors import InputError, whole
from singular.models.base import Model
from singular.models.networks.two_phase_relu import square
from singular.models.problem import Problem
from singular.posteriors.exact_draws import normal_block

AZIMUTHS, HEIGHTS, RADII = 32, 16, 4
"""Cells that one begins with: directions, and radii in them."""
COVERED = 0.65
"""Share of the mass, at four times the temperature, whose cells are halved in both directions."""
RESOLVED = 500.0
"""n β up to which the first cells will do; each halving does for four times as much."""
CHUNK = 500
"""Points whose units are held on all rows at once."""


class Regression(NamedTuple):
    """Rows of a regression with unit noise, weighed.

    Attributes
    ----------
    inputs : (rows, 3)
        x and 1.
    target : (rows,)
    weights : (rows,)
        Observations that a row stands for; n is their sum.
    """

    inputs: np.ndarray
    target: np.ndarray
    weights: np.ndarray


class ReluDraws(NamedTuple):
    """Independent draws of the tempered posterior.

    Attributes
    ----------
    parameters : site -> (draws, …)
        ``w`` (2, 2), ``b`` (2,) and ``q`` (2,); c is integrated out.
    weights : (draws,)
        Density over the density that drew, scaled to a mean of 1.
    free_energy, free_energy_drawn : float
        −log ∫ φ(w) exp(−β Σ_i v_i (y_i − f_i)²/2) dw, in nats, by the sum over the cells and by the draws; v are the
        rows' weights. F_n(β) less β (n/2) log 2π.
    """

    parameters: Mapping[str, np.ndarray]
    weights: np.ndarray
    free_energy: float
    free_energy_drawn: float

    @property
    def effective(self) -> float:
        """How many unweighted draws the weighted ones are worth."""
        return float(self.weights.sum() ** 2 / np.sum(self.weights**2))


def regression_of(problem: Problem) -> Regression:
    """Return the rows of a problem of ``models.two_phase_relu``."""
    x, y = np.asarray(problem.kwargs["x"]), np.asarray(problem.kwargs["y"])
    return Regression(np.column_stack([x, np.ones(len(x))]), y, np.ones(len(x)))


def without_noise(model: Model, n: float) -> Regression:
    """Return rows whose sum of squares is 2nK: inputs spread over the square by a rule, no noise."""
    nodes, weights = square()
    optimum = model.optimum
    assert optimum is not None
    truth = np.maximum(nodes @ optimum["w"].T + optimum["b"], 0.0) @ optimum["q"] + optimum["c"]
    return Regression(np.column_stack([nodes, np.ones(len(nodes))]), truth, n * weights)


def exact_draws(rows: Regression, beta: float, draws: int, rng: np.random.Generator) -> ReluDraws:
    """Draw (w, b, q) of two units with priors N(0, 1), independently.

    Weighted means of any function have no error but that of independent draws.

    Parameters
    ----------
    rows : Regression
    beta : float
        More than 0.
    draws : int
    rng : Generator

    Raises
    ------
    InputError
        If β is not positive or ``draws`` no whole number of at least 2.
    """
    if not beta > 0:
        raise InputError(f"beta={beta!r}: allowed is more than 0")
    whole("draws", draws, least=2)
    halvings = max(0, round(math.log(float(rows.weights.sum()) * beta / RESOLVED, 4)))
    cells = _first_cells()
    for k in range(halvings):
        mass = np.exp(_pair_logs(_Block(rows, beta * 4.0 ** (k - halvings)), cells, 2))
        cells = _halved(cells, mass.sum(axis=(0, 1, 2)))
    block = _Block(rows, beta)
    logs = _pair_logs(block, cells, RADII, scaled=False)
    top = logs.max()
    # a shift of the logs, for exp to stay in range
    cumulative = np.cumsum(np.exp(logs - top).ravel())
    chosen = np.searchsorted(cumulative, rng.uniform(size=draws) * cumulative[-1], side="right")
    *radius, first, second = np.unravel_index(np.minimum(chosen, cumulative.size - 1), logs.shape)
    units = [_points(cells[cell], k, rng) for cell, k in zip((first, second), radius, strict=True)]
    volumes = np.log(cells[:, 2:].prod(axis=1) / RADII)
    proposed = logs.ravel()[chosen] - volumes[first] - volumes[second]
    density, q = _outputs(block, units, rng)
    log_weights = density - proposed
    highest = log_weights.max()
    weights = np.exp(log_weights - highest)
    log_integral = float(np.log(cumulative[-1]) + top)
    log_mean = float(np.log(weights.mean()) + highest)
    parameters = {
        "w": np.stack([r[:, None] * u[:, :2] for u, r in units], axis=1),
        "b": np.stack([r * u[:, 2] for u, r in units], axis=1),
        "q": q,
    }
    rest = block.rest
    return ReluDraws(parameters, weights / weights.mean(), rest - log_integral, rest - log_integral - log_mean)


class _Block:
    """The integral over outputs and offset, c first: what is left of the Gram matrix and moments of two units."""

    def __init__(self, rows: Regression, beta: float):
        self.beta, root = beta, np.sqrt(rows.weights)
        self._inputs, self._root, self._target = rows.inputs, root, root * rows.target
        self._pivot = 1.0 + beta * float(rows.weights.sum())
        self._sum = float(root @ self._target)
        squares = float(self._target @ self._target)
        self.rest = 0.5 * (beta * squares - beta**2 * self._sum**2 / self._pivot + math.log(self._pivot))

    def units(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return units of slope 1 on the rows, their sums over the rows, and their products with the target."""
        features = np.maximum(directions @ self._inputs.T, 0.0) * self._root
        sums = features @ self._root
        return features, sums, features @ self._target - self.beta * sums * self._sum / self._pivot

    def less_offset(self, products, sums, other):
        """Return products of units when the offset is integrated out."""
        return products - self.beta * sums * other / self._pivot

    def log_integral(self, first, second, cross):
        """Return the log of the integral over both outputs; a unit is its radius, product with itself and moment."""
        beta = self.beta
        (r, g, h), (s, k, m) = first, second
        one, two, both = 1 + beta * r**2 * g, 1 + beta * s**2 * k, beta * r * s * cross
        a, b = beta * r * h, beta * s * m
        determinant = one * two - both**2
        return 0.5 * ((a**2 * two - 2 * a * b * both + b**2 * one) / determinant - np.log(determinant))


def _first_cells() -> np.ndarray:
    """Return cells of directions, (cells, 4): centre and width in azimuth/2π and (height + 1)/2."""
    centres = itertools.product((np.arange(AZIMUTHS) + 0.5) / AZIMUTHS, (np.arange(HEIGHTS) + 0.5) / HEIGHTS)
    return np.array([(a, h, 1 / AZIMUTHS, 1 / HEIGHTS) for a, h in centres])


def _halved(cells: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Return the cells with those that hold most of the mass cut in four."""
    order = np.argsort(-mass)
    held = np.cumsum(mass[order]) / mass.sum()
    many = int(np.searchsorted(held, COVERED)) + 1
    cut, keep = cells[order[:many]], cells[order[many:]]
    parts = [
        np.column_stack([cut[:, 0] + i * cut[:, 2] / 4, cut[:, 1] + j * cut[:, 3] / 4, cut[:, 2:] / 2])
        for i, j in itertools.product((-1, 1), repeat=2)
    ]
    return np.concatenate([keep, *parts])


def _radii(count: int) -> np.ndarray:
    return chi.ppf((np.arange(count) + 0.5) / count, 3)


def _directions(azimuth: np.ndarray, height: np.ndarray) -> np.ndarray:
    angle, z = 2 * math.pi * azimuth, 2 * height - 1
    across = np.sqrt(1 - z**2)
    return np.column_stack([across * np.cos(angle), across * np.sin(angle), z])


def _pair_logs(block: _Block, cells: np.ndarray, count: int, scaled: bool = True) -> np.ndarray:
    """Return the log of the mass of every pair of cells, by their centres: (radius, radius, cell, cell)."""
    features, sums, moment = block.units(_directions(*cells[:, :2].T))
    cross = block.less_offset(features @ features.T, sums[:, None], sums)
    own, radii = np.diag(cross), _radii(count)
    volumes = np.log(cells[:, 2:].prod(axis=1) / count)
    logs = np.empty((count, count, len(cells), len(cells)))
    for i, j in itertools.combinations_with_replacement(range(count), 2):
        column = (radii[i], own[:, None], moment[:, None])
        logs[i, j] = block.log_integral(column, (radii[j], own, moment), cross) + volumes[:, None] + volumes
        logs[j, i] = logs[i, j].T
    return logs - logs.max() if scaled else logs


def _points(cells: np.ndarray, radius: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return directions (draws, 3) and radii (draws,), uniform in their cells."""
    shift = rng.uniform(-0.5, 0.5, size=(len(cells), 3))
    directions = _directions(*(cells[:, :2] + shift[:, :2] * cells[:, 2:]).T)
    return directions, chi.ppf((radius + 0.5 + shift[:, 2]) / RADII, 3)


def _outputs(block: _Block, units, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the log of the integral over the outputs at given units, (draws,), and a draw of them, (draws, 2)."""
    densities, outputs = [], []
    (first, r), (second, s) = units
    for start in range(0, len(first), CHUNK):
        here = slice(start, start + CHUNK)
        f, f_sums, f_moment = block.units(first[here])
        g, g_sums, g_moment = block.units(second[here])
        own = block.less_offset(np.einsum("ij,ij->i", f, f), f_sums, f_sums)
        other = block.less_offset(np.einsum("ij,ij->i", g, g), g_sums, g_sums)
        cross = block.less_offset(np.einsum("ij,ij->i", f, g), f_sums, g_sums)
        one, two = (r[here], own, f_moment), (s[here], other, g_moment)
        densities.append(block.log_integral(one, two, cross))
        gram = np.array([[one[0] ** 2 * own, one[0] * two[0] * cross], [one[0] * two[0] * cross, two[0] ** 2 * other]])
        moment = np.array([one[0] * f_moment, two[0] * g_moment])
        outputs.append(normal_block(gram.transpose(2, 0, 1), moment.T[..., None], block.beta, rng)[..., 0])
    return np.concatenate(densities), np.concatenate(outputs)
