"""Penalised maximum likelihoods beside the free energy: BIC and Laplace's approximation, with what is against them."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import numpy as np
from scipy.optimize import minimize

from singular.analysis.estimate import Estimate
from singular.analysis.thresholds import FAR_FROM_NORMAL, NEARLY_SINGULAR, RIVAL_MODE
from singular.models.density import compiled, map_rows
from singular.models.problem import Problem
from singular.posteriors.precision import x64

SCREENED = 256
"""Prior draws among which the starts of the search for modes are chosen."""
STARTS = 8
"""Starts with the largest posterior density, and as many as they come."""
STEPS = 2.0
"""Standard deviations, along each eigenvector of the Hessian, at which the posterior is compared with a normal."""


class Mode(NamedTuple):
    """A maximum of the posterior density on the unconstrained space.

    ``log_density`` is log φ(z) − nL_n(z) there, nats; ``hessian`` is minus its second derivative, (d, d).
    """

    z: np.ndarray
    log_density: float
    hessian: np.ndarray


def bic(problem: Problem) -> Estimate:
    """Return BIC on the scale of F_n(1): nL_n(ŵ) + (d/2) log n.

    It is the free energy up to O_p(1) if the model is regular. Where the data tell no more of a direction than the
    prior does, d/2 counts too many: the flag says in how many directions that is so at ŵ.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Estimate
        In nats, without Monte Carlo error. Flagged too where the likelihood has no maximum.

    References
    ----------
    Schwarz (1978), Ann. Statist. 6, 461-464.
    """
    reference = problem.reference
    found = [*reference.flags]
    with x64():
        hessian = np.asarray(_hessian_of_nll(problem)(reference.z))
        spread = _prior_spread(problem)
    vague = int((np.linalg.eigvalsh(np.outer(spread, spread) * hessian) < 1.0).sum())
    if vague:
        found.append(
            f"the data say less than the prior in {vague} of {problem.dim} directions at the maximum: use sBIC"
        )
    value = reference.nll + 0.5 * problem.dim * math.log(problem.n)
    return Estimate(value, 0.0, "BIC, which is F_n(1) up to O_p(1) in regular models", "bic", 1.0, flags=tuple(found))


def laplace(problem: Problem) -> Estimate:
    """Return Laplace's approximation of F_n(1): a normal at the posterior mode, on the unconstrained space.

    −log φ(z*) + nL_n(z*) − (d/2) log 2π + ½ log det H, H the Hessian of −log posterior density at its mode z*. It
    depends on the parametrisation: bounded sites are mapped to the real line as NumPyro does, and φ is the prior
    density there.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Estimate
        In nats, without Monte Carlo error; NaN where H is not positive definite. Flags: H singular, the posterior
        unlike a normal two standard deviations from the mode along an eigenvector of H, another mode that counts.

    References
    ----------
    Tierney and Kadane (1986), J. Am. Statist. Assoc. 81, 82-86.
    """
    modes = find_modes(problem)
    best = modes[0]
    eigenvalues, vectors = np.linalg.eigh(best.hessian)
    found: list[str] = []
    value = math.nan
    if not eigenvalues[0] > NEARLY_SINGULAR * eigenvalues[-1]:
        found.append(
            f"Hessian at the posterior mode is singular: eigenvalues {eigenvalues[0]:.2g} to {eigenvalues[-1]:.2g}"
        )
    else:
        value = -best.log_density - 0.5 * problem.dim * math.log(2 * math.pi) + 0.5 * float(np.log(eigenvalues).sum())
        found += _unlike_normal(problem, best, eigenvalues, vectors)
        rivals = sum(best.log_density - other.log_density < RIVAL_MODE for other in modes[1:])
        if rivals:
            found.append(f"{rivals} more posterior modes within {RIVAL_MODE:.0f} nats of the best: they are left out")
    return Estimate(value, 0.0, "F_n(1) by a normal at the posterior mode", "laplace", 1.0, flags=tuple(found))


def find_modes(problem: Problem) -> list[Mode]:
    """Return the distinct posterior modes found by L-BFGS from several starts, best first.

    Starts: the maximum-likelihood point, the best of `SCREENED` prior draws, and some prior draws as they come. Two
    ends are one mode if the Hessian takes them for less than `STEPS` standard deviations apart, as along a ridge.
    """
    parts = problem.parts
    with x64():
        z = map_rows(parts.prior_draw, jax.random.split(jax.random.PRNGKey(21), SCREENED))
        log_prior, nll = map_rows(parts.split, z)
        order = np.argsort(np.where(np.isfinite(log_prior - nll), nll - log_prior, np.inf))
        starts = [problem.reference.z, *z[order[:STARTS]], *z[:STARTS]]
        slope = compiled("negative log posterior gradient", _slope_of_posterior, parts.split)
        curvature = compiled("negative log posterior hessian", _hessian_of_posterior, parts.split)

        def objective(point):
            value, gradient = slope(point)
            if not np.isfinite(value):
                return 1e300, np.zeros_like(point)
            return float(value), np.nan_to_num(np.asarray(gradient, dtype=float))

        options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-8}
        ends = [minimize(objective, s, jac=True, method="L-BFGS-B", options=options) for s in starts]
        modes: list[Mode] = []
        for end in sorted(ends, key=lambda end: end.fun):
            if not any(_same(end.x, mode) for mode in modes):
                modes.append(Mode(np.asarray(end.x), -float(end.fun), np.asarray(curvature(end.x))))
        return modes


def _slope_of_posterior(split):
    return jax.value_and_grad(lambda z: split(z)[1] - split(z)[0])


def _hessian_of_posterior(split):
    return jax.hessian(lambda z: split(z)[1] - split(z)[0])


def _hessian_of_nll(problem: Problem):
    return compiled("nll hessian", lambda split: jax.hessian(lambda z: split(z)[1]), problem.parts.split)


def _prior_spread(problem: Problem) -> np.ndarray:
    """Return a standard deviation of each unconstrained coordinate under the prior that heavy tails leave alone."""
    z = map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(22), 8 * SCREENED))
    low, high = np.quantile(z, [0.25, 0.75], axis=0)
    return (high - low) / 1.349


def _unlike_normal(problem: Problem, mode: Mode, eigenvalues: np.ndarray, vectors: np.ndarray) -> list[str]:
    """Compare the log posterior with its quadratic, at `STEPS` standard deviations along each eigenvector."""
    steps = STEPS * vectors / np.sqrt(eigenvalues)
    points = mode.z + np.concatenate([steps.T, -steps.T])
    with x64():
        log_prior, nll = map_rows(problem.parts.split, points)
    fall = mode.log_density - (log_prior - nll)
    gap = np.abs(fall - STEPS**2 / 2)
    bad = ~(gap <= FAR_FROM_NORMAL)
    if not bad.any():
        return []
    worst = fall[np.argmax(np.where(np.isfinite(gap), gap, np.inf))]
    count = int(bad.reshape(2, -1).any(axis=0).sum())
    return [
        f"the posterior is no normal in {count} of {eigenvalues.size} directions: {STEPS:.0f} standard deviations from "
        f"the mode it has fallen by {worst:.2g} nats, a normal by {STEPS**2 / 2:.0f}"
    ]


def _same(z: np.ndarray, mode: Mode) -> bool:
    gap = z - mode.z
    return bool(gap @ mode.hessian @ gap < STEPS**2)
