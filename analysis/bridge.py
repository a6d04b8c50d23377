"""Bridge sampling: the evidence from the posterior's draws and a normal that is warped onto them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logsumexp

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.thresholds import HEAVY_TAIL, MINIMUM_EFFECTIVE
from singular.analysis.trust import monte_carlo_error
from singular.errors import InputError, whole
from singular.models.density import map_rows
from singular.models.problem import Problem
from singular.posteriors.precision import x64
from singular.posteriors.unconstrained import unconstrained

if TYPE_CHECKING:
    import xarray as xr

ITERATIONS = 1000
TOLERANCE = 1e-10
"""Change of the log evidence, in nats, at which the iteration has converged."""
FITTED = 4
"""One in so many draws of each chain, the first ones, is what the normal is fitted to."""


def bridge(ladder: xr.DataTree, problem: Problem, seed: int = 0, proposals: int | None = None) -> Estimate:
    """Estimate F_n(1) by warp-III bridge sampling between the posterior and a normal.

    On the unconstrained space, with mean μ and covariance R Rᵀ fitted to the first quarter of each chain at β = 1, the
    posterior density q = φ exp(−nL_n) is made symmetric, q̃(η) = |R| (q(μ + R η) + q(μ − R η))/2, which leaves its
    integral Z as it is. With g the standard normal, the optimal bridge

        Z = mean_g[q̃ / (s₁ q̃ + s₂ Z g)] / mean_posterior[g / (s₁ q̃ + s₂ Z g)]

    is iterated on the draws that are left, s₁ : s₂ being effective posterior draws to draws of g. The terms of both
    means are bounded, so their errors hold even where the posterior is no normal, as long as both see enough of what
    they share. (Were the two parts of the draws to change places and the answers averaged, their errors would be
    correlated: what one part adds by its fit is what the other adds by its mean.)

    Parameters
    ----------
    ladder : DataTree
        With a rung at β = 1 and every latent site kept.
    problem : Problem
        The problem it was sampled from.
    seed : int
        Of the draws of the normal.
    proposals : int, optional
        Draws of the normal, at least 100; by default as many as there are posterior draws to bridge from.

    Returns
    -------
    Estimate
        In nats. ``influence`` is what the posterior draws contribute, 0 for those the normal was fitted to. The draws
        of the normal are independent of them, and their share is added in squares to ``mcse`` alone: `difference`
        from another estimate of the same ladder leaves it out. Flags: those of the rung, an iteration that did not
        end, and fewer than 100 effective draws in either mean or a Pareto k̂ of its terms above 0.7, which says that
        the posterior is a poor match for a normal.

    Raises
    ------
    InputError
        If the ladder cannot be read, has no rung at β = 1, has too few draws to fit a normal to, or is not of this
        problem.

    References
    ----------
    Meng and Wong (1996), Statist. Sinica 6, 831-860: the optimal bridge.
    Meng and Schilling (2002), J. Comput. Graph. Stat. 11, 552-586: warping.
    Gronau, Singmann and Wagenmakers (2020), J. Stat. Softw. 92(10): effective numbers of draws in it.
    """
    whole("seed", seed, 0)
    draws = read_draws(ladder)
    top = draws.index(1.0)
    z = unconstrained(ladder, problem, 1.0)
    chains, length, dim = z.shape
    cut = length // FITTED
    if chains * cut < 2 * dim + 8:
        raise InputError(
            f"ladder: {chains * length} posterior draws are too few to fit a normal in {dim} dimensions to a quarter "
            f"of them; at least {FITTED * (2 * dim + 8)} are needed"
        )
    count = chains * (length - cut) if proposals is None else whole("proposals", proposals, least=100)
    warp = _Warp(problem, z[:, :cut].reshape(-1, dim))
    posterior = warp.log_ratio(warp.to_normal(z[:, cut:].reshape(-1, dim)))
    proposal = warp.log_ratio(np.random.default_rng([seed, 7]).standard_normal((count, dim)))
    effective = _effective(posterior.reshape(chains, -1))
    log_z, converged = optimal_bridge(posterior, proposal, effective)
    shift = math.log(effective / count) - log_z
    terms, proposal_terms = expit(-(posterior + shift)), expit(proposal + shift)
    series = (terms / terms.mean()).reshape(chains, -1) - 1.0
    own = float(np.std(proposal_terms, ddof=1) / np.mean(proposal_terms)) / math.sqrt(count)
    found = [] if converged else [f"the bridge did not converge in {ITERATIONS} iterations"]
    for what, error, averaged in (
        ("the normal", own, proposal_terms),
        ("the posterior", monte_carlo_error(series), terms),
    ):
        if not error <= MINIMUM_EFFECTIVE**-0.5:
            worth = f"{error**-2:.0f} < {MINIMUM_EFFECTIVE:.0f} effective draws of {what} in the bridge"
            found.append(f"{worth}: the posterior is a poor match for a normal")
        khat = _khat(averaged)
        if khat > HEAVY_TAIL:
            found.append(f"Pareto k {khat:.2f} > {HEAVY_TAIL} of the bridge's terms over draws of {what}")
    e = estimate(
        -log_z,
        np.concatenate([np.zeros((chains, cut)), series * (length / (length - cut))], axis=1),
        target="F_n(1), the negative log evidence",
        method="bridge",
        beta=1.0,
        flags=(*rung_flags(ladder, draws, [top]), *found),
    )
    return replace(e, mcse=math.hypot(e.mcse, own))


class _Warp:
    """The affine map that takes draws to mean 0 and covariance 1, and the density made symmetric under it."""

    def __init__(self, problem: Problem, fitted: np.ndarray) -> None:
        self.problem = problem
        self.centre = fitted.mean(axis=0)
        dim = fitted.shape[1]
        try:
            self.root = np.linalg.cholesky(np.cov(fitted, rowvar=False).reshape(dim, dim))
        except np.linalg.LinAlgError:
            raise InputError("ladder: the posterior draws do not vary in every direction to fit a normal to") from None

    def to_normal(self, z: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.root, (z - self.centre).T).T

    def log_ratio(self, eta: np.ndarray) -> np.ndarray:
        """Return log q̃/g at rows of η; −inf where the density vanishes or is not a number."""
        both = np.stack([self._log_density(self.centre + sign * eta @ self.root.T) for sign in (1, -1)])
        log_normal = -0.5 * (eta**2).sum(axis=1) - 0.5 * eta.shape[1] * math.log(2 * math.pi)
        log_volume = float(np.log(np.diagonal(self.root)).sum())
        return np.asarray(logsumexp(both, axis=0)) - math.log(2) + log_volume - log_normal

    def _log_density(self, z: np.ndarray) -> np.ndarray:
        with x64():
            log_prior, nll = map_rows(self.problem.parts.split, z)
        density = np.asarray(log_prior - nll, dtype=np.float64)
        return np.where(np.isnan(density), -np.inf, density)


def optimal_bridge(posterior: np.ndarray, proposal: np.ndarray, effective: float) -> tuple[float, bool]:
    """Iterate the optimal bridge of Meng and Wong to its fixed point.

    Parameters
    ----------
    posterior, proposal : (draw,) float
        log of unnormalised target over normalised proposal, at draws of the target and of the proposal; −inf where
        the target vanishes.
    effective : float
        Draws of the target counted as independent; draws of the proposal are.

    Returns
    -------
    log_z : float
        log of the target's integral.
    converged : bool
    """
    log_odds = math.log(effective / proposal.size)
    log_z = float(np.median(posterior))
    for _ in range(ITERATIONS):
        # with c = log s₁/s₂ − log Z: expit(l + c)/s₁ over the draws of g, expit(−l − c)/(s₂ Z) over those of the target
        upper = _log_mean(-np.logaddexp(0.0, -(proposal + log_odds - log_z)))
        lower = _log_mean(-np.logaddexp(0.0, posterior + log_odds - log_z))
        new = log_z - log_odds + upper - lower
        moved = abs(new - log_z)
        log_z = new
        if not moved > TOLERANCE:
            return log_z, bool(np.isfinite(log_z))
    return log_z, False


def _log_mean(logs: np.ndarray) -> float:
    return np.asarray(logsumexp(logs)).item() - math.log(logs.size)


def _khat(terms: np.ndarray) -> float:
    """Return the Pareto k̂ of the upper tail of terms in [0, 1]."""
    from arviz_stats.base.array import array_stats

    logs = np.log(np.maximum(terms, np.finfo(float).tiny))
    return float(np.asarray(array_stats.psislw(-logs)[1]))  # ArviZ takes minus log weights


def _effective(series: np.ndarray) -> float:
    """Return the effective number of draws of a series (chain, draw), at most its length, at least 1."""
    error = monte_carlo_error(series)
    return float(np.clip(np.var(series) / error**2, 1.0, series.size)) if error > 0 else float(series.size)
