"""Exact values of the local learning coefficient at finite n, to hold its estimates against.

All are of the excess form t (E[K] − K(centre)) under exp(−t K(w) − (γ/2) ‖w − centre‖²), which Lau, Furman, Wang,
Murfet and Wei (2023), arXiv:2308.12108, estimate at t = n/log n.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.errors import InputError
from singular.models.density import map_rows
from singular.posteriors.localise import LocalProblem
from singular.posteriors.precision import x64

LOG_STEP = 0.04
LOG_LOW, LOG_HIGH = -40.0, 2.6
"""Range of log √γ|w|: below it lies e⁻⁴⁰ of the Gaussian, above it less."""
MOST_SITES = 2
REACH = 8.5
"""Half-width of the grid in units of 1/√γ: 2e-17 of the Gaussian lies beyond it on either axis."""
NODES = {1: 20001, 2: 641}
"""Nodes on each axis, odd, so that every second one makes the coarser grid of the error."""


def quadratic_local_coefficient(curvatures: Sequence[float] | np.ndarray, gamma: float, t: float) -> float:
    """Return the local coefficient of K(w) = ½ Σ h_i w_i² at its minimum: Σ ½ t h_i/(t h_i + γ).

    The posterior is normal with precisions t h_i + γ. The localiser takes away: d/2, for positive
    curvatures, is reached from below as γ/t → 0, and every flat direction counts 0.

    Parameters
    ----------
    curvatures : (d,) float
        h_i ≥ 0, eigenvalues of the Hessian.
    gamma, t : float
        Above 0; t is nβ where K is a loss per observation, β where it is nL_n.

    Examples
    --------
    >>> quadratic_local_coefficient([1.0, 0.0], gamma=1.0, t=99.0)
    0.495
    """
    h = np.asarray(curvatures, dtype=np.float64)
    if h.ndim != 1 or h.size == 0 or not np.all(np.isfinite(h) & (h >= 0)):
        raise InputError(f"curvatures={curvatures!r} must be finite numbers of at least 0")
    _check_positive(gamma=gamma, t=t)
    return float(np.sum(0.5 * t * h / (t * h + gamma)))


def monomial_local_coefficient(exponents: Sequence[int], gamma: float, t: float, scale: float = 1.0) -> float:
    """Return the local coefficient of K(w) = scale · Π w_i^(2 k_i) at 0, by quadrature.

    In u = √γ w it is a function of t · scale · γ^(−Σ k_i) alone. By symmetry the integral is over u > 0; in log u the
    trapezoid rule converges faster than any power of its step.

    Parameters
    ----------
    exponents : sequence of int
        k_i ≥ 1, one or two of them.
    gamma, t, scale : float
        Above 0.

    Returns
    -------
    float
        To about 1e-10.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    One exponent of 1 is the quadratic with curvature 2:

    >>> round(monomial_local_coefficient([1], gamma=2.0, t=50.0), 10), 0.5 * 100 / 102
    (0.4901960784, 0.49019607843137253)
    """
    powers = list(exponents)
    if not 1 <= len(powers) <= MOST_SITES or any(not isinstance(k, int | np.integer) or k < 1 for k in powers):
        raise InputError(f"exponents={exponents!r}: allowed are one or two whole numbers of at least 1")
    _check_positive(gamma=gamma, t=t, scale=scale)
    logs = np.arange(LOG_LOW, LOG_HIGH, LOG_STEP)
    log_prior = logs - 0.5 * np.exp(2 * logs)
    log_potential = np.log(t * scale) - sum(powers) * np.log(gamma) + 2 * powers[0] * logs
    if len(powers) == MOST_SITES:
        log_prior = np.add.outer(log_prior, log_prior)
        log_potential = np.add.outer(log_potential, 2 * powers[1] * logs)
    potential = np.exp(log_potential)
    log_terms = log_prior - potential
    share = np.exp(np.asarray(log_terms - logsumexp(log_terms)))
    return float(np.sum(share * potential))


def local_quadrature(problem: LocalProblem, betas: Sequence[float] | np.ndarray | float) -> pd.DataFrame:
    """Return exact numbers of a local problem with one or two parameters, on a grid around its centre.

    Parameters
    ----------
    problem : LocalProblem
        From `localise`, with d ≤ 2.
    betas : float or sequence of float
        In [0, 1].

    Returns
    -------
    DataFrame
        One row per β: ``beta``, ``mean_nll`` (nats), ``local_learning_coefficient`` β (E_β[nL_n] − nL_n(centre)),
        ``gamma_slope`` its derivative with respect to log γ, ``drift`` γ E‖z − centre‖²/d, and
        ``error_local_learning_coefficient``, the difference from the grid of every second node.

    Raises
    ------
    InputError
        If the problem is not local or has more than two parameters, or a β is not in [0, 1].
    """
    if not isinstance(problem, LocalProblem) or problem.dim not in NODES:
        raise InputError(f"problem={problem!r}: allowed is a local problem with one or two parameters")
    grid = np.atleast_1d(np.asarray(betas, dtype=np.float64))
    if grid.ndim != 1 or grid.size == 0 or not np.all((grid >= 0) & (grid <= 1)):
        raise InputError(f"betas={betas!r} must be numbers in [0, 1]")
    axis = np.linspace(-REACH, REACH, NODES[problem.dim])
    shape = (axis.size,) * problem.dim
    steps = np.array(list(itertools.product(axis, repeat=problem.dim)))
    with x64():
        _, nll = map_rows(problem.parts.split, np.asarray(problem.centre) + steps / np.sqrt(problem.gamma))
    excess = (nll - problem.centre_nll).reshape(shape)
    squares = np.sum(steps**2, axis=1).reshape(shape)
    coarse = (slice(None, None, 2),) * problem.dim
    rows = []
    for beta in grid:
        fine = _moments(excess, squares, beta)
        other = _moments(excess[coarse], squares[coarse], beta)
        rows.append(
            {
                "beta": beta,
                "mean_nll": problem.centre_nll + fine["mean"],
                "local_learning_coefficient": beta * fine["mean"],
                "gamma_slope": -0.5 * beta * fine["covariance"],
                "drift": fine["square"] / problem.dim,
                "error_local_learning_coefficient": beta * abs(fine["mean"] - other["mean"]),
            }
        )
    return pd.DataFrame(rows)


def _moments(excess: np.ndarray, squares: np.ndarray, beta: float) -> dict[str, float]:
    logs = -beta * excess - 0.5 * squares
    share = np.exp(logs - np.asarray(logsumexp(logs)))
    mean, square = float(np.sum(share * excess)), float(np.sum(share * squares))
    covariance = float(np.sum(share * (excess - mean) * (squares - square)))
    return {"mean": mean, "square": square, "covariance": covariance}


def _check_positive(**numbers: Any) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            raise InputError(f"{name}={value!r} must be a finite number above 0")
