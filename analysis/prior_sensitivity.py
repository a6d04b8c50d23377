"""How the evidence moves with the width of the prior, by reweighting the posterior's draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.estimate import Estimate, estimate, to_frame
from singular.analysis.thresholds import HEAVY_TAIL, MINIMUM_EFFECTIVE
from singular.models.density import map_rows
from singular.models.problem import Problem
from singular.models.scaled_prior import scaled_prior
from singular.posteriors.precision import x64
from singular.posteriors.unconstrained import unconstrained

if TYPE_CHECKING:
    import xarray as xr


def prior_sensitivity(ladder: xr.DataTree, problem: Problem, factors: Sequence[float] = (0.5, 2.0)) -> pd.DataFrame:
    """Return how F_n(1) moves when the scales of all priors are multiplied by each factor.

    Parameters
    ----------
    ladder, problem
        As for `prior_shift`.
    factors : sequence of float
        Positive.

    Returns
    -------
    DataFrame
        One row per factor: ``factor``, then ``quantity`` (``free_energy_shift``), ``beta, method, value, mcse,
        discretisation_error, target, flags`` as of the estimates of `prior_shift`; nats.

    Raises
    ------
    InputError
        As `prior_shift`.
    """
    frame = to_frame(prior_shifts(ladder, problem, factors), "free_energy_shift")
    frame.insert(0, "factor", [float(factor) for factor in factors])
    return frame


def prior_shift(ladder: xr.DataTree, problem: Problem, factor: float) -> Estimate:
    """Estimate F′_n(1) − F_n(1), F′ being the free energy with the scale of every prior multiplied by a factor.

    F′ − F = −log E[φ′(w)/φ(w)] over the posterior at β = 1, φ and φ′ both normalised. Which priors have a scale is told
    by `singular.models.scaled_prior.scaled_prior`: normal, Cauchy, Student, Laplace and logistic sites and half-normal
    and half-Cauchy ones; the ``target`` names the others, which are left alone. Add it to a free energy of the same
    ladder with their influences for F′ itself and its error.

    Parameters
    ----------
    ladder : DataTree
        With a rung at β = 1 and every latent site kept.
    problem : Problem
        The problem it was sampled from.
    factor : float
        Positive; above 1 widens the priors.

    Returns
    -------
    Estimate
        In nats; NaN where no prior has a scale. Flags: those of the rung; a Pareto k̂ of the ratios above 0.7, or fewer
        than 100 effective draws behind their mean: then the other prior puts its posterior elsewhere, and must be
        sampled itself.

    Raises
    ------
    InputError
        If the ladder cannot be read, has no rung at β = 1 or is not of this problem, or the factor is not positive.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), Stat. Comput. 34, 57: sensitivity by reweighting, with k̂.
    """
    return prior_shifts(ladder, problem, [factor])[0]


def prior_shifts(ladder: xr.DataTree, problem: Problem, factors: Sequence[float]) -> list[Estimate]:
    """Return `prior_shift` at several factors, from one pass over the draws."""
    handlers = [scaled_prior(problem.density, factor) for factor in factors]
    draws = read_draws(ladder)
    found = rung_flags(ladder, draws, [draws.index(1.0)])
    z = unconstrained(ladder, problem, 1.0)
    before = _log_prior(problem, z)
    shifts = []
    for handler in handlers:
        log_ratio = _log_prior(problem.replace(density=handler), z) - before
        value, influence, own = reweighted(log_ratio)
        target = f"F_n(1) with the prior scales of {', '.join(handler.scaled)} times {handler.factor:g}, less F_n(1)"
        if handler.left:
            target += f"; left alone: {', '.join(handler.left)}"
        if not handler.scaled:
            value, influence, own = math.nan, np.full(log_ratio.shape, np.nan), ["no site's prior has a scale"]
        shifts.append(estimate(value, influence, target=target, method="reweighted", beta=1.0, flags=(*found, *own)))
    return shifts


def reweighted(log_ratio: np.ndarray) -> tuple[float, np.ndarray, list[str]]:
    """Return −log mean exp(log_ratio), its influence and what is against it.

    Parameters
    ----------
    log_ratio : (chain, draw) float
        log φ′/φ at draws from the posterior under φ.
    """
    from arviz_stats.base.array import array_stats

    value = math.log(log_ratio.size) - np.asarray(logsumexp(log_ratio)).item()
    influence = 1.0 - np.exp(log_ratio + value)
    if np.ptp(log_ratio) < 1e-12:
        return value, np.zeros_like(log_ratio), []
    found = []
    khat = float(np.asarray(array_stats.psislw(-log_ratio.ravel())[1]))  # ArviZ takes minus log weights
    if not khat <= HEAVY_TAIL:
        found.append(f"Pareto k {khat:.2f} > {HEAVY_TAIL} of the ratios of the priors: sample with the other prior")
    shares = np.exp(log_ratio + value)
    effective = shares.sum() ** 2 / (shares**2).sum()
    if not effective >= MINIMUM_EFFECTIVE:
        found.append(f"{effective:.0f} < {MINIMUM_EFFECTIVE:.0f} effective draws under the other prior: sample with it")
    return value, influence, found


def _log_prior(problem: Problem, z: np.ndarray) -> np.ndarray:
    with x64():
        log_prior, _ = map_rows(problem.parts.split, z.reshape(-1, z.shape[-1]))
    return np.asarray(log_prior, dtype=np.float64).reshape(z.shape[:2])
