"""The Monte Carlo error of a mean, and whether it can be believed: second routes to it, and flags where they differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from singular.analysis.thresholds import (
    BLOCKS,
    FALSE_ALARM,
    HEAVY_TAIL,
    LEFT_OUT,
    MINIMUM_BLOCK,
    MINIMUM_EFFECTIVE,
    MINIMUM_TAIL,
    SECOND_LAG,
)

UNTRUSTED = "error bar not trustworthy"
"""What every flag of this module begins with."""


def monte_carlo_error(influence: np.ndarray) -> float:
    """Return the standard error of the mean of an autocorrelated series.

    sd/√ESS, with the ESS of the mean (Vehtari et al., 2021: split chains, Geyer's initial
    monotone sequence). Chains that disagree raise it.

    Parameters
    ----------
    influence : (chain, draw) float

    Returns
    -------
    float
        In the unit of ``influence``; 0 for a constant series, NaN if a value is not finite or there are
        fewer than 4 draws a chain.
    """
    from arviz_stats.base.array import array_stats

    series = np.asarray(influence, dtype=np.float64)
    if series.ndim != 2 or series.shape[1] < 4 or not np.isfinite(series).all():
        return math.nan
    spread = float(np.std(series))
    if spread <= 1e-14 * float(np.max(np.abs(series))):
        return 0.0
    # ArviZ takes a series that spans less than 1e-15 for a constant one: give it unit scale
    error: Any = array_stats.mcse(series / spread, chain_axis=0, draw_axis=1, method="mean")
    return float(error) * spread


def block_error(influence: np.ndarray, blocks: int = BLOCKS) -> float:
    """Return the standard error of the mean of an autocorrelated series from the means of long blocks.

    Each chain is cut into ``blocks`` pieces of one length, as many of its first draws left out as do not fit.
    The means of pieces much longer than the autocorrelation time are nearly independent, and their spread
    about the overall mean gives the error without any estimate of autocorrelations: it shares nothing but the
    draws with `monte_carlo_error`. Its own relative error is about 1/√(2 (pieces − 1)), 13 % with 32 of them.

    Parameters
    ----------
    influence : (chain, draw) float
    blocks : int
        Pieces of each chain.

    Returns
    -------
    float
        In the unit of ``influence``; NaN if a value is not finite or there are fewer draws than blocks.

    References
    ----------
    Geyer (1992), Statist. Sci. 7, 473: batch means.
    """
    series = np.asarray(influence, dtype=np.float64)
    if series.ndim != 2 or series.shape[1] < blocks or series.size == 0 or not np.isfinite(series).all():
        return math.nan
    means = block_means(series, series.shape[1] // blocks)
    return float(np.std(means, ddof=1) / math.sqrt(means.size))


def block_means(series: np.ndarray, length: int) -> np.ndarray:
    """Return the means of consecutive pieces of ``length`` draws: (…, chain, draw) -> (…, chain, piece)."""
    draws = series.shape[-1]
    whole = series[..., draws % length :]
    return whole.reshape(*series.shape[:-1], draws // length, length).mean(axis=-1)


def trust_flags(influence: np.ndarray, mcse: float) -> tuple[str, ...]:
    """Return the reasons not to believe ``mcse`` as the error of the mean of ``influence``.

    Four are looked for; the limits, with their reasons, are in `thresholds`.

    - The series has too few effective draws, (sd/mcse)², for its autocorrelations to be known.
    - Blocks disagree: the error from the means of long blocks is larger than ``mcse`` by more than chance,
      the square of their ratio being χ²/dof with one degree of freedom fewer than there are blocks, and by more than
      ``mcse`` itself can be off: it is read off half chains less their means, which hides a part of about
      τ/(draws of half a chain), τ the autocorrelation time it stands for.
    - Chains disagree: their means differ by more than the spread of blocks within each chain allows (Fisher's
      F of an analysis of variance, blocks that follow each other being correlated by as much as they are). The draws
      of a chain that is stuck look fine by themselves.
    - The series has a tail so heavy (Pareto k̂ of its absolute values) that rare draws yet to come could
      move the mean by more than any error shows.

    Parameters
    ----------
    influence : (chain, draw) float
    mcse : float
        What `monte_carlo_error` returned for it.
    """
    series = np.asarray(influence, dtype=np.float64)
    if not (mcse > 0.0) or series.ndim != 2 or not np.isfinite(series).all():
        return ()
    found = []
    effective = float(np.var(series)) / mcse**2
    if effective < MINIMUM_EFFECTIVE:
        found.append(f"{effective:.0f} effective draws < {MINIMUM_EFFECTIVE:.0f}")
    if series.shape[1] >= BLOCKS * MINIMUM_BLOCK:
        found += _disagreements(series / mcse, hidden=2 * (series.size / effective) / series.shape[1])
    khat = _tail(series)
    if khat > HEAVY_TAIL:
        found.append(f"heavy tail of its influence (Pareto k {khat:.2f} > {HEAVY_TAIL})")
    return tuple(f"{UNTRUSTED}: {what}" for what in found)


def _disagreements(scaled: np.ndarray, hidden: float) -> list[str]:
    """``scaled`` is the influence in units of its mcse, ``hidden`` the part of it that half chains can hide."""
    from scipy.special import chdtri, fdtri

    found = []
    means = block_means(scaled, scaled.shape[1] // BLOCKS)
    chains = means.shape[0]
    ratio = float(np.std(means, ddof=1)) / math.sqrt(means.size)
    largest = math.sqrt(float(chdtri(means.size - 1, FALSE_ALARM)) / (means.size - 1)) * (1 + hidden)
    if ratio > largest:
        found.append(f"blocks of draws give {ratio:.2f} times the error, chance up to {largest:.2f}")
    within = float(np.mean(np.var(means, axis=1, ddof=1))) / BLOCKS
    if chains > 1 and within > 0.0:
        excess = float(np.var(means.mean(axis=1), ddof=1)) / within
        largest = float(fdtri(chains - 1, chains * (BLOCKS - 1), 1.0 - FALSE_ALARM)) * _correlated(means)
        if excess > largest:
            found.append(f"chains disagree (F = {excess:.1f}, chance up to {largest:.1f})")
    return found


def _correlated(means: np.ndarray) -> float:
    """Return how much more the mean of a chain varies than if its blocks, (chain, block), were independent; at least 1.

    Their covariances at the first lags follow from products of their residuals, whose expectations are linear in them:
    tr(M A_k M Γ) for the residuals M x, M = I − 1/B, of blocks with the covariance Γ. The chains that stand furthest
    apart are left out, since a stuck one would excuse itself.
    """
    chains, blocks = means.shape
    middle = means.mean(axis=1)
    apart = np.abs(middle - np.median(middle))
    kept = means[np.argsort(apart)[: chains - int(chains * LEFT_OUT)]]
    lags = range(3 if chains >= SECOND_LAG else 2)
    pairs = [np.eye(blocks, k=lag) + np.eye(blocks, k=-lag) for lag in lags]
    centre = np.eye(blocks) - 1 / blocks
    residuals = kept - kept.mean(axis=1, keepdims=True)
    seen = [float(np.mean(np.sum(residuals @ pair * residuals, axis=1))) for pair in pairs]
    if seen[0] <= 0.0:
        return 1.0
    expected = [[float(np.trace(centre @ pair @ centre @ other)) for other in pairs] for pair in pairs]
    covariances = np.linalg.solve(expected, seen)
    of_mean = sum(value * pair.sum() for value, pair in zip(covariances, pairs, strict=True)) / blocks**2
    independent = 0.5 * seen[0] / (blocks - 1) / blocks
    return max(1.0, float(of_mean / independent))


def _tail(series: np.ndarray) -> float:
    """Return the Pareto k̂ of the absolute values of a series, (chain, draw); −inf for too few draws, or no tail."""
    if series.size < MINIMUM_TAIL:
        return -math.inf
    from arviz_stats.base.array import array_stats

    size = np.abs(series) / np.std(series)
    longest = max(5, math.ceil(min(0.2 * size.size, 3 * math.sqrt(size.size))))
    ordered = np.sort(size, axis=None)
    if ordered[-1] - ordered[-longest] < 1e-12:  # as of a region's 0 and 1: there is no tail
        return -math.inf
    khat: Any = array_stats.pareto_khat(size, chain_axis=0, draw_axis=1, r_eff=1.0, tail="right")
    return float(khat)
