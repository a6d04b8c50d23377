"""Quadrature rules on the scales that singular posteriors have: fine at 0, wide at the prior.

A rule is (points, log_weights): ∫ f ≈ Σ exp(log_weights) f(points). The trapezoid rules after a
substitution that makes the integrand die doubly exponentially converge exponentially in 1/step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Rule(NamedTuple):
    """Nodes and log weights of a one-dimensional rule, both (N,)."""

    points: np.ndarray
    log_weights: np.ndarray


def half_line(step: float, lowest: float = 1e-18, highest: float = 12.0) -> Rule:
    """Return a rule on (0, ∞) for integrands analytic in log x that decay like a normal density.

    x = exp(s − exp(−s)), trapezoid in s (Takahasi & Mori 1974, double exponential).

    Parameters
    ----------
    step : float
        Spacing in s; about 0.1 gives 10 digits for the models here.
    lowest, highest : float
        Smallest and largest node, roughly: what lies outside is left out.
    """
    start = -math.log(-math.log(lowest))
    s = _steps(start, math.log(highest), step)
    return Rule(np.exp(s - np.exp(-s)), s - np.exp(-s) + np.log1p(np.exp(-s)) + math.log(step))


def unit_interval(step: float, extent: float = 3.2) -> Rule:
    """Return the tanh-sinh rule on (0, 1), refined doubly exponentially at both ends.

    Parameters
    ----------
    step : float
        Spacing in s, x = 1 / (1 + exp(−π sinh s)).
    extent : float
        |s| goes to this; 3.2 reaches 1e-17 of either end.
    """
    s = _steps(-extent, extent, step)
    u = math.pi * np.sinh(s)
    log_jacobian = math.log(math.pi) + np.log(np.cosh(s)) - np.abs(u) - 2 * np.log1p(np.exp(-np.abs(u)))
    return Rule(1 / (1 + np.exp(-u)), log_jacobian + math.log(step))


def whole_line(step: float, centre: float, scale: float, reach: float) -> Rule:
    """Return a rule on the line, spaced ``step * scale`` at the centre and evenly in the log far out.

    x = centre + scale · sinh(s), trapezoid in s.

    Parameters
    ----------
    step : float
        Spacing in s.
    centre, scale : float
        Where, and how narrow, the narrowest peak is.
    reach : float
        Largest |x − centre|.
    """
    extent = math.asinh(reach / scale)
    s = _steps(-extent, extent, step)
    return Rule(centre + scale * np.sinh(s), np.log(scale * np.cosh(s) * step))


def panels(edges: Sequence[float] | np.ndarray, order: int) -> Rule:
    """Return Gauss-Legendre of the given order on each panel between neighbouring edges."""
    base, weights = np.polynomial.legendre.leggauss(order)
    ends = np.asarray(edges, dtype=float)
    centre, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    points = centre[:, None] + half[:, None] * base
    return Rule(points.ravel(), np.log(half[:, None] * weights).ravel())


def graded_edges(finest: float, widest: float) -> np.ndarray:
    """Return panel edges 0, finest, 2 finest, 4 finest, … up to ``widest``, which is the last one."""
    count = max(1, math.ceil(math.log2(widest / finest)))
    return np.concatenate([[0.0], widest * 0.5 ** np.arange(count, -1, -1.0)])


def tensor(*rules: Rule, log_density: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the product of rules as (N, k) points and (N,) log weights.

    Parameters
    ----------
    *rules : Rule
        One for each coordinate.
    log_density : callable
        Of the k coordinates, each (N,): the log prior density and Jacobian, added to the weights.
        Nodes where it is −∞ are dropped.
    """
    columns = [c.ravel() for c in np.meshgrid(*(r.points for r in rules), indexing="ij")]
    sums = np.add.reduce([c.ravel() for c in np.meshgrid(*(r.log_weights for r in rules), indexing="ij")])
    log_weights = sums + log_density(*columns)
    keep = np.isfinite(log_weights)
    return np.stack(columns, axis=-1)[keep], log_weights[keep]


def log_normal_density(*coordinates: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return the log density of independent N(0, scale²) at the coordinates."""
    constant = math.log(scale * math.sqrt(2 * math.pi))
    terms = [-0.5 * (w / scale) ** 2 - constant for w in coordinates]
    return np.add.reduce(terms)


def observations(x: np.ndarray) -> float:
    """Return how many standard inputs have the sum of squares of these, (n, p): about n.

    What nodes take their scale from, so that data put on fewer rows of the same sums have the same nodes.
    """
    return float(np.sum(x**2)) / x.shape[1]


def _steps(start: float, stop: float, step: float) -> np.ndarray:
    return start + step * np.arange(math.floor((stop - start) / step) + 1)
