"""What a submission may estimate, and the exact value it is scored against.

All hold for one data set and at the one temperature β = 1/log n, at which nβ = n/log n multiplies the mean loss; the
free energy alone is taken at β = 1, and the asymptotic coefficient at none.

=================================  =========================================================================
``free_energy``                    F_n(1) = −log ∫ φ(w) exp(−nL_n(w)) dw, nats
``wbic``                           E_β[nL_n], nats
``effective_learning_coefficient`` β² Var_β(nL_n): the variance form
``excess_coefficient``             β (E_β[nL_n] − nL_n(w*)) under the model's own prior; w* the exported optimum
``local_learning_coefficient``     the same with the prior N(w*, I/γ) on the unconstrained space instead
``learning_coefficient``           λ as n → ∞, a fraction: no number at finite n need equal it
=================================  =========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from singular.analysis.excess_coefficient import excess_coefficient, nll_at
from singular.analysis.free_energy import free_energy
from singular.analysis.learning_coefficient import learning_coefficient
from singular.analysis.local_coefficient import local_learning_coefficient
from singular.analysis.wbic import wbic
from singular.errors import InputError, unknown_name
from singular.posteriors.ladder import ladder, wbic_beta
from singular.posteriors.local_exact import NODES, local_quadrature, quadratic_local_coefficient
from singular.posteriors.localise import localise
from singular.posteriors.quadrature import quadrature

if TYPE_CHECKING:
    import xarray as xr

    from singular.analysis.estimate import Estimate
    from singular.models.problem import Problem

LOCAL = "local_learning_coefficient"
ASYMPTOTIC = "learning_coefficient"
LEAST_N = 3
"""Below, 1/log n is no inverse temperature in (0, 1]."""
FINE_ENOUGH = 1e-3
"""Error of a grid, dimensionless, above which a long ladder stands in for it: a small γ makes the grid coarse."""
LONG_DRAWS, LONG_WARMUP, LONG_CHAINS, LONG_SEED = 4000, 1000, 4, 1_000_003
"""The ladder that stands in for an exact value; its seed is far from those of ladders that are scored against it."""


class Target(NamedTuple):
    """A quantity that can be scored: its symbol, its unit (empty if it has none) and its definition."""

    symbol: str
    unit: str
    definition: str


TARGETS = MappingProxyType(
    {
        "free_energy": Target("F", "nats", "F_n(1) = -log of the integral of prior(w) exp(-nL_n(w)) dw"),
        "wbic": Target("WBIC", "nats", "mean of nL_n under prior(w) exp(-beta nL_n(w)) at beta = 1/log n"),
        "effective_learning_coefficient": Target("λ_eff", "", "beta^2 times the variance of nL_n, same posterior"),
        "excess_coefficient": Target(
            "λ_exc", "", "beta (mean of nL_n - nL_n(w*)), same posterior; w* is the exported optimum"
        ),
        LOCAL: Target(
            "λ_loc", "", "beta (mean of nL_n - nL_n(w*)) under exp(-beta nL_n(w) - gamma/2 |w - w*|^2), w unconstrained"
        ),
        ASYMPTOTIC: Target("λ", "", "the real log canonical threshold, a limit: no finite-n number need equal it"),
    }
)
"""Name -> `Target`."""


class ExactValue(NamedTuple):
    """What an estimate is held against.

    ``error`` is what is left of uncertainty in ``value``: the stated error of a quadrature, or one Monte Carlo standard
    error where a long ladder stands in; ``route`` says which. A learning coefficient is a `Fraction`.
    """

    value: float | Fraction
    error: float
    route: str


def checked_target(target: str, gamma: float | None) -> str:
    """Return the target if it is one, and if γ is given where, and only where, it is needed.

    Raises
    ------
    InputError
        Naming what is wrong and what is allowed.
    """
    if target not in TARGETS:
        raise unknown_name("target", target, TARGETS)
    if target == LOCAL and (gamma is None or not 0 < gamma < math.inf):
        raise InputError(f"gamma={gamma!r}: {LOCAL} needs a finite number above 0, the precision of its prior")
    if target != LOCAL and gamma is not None:
        raise InputError(f"gamma={gamma!r} is given for {target}: allowed for {LOCAL} alone")
    return target


def exact_target(
    problem: Problem,
    target: str,
    gamma: float | None = None,
    optimum: np.ndarray | None = None,
    sample: Callable[[Problem], xr.DataTree] | None = None,
) -> ExactValue:
    """Return the exact value of a target on one data set, its error, and how it was got.

    Parameters
    ----------
    problem : Problem
        With n ≥ 3.
    target : str
        One of `TARGETS`.
    gamma : float, optional
        γ > 0, for ``local_learning_coefficient`` alone: the precision of its prior in each unconstrained coordinate.
    optimum : (d,) float, optional
        w* on the unconstrained space; ``problem.reference.z`` if not given.
    sample : callable, optional
        Gives a long ladder of a problem where nothing is exact; by default one of 4 chains × 4000 draws is made.

    Returns
    -------
    ExactValue
        In nats or dimensionless (see `TARGETS`). The local coefficient is a closed form for linear regression, a grid
        for one and two parameters. A problem without oracle, and the local coefficient elsewhere, have the
        estimate of a long ladder, with its Monte Carlo error and with its flags in ``route``.

    Raises
    ------
    InputError
        If n < 3, the target is unknown, γ is missing or out of place, or λ is not known exactly.

    Examples
    --------
    >>> from singular import models
    >>> exact_target(models.problem("tanh-2", n=50), "learning_coefficient").value
    Fraction(2, 3)
    """
    checked_target(target, gamma)
    if problem.n < LEAST_N:
        raise InputError(f"n={problem.n!r} must be at least {LEAST_N}: targets are read at 1/log n < 1")
    if target == ASYMPTOTIC:
        return _asymptotic(problem)
    point = problem.reference.z if optimum is None else np.asarray(optimum, dtype=np.float64)
    found = _local_exact(problem, gamma, point) if gamma is not None else _own_exact(problem, target, point)
    if found is not None:
        return found
    asked = problem if gamma is None else localise(problem, point, gamma)
    tree = (sample or _long_ladder)(asked)
    estimate = target_estimate(tree, asked, target, nll_at(problem, point))
    if not math.isfinite(estimate.value) or not math.isfinite(estimate.mcse):
        raise InputError(f"target={target!r} of {problem.name!r}: no oracle, and a long ladder gives no finite value")
    size = tree["posterior"].sizes
    flagged = f"; flagged: {'; '.join(estimate.flags)}" if estimate.flags else ""
    return ExactValue(estimate.value, estimate.mcse, f"ladder of {size['chain']} × {size['draw']} draws{flagged}")


def target_estimate(tree: xr.DataTree, problem: Problem, target: str, reference_nll: float) -> Estimate:
    """Return our own estimate of a target from a ladder: what stands beside a submission.

    Parameters
    ----------
    tree : DataTree
        Of ``problem``.
    problem : Problem
        Made by ``posteriors.localise`` for the local coefficient.
    target : str
        One of `TARGETS` but the asymptotic coefficient, which no ladder at one n estimates.
    reference_nll : float
        nL_n(w*), nats, for the excess form.
    """
    if target == LOCAL:
        return local_learning_coefficient(tree, problem)  # pyright: ignore[reportArgumentType]
    estimators: dict[str, Callable[[], Estimate]] = {
        "free_energy": lambda: free_energy(tree, "mbar"),
        "wbic": lambda: wbic(tree),
        "effective_learning_coefficient": lambda: learning_coefficient(tree, "mbar"),
        "excess_coefficient": lambda: excess_coefficient(tree, reference_nll),
    }
    if target not in estimators:
        raise unknown_name("target", target, [*estimators, LOCAL])
    return estimators[target]()


def _asymptotic(problem: Problem) -> ExactValue:
    known = None if problem.model is None else problem.model.exact
    if known is None:
        raise InputError(
            f"target={ASYMPTOTIC!r}: λ of {problem.name!r} is not known exactly; allowed: any other target"
        )
    return ExactValue(known.value, 0.0, f"exact: {known.source}")


def _own_exact(problem: Problem, target: str, point: np.ndarray) -> ExactValue | None:
    if problem.model is None or problem.model.integral is None:
        return None
    top, low = _oracle(problem)
    beta = wbic_beta(problem.n)
    route = problem.model.integral.route
    if target == "free_energy":
        return ExactValue(top["free_energy"], top["error_free_energy"], route)
    if target == "wbic":
        return ExactValue(low["mean_nll"], low["error_mean_nll"], route)
    if target == "excess_coefficient":
        excess = beta * (low["mean_nll"] - nll_at(problem, point))
        return ExactValue(excess, beta * low["error_mean_nll"], route)
    return ExactValue(low[target], low[f"error_{target}"], route)


@lru_cache(maxsize=8)
def _oracle(problem: Problem) -> list[dict[str, float]]:
    """Return the exact numbers at β = 1 and at 1/log n; kept, for a problem is asked for several targets."""
    frame = quadrature(problem, [1.0, wbic_beta(problem.n)]).frame
    return [{str(k): float(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _local_exact(problem: Problem, gamma: float, point: np.ndarray) -> ExactValue | None:
    beta = wbic_beta(problem.n)
    if problem.model is not None and problem.model.builder == "linear_regression":
        curvatures = np.linalg.eigvalsh(problem.kwargs["x"].T @ problem.kwargs["x"])
        value = quadratic_local_coefficient(np.maximum(curvatures, 0.0), gamma, beta)
        return ExactValue(value, 0.0, "closed form: the loss is quadratic")
    if problem.dim not in NODES:
        return None
    row = local_quadrature(localise(problem, point, gamma), beta).iloc[0]
    error = float(row[f"error_{LOCAL}"])
    return ExactValue(float(row[LOCAL]), error, "grid around the optimum") if error <= FINE_ENOUGH else None


def _long_ladder(problem: Problem) -> xr.DataTree:
    return ladder(problem, None, LONG_CHAINS, LONG_DRAWS, LONG_WARMUP, LONG_SEED, progress=False)
