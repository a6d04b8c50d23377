"""The local learning coefficient at a point, from a ladder of the problem localised there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import Draws, read_draws, sample_stat
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.excess_coefficient import excess_coefficient
from singular.analysis.thresholds import CLEARLY_NEGATIVE, MAXIMUM_DRIFT, MAXIMUM_PULL
from singular.analysis.unadjusted import step_bias
from singular.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from singular.posteriors.localise import LocalProblem


def local_learning_coefficient(ladder: xr.DataTree, problem: LocalProblem, beta: float | None = None) -> Estimate:
    """Estimate λ̂(z*) = β (E_β[nL_n] − nL_n(z*)) under exp(−β nL_n(z) − (γ/2) ‖z − z*‖²).

    Parameters
    ----------
    ladder : DataTree
        Of ``problem``, by NUTS or by a Langevin sampler.
    problem : LocalProblem
        From ``posteriors.localise``: centre z* and γ are its own.
    beta : float, optional
        A rung above 0; 1/log n if not given.

    Returns
    -------
    Estimate
        Dimensionless. Not λ: it is the excess form at one β, and the localiser lowers it. Where the
        potential is quadratic with curvatures h_i it is Σ ½ βnh_i/(βnh_i + γ), below d/2, and flat directions
        add nothing. nL_n(z*) is that of all data, so no noise of a minibatch enters it. The
        ``discretisation_error`` of a sampler that rejects nothing is read off its draws (`unadjusted.step_bias`).
        Flagged are a negative value with its likely cause, draws that left the centre, an estimate that γ still
        moves, and a bias of the step that can be seen.

    Raises
    ------
    InputError
        If the problem is not local or not the one that was sampled, or β is no rung or 0.

    References
    ----------
    Lau, Furman, Wang, Murfet and Wei (2023), arXiv:2308.12108: the local learning coefficient.
    """
    draws, i = _checked(ladder, problem, beta)
    excess = excess_coefficient(ladder, problem.centre_nll, float(draws.betas[i]))
    squares = _scaled_squares(ladder, problem, i)
    pull = _pull(draws, squares, i, ())
    target = f"beta (mean nll - nll at the centre) at beta={draws.betas[i]:.3g}, localised with gamma={problem.gamma:g}"
    found = [*excess.flags]
    if excess.value < 0:
        found.append(
            f"negative ({excess.value:.2g}): the centre is no minimum of the loss near it, and draws found lower ones"
            if excess.value < -CLEARLY_NEGATIVE * excess.mcse
            else f"negative ({excess.value:.2g}) within its error: too few draws, or hardly any parameters are seen"
        )
    drift = float(squares.mean()) / problem.dim
    if drift > MAXIMUM_DRIFT:
        found.append(
            f"draws left the centre: gamma E|z - centre|^2 / d = {drift:.2g} > {MAXIMUM_DRIFT} "
            "(the likelihood is higher elsewhere: take a lower centre or a larger gamma)"
        )
    if abs(pull.value) > MAXIMUM_PULL * abs(excess.value):
        found.append(
            f"the localiser holds the estimate: d/d(log gamma) = {pull.value:.2g}, more than {MAXIMUM_PULL:g} of it "
            f"(to first order gamma -> 0 gives {excess.value - pull.value:.2g}: take a smaller gamma)"
        )
    return replace(excess, target=target, method="local", discretisation_error=step_bias(draws, i), flags=tuple(found))


def localiser_pull(ladder: xr.DataTree, problem: LocalProblem, beta: float | None = None) -> Estimate:
    """Estimate dλ̂(z*)/d log γ = −(βγ/2) Cov_β(nL_n, ‖z − z*‖²): how far the localiser decides the estimate.

    For a quadratic potential λ̂ less this is its value at γ = 0 up to terms of second order in γ.

    Parameters
    ----------
    ladder, problem, beta
        As for `local_learning_coefficient`.

    Returns
    -------
    Estimate
        Dimensionless, of the draws on that rung.
    """
    draws, i = _checked(ladder, problem, beta)
    return _pull(draws, _scaled_squares(ladder, problem, i), i, rung_flags(ladder, draws, [i]))


def _pull(draws: Draws, squares: np.ndarray, i: int, found: tuple[str, ...]) -> Estimate:
    beta = float(draws.betas[i])
    nll = draws.nll[..., i]
    products = -0.5 * beta * (nll - nll.mean()) * (squares - squares.mean())
    return estimate(
        products.sum() / (products.size - 1),
        products - products.mean(),
        target=f"derivative of the local learning coefficient with respect to log gamma at beta={beta:.3g}",
        method="local",
        beta=beta,
        flags=found,
    )


def _checked(ladder: xr.DataTree, problem: LocalProblem, beta: float | None) -> tuple[Draws, int]:
    from singular.posteriors.localise import LocalProblem

    if not isinstance(problem, LocalProblem):
        raise InputError(f"problem={problem!r}: allowed is a problem made by posteriors.localise")
    held = ladder.attrs.get("data_hash")
    if held != problem.data_hash:
        raise InputError(f"problem={problem.name!r} with this centre and gamma is not the one this ladder is of")
    draws = read_draws(ladder)
    i = draws.wbic_index() if beta is None else draws.index(beta)
    if draws.betas[i] == 0.0:
        raise InputError(f"beta={beta!r}: no learning coefficient is defined at 0; take a rung above it")
    return draws, i


def _scaled_squares(ladder: xr.DataTree, problem: LocalProblem, i: int) -> np.ndarray:
    """Return γ ‖z − z*‖² of every draw on one rung, (chain, draw): read off the log density of the localiser."""
    log_prior = sample_stat(ladder, "log_prior")
    if log_prior is None:
        raise InputError("ladder has no sample_stats/log_prior, which says how far draws are from the centre")
    values = np.asarray(log_prior.values, dtype=np.float64)[..., i]
    return problem.dim * math.log(problem.gamma / (2 * math.pi)) - 2 * values
