"""Do the draws of neighbouring rungs fit each other? A test that needs no exact answer."""

from __future__ import annotations

import numpy as np

from singular.analysis.trust import monte_carlo_error

MINIMUM_SHARED = 25.0
"""Σ p (1 − p) over the draws of a pair, p the chance that a draw is of the upper rung, below which the few draws that
both rungs could have made say too little of their ratio: 100 draws that might as well be of either."""
MARGIN = 50.0
"""Log odds beyond the outermost draws within which the intercept is looked for."""
MOST_STEPS = 100


def slope_departures(nll: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much the law of nll changes from each rung to the next one up other than it must, and its error.

    Whatever the model, the densities of v = nL_n on two rungs have the ratio p_{β'}(v)/p_β(v) ∝
    exp(−(β' − β) v). The logarithm of the odds that a draw is of the upper rung is thus linear in v, of a slope
    that is known. Here the intercept is fitted (which is Bennett's acceptance ratio) and the derivative of the
    log-likelihood in the slope is taken there, divided by its information: the first step from −(β' − β)
    towards the fitted slope. It differs from 0 by chance alone, unless one of the rungs has not been sampled.

    Parameters
    ----------
    nll : (chain, draw, beta) float
        nats; +inf is allowed where β = 0.
    betas : (beta,) float
        Ascending.

    Returns
    -------
    departure, mcse : (beta − 1,) float
        Relative to β' − β, and its Monte Carlo error from sums over the two rungs of each round, so that
        swaps and autocorrelation are in it. NaN where the rungs overlap too little to tell.

    References
    ----------
    Shirts (2013), J. Chem. Theory Comput. 9, 909: tests of thermodynamic ensembles by the ratio of two.
    Bennett (1976), J. Comput. Phys. 22, 245.
    """
    from scipy.special import expit

    gaps = np.diff(betas)
    v = np.stack([nll[..., :-1], nll[..., 1:]])  # (lower or upper, chain, draw, pair)
    infinite = np.isinf(v)
    v = np.where(infinite, 0.0, v)
    v = v - v.mean(axis=(0, 1, 2))
    drive = np.where(infinite, -np.inf, -gaps * v)
    odds = _intercepts(drive, nll[..., 0].size)
    share = expit(odds + drive)
    weight = share * (1.0 - share)
    shared = weight.sum(axis=(0, 1, 2))
    centre = np.sum(weight * v, axis=(0, 1, 2)) / np.maximum(shared, 1e-300)
    information = np.mean(np.sum(weight * (v - centre) ** 2, axis=0), axis=(0, 1))
    upper = np.array([0.0, 1.0])[:, None, None, None]
    score = np.sum(np.where(infinite, 0.0, (upper - share) * (v - centre)), axis=0)
    scale = np.where((shared >= MINIMUM_SHARED) & (information > 0.0), information, np.nan) * gaps
    error = np.array([monte_carlo_error(score[..., i]) for i in range(gaps.size)])
    return -score.mean(axis=(0, 1)) / scale, error / scale


def _intercepts(drive: np.ndarray, upper: int) -> np.ndarray:
    """Solve Σ expit(c + drive) = ``upper`` for c, pair by pair: Newton's method kept within a bracket."""
    from scipy.special import expit

    finite = np.where(np.isfinite(drive), drive, np.nan)
    low, high = -np.nanmax(finite, axis=(0, 1, 2)) - MARGIN, -np.nanmin(finite, axis=(0, 1, 2)) + MARGIN
    odds = -np.nanmedian(finite, axis=(0, 1, 2))
    for _ in range(MOST_STEPS):
        share = expit(odds + drive)
        excess = share.sum(axis=(0, 1, 2)) - upper
        low, high = np.where(excess < 0, odds, low), np.where(excess > 0, odds, high)
        information = np.sum(share * (1.0 - share), axis=(0, 1, 2))
        newton = odds - excess / np.maximum(information, 1e-300)
        inside = (newton > low) & (newton < high)
        new = np.where(inside, newton, 0.5 * (low + high))
        done = np.max(np.abs(new - odds)) < 1e-9
        odds = new
        if done:
            break
    return odds
