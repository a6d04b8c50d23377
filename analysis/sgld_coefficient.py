"""The local learning coefficient by a Langevin sampler that tunes itself, its step size extrapolated away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from singular.analysis.draws import read_draws, rung_betas
from singular.analysis.estimate import Estimate, to_frame
from singular.analysis.excess_coefficient import excess_coefficient
from singular.analysis.local_coefficient import local_learning_coefficient
from singular.analysis.richardson import richardson
from singular.analysis.thresholds import UNABLE
from singular.analysis.unadjusted import step_bias
from singular.errors import SamplingError

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

SHARES = (1.0, 0.5, 0.25)
"""Step sizes of the extrapolation, in units of the one that MALA accepts at the wanted rate."""


class Extrapolated(NamedTuple):
    """A coefficient at step 0, and what it rests on.

    Attributes
    ----------
    estimate : Estimate
        At step 0.
    by_step : DataFrame
        The estimates at each step size: ``step_size`` and the columns of `to_frame`.
    gradient_evaluations : int
        Of steps and of choosing the step size, in units of the gradients of a minibatch.
    data_passes : float
        The same in units of all n observations.
    """

    estimate: Estimate
    by_step: pd.DataFrame
    gradient_evaluations: int
    data_passes: float


def coefficient_of(tree: xr.DataTree, problem: Problem) -> Estimate:
    """Return the excess coefficient that one Langevin run reads: about z* if localised, else about the reference."""
    from singular.posteriors.localise import LocalProblem

    if isinstance(problem, LocalProblem):
        return local_learning_coefficient(tree, problem, float(rung_betas(tree)[0]))
    found = excess_coefficient(tree, problem.reference.nll, float(rung_betas(tree)[0]))
    return replace(found, discretisation_error=step_bias(read_draws(tree), 0))


def sgld_coefficient(
    problem: Problem,
    beta: float | None = None,
    *,
    gamma: float = 0.0,
    centre: Any = None,
    acceptance: float = 0.9,
    sampler: str = "sgld",
    batch_size: int | None = None,
    chains: int = 16,
    draws: int = 500,
    thin: int = 10,
    burn_in: int = 2000,
    seed: int = 0,
    progress: bool = True,
) -> Extrapolated:
    """Estimate β (E_β[nL_n] − nL_n(z*)) by SGLD without a step size set by hand.

    MALA's acceptance on the same potential gives the largest step; the run is made at it, at half and at a quarter of
    it, for the same time (steps times step size), and the three are extrapolated to step 0.

    Parameters
    ----------
    problem, beta, gamma, centre, sampler, batch_size, chains, seed, progress
        As for ``posteriors.langevin``.
    acceptance : float
        Of MALA at the largest step.
    draws, thin, burn_in : int
        At the largest step; ``thin`` and ``burn_in`` grow as the step falls.

    Returns
    -------
    Extrapolated
        Its estimate flagged as unable where chains left for infinity at every step.

    Raises
    ------
    InputError
        As ``posteriors.langevin``.
    """
    from singular.posteriors.langevin import langevin, localised, own_seed
    from singular.posteriors.langevin_step import langevin_step_size

    where, _ = localised(problem, gamma, centre)
    chosen = langevin_step_size(where, beta, acceptance=acceptance, chains=chains, seed=own_seed(seed, 0))
    estimates, sizes, gradients, passes = [], [], chosen.gradient_evaluations, float(chosen.gradient_evaluations)
    lost = []
    for share in SHARES:
        size, times = chosen.step_size * share, round(1 / share)
        try:
            tree = langevin(
                where, beta, size, sampler=sampler, batch_size=batch_size, chains=chains, draws=draws,
                thin=thin * times, burn_in=burn_in * times, seed=own_seed(seed, times), progress=progress,
            )  # fmt: skip
        except SamplingError as error:
            lost.append(f"at step_size={size:.3g}: {error}")
            continue
        estimates.append(coefficient_of(tree, where))
        sizes.append(size)
        gradients += tree.attrs["gradient_evaluations"]
        passes += tree.attrs["data_passes"]
    by_step = to_frame(estimates, "local_learning_coefficient")
    by_step.insert(0, "step_size", sizes)
    if len(estimates) < 2:
        nothing = Estimate(float("nan"), float("nan"), "excess coefficient at step 0", f"{sampler}-richardson")
        return Extrapolated(replace(nothing, flags=(f"{UNABLE}: {lost[0]}",)), by_step, gradients, passes)
    found = richardson(estimates, sizes)
    return Extrapolated(replace(found, flags=(*found.flags, *lost)), by_step, gradients, passes)
