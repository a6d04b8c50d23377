"""Where the rungs go: the communication barrier, measured on a pilot run, cut into even steps."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import erfcinv

WIDEST_RATIO = 4.0
"""Neighbouring rungs are no further apart than this, above the first two in β, below in β + s: curves need points."""
MOST_NEAR_PRIOR = 4
"""Steps from β = 0 to the first rung that can be reached from the prior, at most."""
FIRST_RUNG_SAMPLE = 400


def barrier_step(acceptance: float) -> float:
    """Return the barrier between neighbours at which a swap is accepted with probability ``acceptance``.

    For a normal nll of variance σ² the barrier is Δβ σ/√π (half the mean absolute difference of two draws)
    and the acceptance erfc(Δβ σ/2); Syed et al. (2022), section 3, and Predescu et al. (2004).

    Examples
    --------
    >>> round(barrier_step(0.5), 3)
    0.538
    """
    return 2 / math.sqrt(math.pi) * float(erfcinv(acceptance))


def first_rung(nll: np.ndarray, acceptance: float) -> float:
    """Return the smallest β > 0 of the ladder: swaps with the prior are accepted at the given rate there.

    Parameters
    ----------
    nll : (draw,)
        n L_n at exact prior draws; the tempered law is got from them by weights.
    """
    v = np.sort(nll[np.isfinite(nll)])[:: max(1, nll.size // FIRST_RUNG_SAMPLE)]
    gaps = v[None, :] - v[:, None]

    def rate(beta):
        weights = np.exp(-beta * (v - v[0]))
        swap = np.exp(np.minimum(-beta * gaps.T, 0.0))
        return float((swap @ (weights / weights.sum())).mean())

    if rate(1.0) >= acceptance:
        return 1.0
    low, high = -40.0, 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rate(math.exp(middle)) >= acceptance else (low, middle)
    return math.exp(low)


def rungs_near_prior(first: float, prior: np.ndarray, posterior: np.ndarray) -> list[float]:
    """Return rungs between β = 0 and ``first``, which swaps do not need and integrals over β do.

    Where nll has a long tail under the prior, E_β falls steeply just above β = 0. On the axis log(β + s), with
    s = (E_0 − e)/Var_0 and e = E_1 − Var_1, it is smooth (``analysis.thermodynamic_integration``); these rungs cut it
    into steps of at most log `WIDEST_RATIO`, but into no more than `MOST_NEAR_PRIOR`.

    Parameters
    ----------
    first : float
    prior, posterior : (draw,)
        n L_n at β = 0 and at β = 1.
    """
    variance = np.var(prior)
    fall = np.mean(prior) - np.mean(posterior) + np.var(posterior)
    if not (np.isfinite(variance) and fall > 0 and variance > 0):
        return []
    scale = fall / variance
    length = math.log1p(first / scale)
    pieces = min(MOST_NEAR_PRIOR, max(1, math.ceil(length / math.log(WIDEST_RATIO) - 0.1)))
    return [scale * math.expm1(length * k / pieces) for k in range(1, pieces)]


def pilot_betas(first: float) -> np.ndarray:
    """Return 0 and a geometric grid from the first rung to 1."""
    count = max(3, math.ceil(-math.log(first) / math.log(WIDEST_RATIO)) + 1)
    return np.concatenate([[0.0], np.geomspace(min(first, 0.5), 1.0, count)])


def mean_absolute_difference(values: np.ndarray) -> float:
    """Return E|V − V'| for independent V, V' (Gini's mean difference), from draws."""
    v = np.sort(np.ravel(values))
    n = v.size
    return float(2 * np.sum((2 * np.arange(1, n + 1) - n - 1) * v) / (n * (n - 1)))


def spread_evenly(betas: np.ndarray, nll: np.ndarray, acceptance: float, first: float, marks=()) -> np.ndarray:
    """Place rungs so that every swap is accepted about equally often.

    The local barrier β E|V − V'|/2 is measured on the pilot's rungs, interpolated in log β and integrated;
    each stretch between ``marks`` is cut into equal shares of it. Syed et al. (2022), algorithm 2. Below the first
    rung there are `rungs_near_prior`.

    Parameters
    ----------
    betas : (rung,)
        The pilot's rungs, the first one 0.
    nll : (draw, rung)
        The pilot's draws of n L_n.
    acceptance : float
        Wanted swap acceptance, in (0, 1).
    first : float
        The lowest rung that swaps need: `first_rung`, as `pilot_betas` has it.
    marks : sequence of float
        Inverse temperatures that must be rungs, in (0, 1).

    Returns
    -------
    (rung,) float
        Ascending, from 0 to 1, the marks among them.
    """
    u = np.log(betas[1:])
    rate = np.array([0.5 * b * mean_absolute_difference(v) for b, v in zip(betas[1:], nll.T[1:], strict=True)])
    rate = np.maximum(rate, 1e-3)
    barrier = PchipInterpolator(u, rate).antiderivative()
    size = barrier_step(acceptance)
    marks = sorted(marks)
    near = rungs_near_prior(first, nll[:, 0], nll[:, -1])
    chosen = [0.0, *near, *(m for m in marks if m < first), first]
    for mark in [*(m for m in marks if m > first), 1.0]:
        low, high = math.log(chosen[-1]), math.log(mark)
        fine = np.linspace(low, high, 400)
        travelled = barrier(fine) - barrier(low)
        pieces = max(1, math.ceil(travelled[-1] / size - 0.1), math.ceil((high - low) / math.log(WIDEST_RATIO) - 0.1))
        shares = np.linspace(0, travelled[-1], pieces + 1)[1:-1]
        chosen += [*np.exp(np.interp(shares, travelled, fine)), mark]
    return np.unique(np.array(chosen, dtype=float))
