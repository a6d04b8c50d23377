"""The excess form of the learning coefficient: β (E_β[nL_n] − nL_n(w_ref)), which needs a reference point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.estimate import Estimate, difference, estimate, to_frame
from singular.analysis.learning_coefficient import learning_coefficient
from singular.analysis.mean_nll import checked_points, mean_nll_estimates
from singular.analysis.wbic import mean_nll
from singular.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


def nll_at(problem: Problem, parameters: Mapping[str, Any] | np.ndarray) -> float:
    """Return nL_n at one point, nats.

    Parameters
    ----------
    problem : Problem
    parameters : mapping or (d,) float
        Site name to value, on the sites' own supports (``problem.model.optimum``, say), or a point of the
        unconstrained space.

    Raises
    ------
    InputError
        If sites are missing, or the length is not d.
    """
    from singular.posteriors.precision import x64

    with x64():
        z = problem.parts.unconstrain(dict(parameters)) if isinstance(parameters, Mapping) else parameters
        z = np.asarray(z, dtype=np.float64)
        if z.shape != (problem.dim,):
            raise InputError(f"parameters has shape {z.shape}; {problem.name!r} has ({problem.dim},)")
        return float(problem.parts.split(z)[1])


def excess_coefficient(ladder: xr.DataTree, reference_nll: float, beta: float | None = None) -> Estimate:
    """Estimate λ_exc(β) = β (E_β[nL_n] − nL_n(w_ref)) on one rung.

    At β = 1/log n it is (WBIC − nL_n(w_ref)) / log n. It is not λ_eff(β): with x = 1/β,
    d(x λ_exc)/dx = λ_eff, so λ_exc = λ_eff − x dλ_exc/dx, and the two agree only where λ_exc no longer changes
    (`excess_offset` estimates the difference). What stochastic-gradient estimates of the local coefficient
    read is of this form.

    Parameters
    ----------
    ladder : DataTree
    reference_nll : float
        nL_n(w_ref) in nats: ``problem.reference.nll``, the maximum-likelihood point, or
        ``nll_at(problem, problem.model.optimum)``, a true one. The first lies below the second by a random
        O_p(1), and the coefficient above by β times that.
    beta : float, optional
        A rung above 0; 1/log n if not given.

    Returns
    -------
    Estimate
        Dimensionless. The reference is taken as exact.

    Raises
    ------
    InputError
        If the ladder cannot be read, β is no rung or 0, or the reference is not finite.
    """
    _check_reference(reference_nll)
    draws = read_draws(ladder)
    i = draws.wbic_index() if beta is None else draws.index(beta)
    if draws.betas[i] == 0.0:
        raise InputError(f"beta={beta!r}: no learning coefficient is defined at 0; take a rung above it")
    return _scaled(mean_nll(draws, i, rung_flags(ladder, draws, [i])), reference_nll)


def excess_coefficient_curve(
    ladder: xr.DataTree,
    reference_nll: float,
    betas: Sequence[float] | np.ndarray | None = None,
    method: str = "rung",
) -> pd.DataFrame:
    """Estimate λ_exc(β) over β.

    Parameters
    ----------
    ladder : DataTree
    reference_nll : float
        As for `excess_coefficient`.
    betas : sequence of float, optional
        In (0, 1]; all rungs above 0 if not given.
    method : {"rung", "mbar"}
        From the draws of each rung alone, or of all rungs, carried over to each β.

    Returns
    -------
    DataFrame
        One row per β: ``quantity, beta, method, value, mcse, discretisation_error, target, flags``.

    Raises
    ------
    InputError
        If the ladder cannot be read, the method is unknown, or a β is not in (0, 1] or no rung.
    """
    _check_reference(reference_nll)
    draws = read_draws(ladder)
    points = checked_points(draws, betas, method)
    means = mean_nll_estimates(ladder, draws, points, method)
    return to_frame((_scaled(e, reference_nll) for e in means), "excess_coefficient")


def excess_offset(ladder: xr.DataTree, reference_nll: float, beta: float | None = None) -> Estimate:
    """Estimate λ_exc(β) − λ_eff(β) on one rung, with the joint error.

    Parameters
    ----------
    ladder, reference_nll, beta
        As for `excess_coefficient`.
    """
    excess = excess_coefficient(ladder, reference_nll, beta)
    return difference(excess, learning_coefficient(ladder, "variance", excess.beta))


def _scaled(mean: Estimate, reference_nll: float) -> Estimate:
    beta = float(mean.beta or 0.0)
    return estimate(
        beta * (mean.value - reference_nll),
        beta * mean.influence,
        target=f"beta (mean nll - reference nll) at beta={beta:.3g}: the excess form, not lambda_eff",
        method=f"excess-{mean.method}",
        beta=beta,
        flags=mean.flags,
    )


def _check_reference(reference_nll: float) -> None:
    if not isinstance(reference_nll, int | float | np.number) or not np.isfinite(reference_nll):
        raise InputError(f"reference_nll={reference_nll!r} must be a finite number, in nats")
