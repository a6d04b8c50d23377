"""What the study of two ReLU units divides the plane of effective norms into, and the best points of the regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from singular import models
from singular.analysis.phase_law import PhaseLaw
from singular.analysis.studies.relu_phases_exact import without_noise
from singular.models.networks.two_phase_relu import RADIUS, effective_norms

DEGENERATE, REGULAR = "degenerate", "non-degenerate"
ONE, TWO, ASIDE, OFF = "one unit", "two units", "set aside", "one unit off"
LOSS, NORM, EDGE = "loss of the best single unit", "norm of the best single unit", "least loss at the edge"
STARTS = 8
"""Of the optimiser; the lowest of its optima is taken."""

Region = Callable[[Mapping[str, Any]], Any]


def smaller_and_larger(parameters: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the smaller and the larger effective norm of the two units, each of the batch's shape."""
    norms = np.asarray(effective_norms({name: np.asarray(parameters[name]) for name in ("w", "b", "q")}))
    return norms.min(axis=-1), norms.max(axis=-1)


def divisions() -> tuple[Mapping[str, Region], ...]:
    """Return three ways to divide draws, all complete.

    The catalogue's two phases, parted at a smaller norm of 0.5; Carroll's rule, in which norms within 0.5 of (0, 2) or
    of (1, 1) count and the rest is set aside; and whether a unit is off on the whole square.

    Examples
    --------
    >>> point = {"w": np.array([[0.0, 1.0], [1.0, 0.0]]), "b": np.zeros(2), "q": np.array([1.6, 0.7])}
    >>> [name for division in divisions() for name, inside in division.items() if inside(point)]
    ['non-degenerate', 'set aside', 'both units on']
    """

    def near(parameters, small, large):
        least, most = smaller_and_larger(parameters)
        return (np.abs(least - small) < RADIUS) & (np.abs(most - large) < RADIUS)

    def one(parameters):
        return near(parameters, 0.0, 2.0)

    def two(parameters):
        return near(parameters, 1.0, 1.0)

    def off(parameters):
        return smaller_and_larger(parameters)[0] == 0.0

    return (
        models.two_phase_relu(1.0).phases,
        {ONE: one, TWO: two, ASIDE: lambda p: ~(one(p) | two(p))},
        {OFF: off, "both units on": lambda p: ~off(p)},
    )


def best_units(angle: float) -> pd.DataFrame:
    """Return the least K of one unit alone, its effective norm, and the least K with a smaller norm of 0.5.

    The first is the loss of what ``degenerate`` means to be, the last the least loss that the region holds if the truth
    lies outside: no more than the first, nats an observation.
    """
    rows = without_noise(models.two_phase_relu(angle), 1.0)
    root = np.sqrt(rows.weights)
    target, ones = root * rows.target, root[:, None]
    rng = np.random.default_rng(0)

    def fit(columns, what):
        design = np.column_stack([*columns, ones])
        found, *_ = np.linalg.lstsq(design, what, rcond=None)
        return 0.5 * float(np.sum((what - design @ found) ** 2)), found

    def unit(u):
        """Return a unit of norm 1 on the rows."""
        return root * np.maximum(rows.inputs @ u, 0.0) / np.hypot(u[0], u[1])

    def single(u):
        return fit([unit(u)], target)[0]

    def edge(v):
        return min(fit([unit(v[3:])], target - sign * RADIUS * unit(v[:3]))[0] for sign in (-1, 1))

    best = _least(single, np.array([0.0, 1.0, -0.2]), rng)
    _, found = fit([unit(best.x)], target)
    true = np.array([[s * np.cos(angle), np.sin(angle), -0.3] for s in (1, -1)])
    at_edge = min(
        (_least(edge, start, rng) for start in (true.ravel(), np.concatenate([true[0], best.x]))), key=lambda r: r.fun
    )
    values = {LOSS: best.fun, NORM: abs(float(found[0])), EDGE: at_edge.fun}
    return pd.DataFrame([{"quantity": name, "value": float(value)} for name, value in values.items()])


def laws(loss: float, constant: float = 0.0) -> dict[str, PhaseLaw]:
    """Return the free energies of one unit and of two: λ = 2 and a loss, λ = 7/2 and none.

    One unit has three effective parameters and the offset, all regular, and the other is off on an open set; two have
    seven, all regular.
    """
    return {ONE: PhaseLaw(loss, 2.0), TWO: PhaseLaw(0.0, 3.5, 1, constant)}


def _least(function, start, rng):
    options = {"xatol": 1e-6, "fatol": 1e-11, "maxiter": 4000, "maxfev": 4000}
    starts = [start + 0.3 * k / STARTS * rng.standard_normal(start.size) for k in range(STARTS)]
    return min((minimize(function, s, method="Nelder-Mead", options=options) for s in starts), key=lambda r: r.fun)
