"""Every fit of the law of a volume to the increments of a measured curve, each with its weight.

log V(s) = −λ s + (m − 1) log((L + b)/(L_0 + b)) + c + further(s),  L = −log ε, s = L − L_0 from the start of the curve.

The further poles of the zeta function lie at λ + δ and beyond. They are given in three ways, before any data a half, a
quarter and a quarter likely: none that shows; one, log(1 + r e^(−δ s)); or four at multiples of δ, as those of one
divisor are, each of them of order up to two: Σ_k (a_k + c_k k δ s) e^(−k δ s), with a_k, c_k ~ N(0, A²). δ is taken
from `SHIFTS`, r from `RATIOS` and A from `SIZES`, all equally likely, as is every m and, given m, every b. λ, a and c
are linear and are integrated out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp

NEAREST = 1 / 16
"""The least distance δ from λ to the next pole that is allowed for: a nearer one changes too little of a curve of tens
of decades to be told from none."""
SHIFTS = np.geomspace(NEAREST, 1.0, 9)
"""Distances δ that are tried."""
RATIOS = np.expm1(np.linspace(-3.0, 3.0, 31))
"""Sizes r of a single further term, as shares of the leading one at L_0: from −95 % to twenty times as much."""
SIZES = (0.1, 0.32, 1.0, 3.2)
"""Standard deviations A of the coefficients of four further poles."""
MULTIPLES = 4
OFFSETS = np.linspace(-3.0, 5.0, 33)
"""Values of b: the scale of ε, within factors of e^−3 and e^5."""
NEIGHBOURS = 7
"""Levels on either side over which the variance of an increment is averaged."""

NONE, ONE, SEVERAL = 0, 1, 2
"""How many further poles a fit has."""
PRIOR = {NONE: 0.5, ONE: 0.25, SEVERAL: 0.25}


@dataclass(frozen=True)
class Steps:
    """Increments of log V from level to level: the ends of each in L, the increment and its variance."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


class Fits(NamedTuple):
    """Fits, one an entry.

    Attributes
    ----------
    order : (N,) int
        m.
    further : (N,) int
        `NONE`, `ONE` or `SEVERAL`.
    shift : (N,) float
        δ; NaN without further poles.
    value, variance : (N,) float
        λ and its variance, everything else held.
    cost : (N,) float
        χ², with the squares of the coefficients of several poles in units of their A.
    log_weight : (N,) float
        log of prior times likelihood, λ and coefficients integrated out.
    """

    order: np.ndarray
    further: np.ndarray
    shift: np.ndarray
    value: np.ndarray
    variance: np.ndarray
    cost: np.ndarray
    log_weight: np.ndarray


def increments(x: np.ndarray, curves: np.ndarray, start: float) -> Steps:
    """Return the increments of the log of the mean volume beyond ``start``; their variance by the jackknife.

    Copies of few ancestors make distant increments move together, and the curve less certain than its increments
    say: the variance is raised by as much.

    Parameters
    ----------
    x : (levels,) float
        L.
    curves : (replicates, levels) float
        log V of each replicate, nats.
    start : float
        Share of the curve, in L, that is left out at its large ε.
    """
    begin = max(x[0], 0.0) + start * (x[-1] - max(x[0], 0.0))
    used = np.flatnonzero(x >= begin)
    count = curves.shape[0]
    without = np.stack([_log_sum(np.delete(curves, r, axis=0)) for r in range(count)])
    mean, without = (np.diff(c[..., used], axis=-1) for c in (_log_sum(curves), without))
    raw = (count - 1) * np.var(without, axis=0)
    variance = np.array([raw[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1].mean() for i in range(raw.size)])
    together = (count - 1) * np.var(without.sum(axis=1)) / variance.sum()
    return Steps(x[used[:-1]], x[used[1:]], mean, variance * max(1.0, float(together)))


def all_fits(steps: Steps, orders: Sequence[int]) -> Fits:
    """Return every fit with these m."""
    leading = [
        (order, offset, -math.log(len(orders) * len(offsets)))
        for order in orders
        for offsets in [_offsets(order, steps)]
        for offset in offsets
    ]
    order, offset, prior = (np.array(column) for column in zip(*leading, strict=True))
    scale = steps.variance**-0.5
    logs = (order - 1)[:, None] * np.log((steps.high + offset[:, None]) / (steps.low + offset[:, None]))
    targets = (steps.mean - logs) * scale
    start = steps.low[0]
    column, none = (steps.low - steps.high) * scale, np.zeros((targets.shape[1], 0))
    found = [_fit(order, prior, targets, column, none, NONE, math.nan, 1)]
    for shift in SHIFTS:
        for ratio in RATIOS:
            known = scale * _difference(lambda s, d=shift, r=ratio: np.log1p(r * np.exp(-d * s)), steps, start)
            found.append(_fit(order, prior, targets - known, column, none, ONE, shift, SHIFTS.size * RATIOS.size))
        powers = _powers(steps, shift, start) * scale[:, None]
        for size in SIZES:
            many = len(SIZES) * SHIFTS.size
            found.append(_fit(order, prior, targets, column, size * powers, SEVERAL, shift, many))
    return Fits(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def weights(fits: Fits, raised: float = 1.0) -> np.ndarray:
    """Return the probability of each fit, (N,); ``raised`` is by how much the variances have to be raised."""
    log_weight = fits.log_weight / raised
    return np.exp(log_weight - logsumexp(log_weight))


def _offsets(order: int, steps: Steps) -> np.ndarray:
    return OFFSETS[steps.low[0] + OFFSETS >= 1.0] if order > 1 else np.zeros(1)


def _difference(function, steps: Steps, start: float) -> np.ndarray:
    return function(steps.high - start) - function(steps.low - start)


def _powers(steps: Steps, shift: float, start: float) -> np.ndarray:
    """Return increments of e^(−kδs) and of kδs e^(−kδs), (increments, 2 `MULTIPLES`)."""
    columns = []
    for rate in shift * np.arange(1, MULTIPLES + 1):
        columns.append(_difference(lambda s, r=rate: np.exp(-r * s), steps, start))
        columns.append(_difference(lambda s, r=rate: r * s * np.exp(-r * s), steps, start))
    return np.stack(columns, axis=1)


def _fit(order, prior, targets, column, random, further: int, shift: float, many: int) -> Fits:
    """Return the fits of one further term: targets (N, increments) in units of their errors, ``random`` its columns."""
    root = cholesky(np.eye(column.size) + random @ random.T, lower=True)
    rows = solve_triangular(root, np.vstack([column, targets]).T, lower=True).T if random.size else None
    line, rest = (column, targets) if rows is None else (rows[0], rows[1:])
    precision = float(line @ line)
    value = rest @ line / precision
    cost = np.sum((rest - value[:, None] * line) ** 2, axis=1)
    density = -0.5 * cost - np.sum(np.log(np.diag(root))) - 0.5 * math.log(precision)
    constant = np.ones(order.size)
    return Fits(
        order,
        np.full(order.size, further),
        shift * constant,
        value,
        constant / precision,
        cost,
        density + prior + math.log(PRIOR[further] / many),
    )


def _log_sum(curves: np.ndarray) -> np.ndarray:
    return np.asarray(logsumexp(curves, axis=0))
