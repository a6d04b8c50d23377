"""The prior volume of {L_n − L_n(w0) < ε} from the draws of a ladder, as multilevel splitting measures it.

V(ε) is the prior mass of a set, so a mean at β = 0 of its indicator; the draws of the colder rungs lie in the small
sets, and MBAR gives each its weight under the prior. How far down this reaches is decided by β = 1, whose draws have
n (L_n − L_n(w0)) of about λ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.estimate import estimate
from singular.analysis.mbar import expectation, reweight, solve
from singular.analysis.phases import region_of
from singular.analysis.thresholds import MINIMUM_EFFECTIVE
from singular.analysis.volume import BELOW, Region, reference_of, region_named
from singular.errors import InputError, unknown_name
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

LOSSES = ("data", "excess")


def ladder_volume(
    ladder: xr.DataTree,
    problem: Problem,
    epsilons: Sequence[float] | np.ndarray,
    region: Region | None = None,
    loss: str = "data",
    reference_nll: float | None = None,
) -> pd.DataFrame:
    """Estimate log V(ε), V the prior mass of {L_n − L_n(w0) < ε} or of {K < ε}, from the draws of all rungs.

    Parameters
    ----------
    ladder : DataTree
        From β = 0 on, of two rungs or more.
    problem : Problem
        What was sampled: its n, its reference, its regions and its K.
    epsilons : (N,) float
        ε, nats an observation, positive.
    region : str or callable, optional
        Only this part of parameter space: a phase of the catalogue model by name, or a predicate of the constrained
        parameters with any leading batch dimensions.
    loss : {"data", "excess"}
        The loss of the data, L_n(w) − L_n(w0), or the K of the catalogue model at the same draws.
    reference_nll : float, optional
        nL_n(w0) in nats, for ``"data"``; ``problem.reference.nll`` if not given.

    Returns
    -------
    DataFrame
        One row for each ε, in their order: ``epsilon``; ``log_volume``, nats; ``mcse``, its Monte Carlo standard error;
        ``draws``, how many draws of all rungs are inside; ``effective``, (Σ w)²/Σ w² of their weights; ``flags``,
        joined by ``"; "``. Without a draw inside, ``log_volume`` and ``mcse`` are NaN and a flag says so.

    Raises
    ------
    InputError
        If the ladder cannot be read, has no rung at β = 0 or no other, an ε is not positive, or a name is unknown.

    References
    ----------
    Shirts and Chodera (2008), J. Chem. Phys. 129, 124105: expectations from all rungs.
    """
    epsilon = np.atleast_1d(np.asarray(epsilons, dtype=float))
    if epsilon.ndim != 1 or not (np.isfinite(epsilon).all() and (epsilon > 0).all()):
        raise InputError(f"epsilons={epsilons!r}: allowed are positive, finite numbers")
    draws = read_draws(ladder)
    if draws.betas[0] != 0.0 or draws.betas.size < 2:
        raise InputError(
            f"ladder has the rungs {draws.betas.tolist()}; a prior volume needs beta=0 and others above it"
        )
    excess, found = _losses(ladder, problem, draws.nll, loss, reference_nll)
    name, predicate = region_named(problem, region)
    if predicate is not None:
        assert name is not None
        excess = np.where(region_of({name: predicate}, _parameters(ladder)) == 0, excess, np.inf)
    solution = solve(draws.nll, draws.betas)
    _, _, weights = reweight(solution, 0.0)
    shared = [*rung_flags(ladder, draws, range(draws.betas.size)), *found]
    least = float(excess.min())
    rows = []
    for one in epsilon:
        below = excess < one
        held = weights[below]
        if not held.any():
            rows.append((one, math.nan, math.nan, int(below.sum()), 0.0, "; ".join([*shared, "no draw is inside"])))
            continue
        effective = float(held.sum() ** 2 / np.sum(held**2))
        flags = list(shared)
        if effective < MINIMUM_EFFECTIVE:
            flags.append(f"rests on {effective:.0f} effective draws < {MINIMUM_EFFECTIVE:.0f}")
        if least < -BELOW * one:
            flags.append(f"the loss is below its reference by up to {-least:.1e}")
        value, influence = expectation(solution, weights, below.astype(float))
        number = estimate(math.log(value), influence / value, target="log V", method="mbar", flags=flags)
        rows.append((one, number.value, number.mcse, int(below.sum()), effective, "; ".join(number.flags)))
    return pd.DataFrame(rows, columns=["epsilon", "log_volume", "mcse", "draws", "effective", "flags"])


def _losses(
    ladder: xr.DataTree, problem: Problem, nll: np.ndarray, loss: str, reference_nll: float | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the loss at each draw, (chain, draw, beta), and what is against its reference."""
    if loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    if ladder.attrs.get("data_hash", problem.data_hash) != problem.data_hash:
        raise InputError(f"problem={problem.name!r} does not have the data this ladder was sampled with")
    if loss == "data":
        return (nll - reference_of(problem, reference_nll)) / problem.n, (
            problem.reference.flags if reference_nll is None else ()
        )
    if problem.model is None or problem.model.excess_loss is None:
        raise InputError(f"problem={problem.name!r} has no excess loss; allowed with loss='data'")
    with x64():
        excess = np.asarray(problem.model.excess_loss(_parameters(ladder)), dtype=float)
    return np.where(np.isfinite(excess), excess, np.inf), ()


def _parameters(ladder: xr.DataTree) -> dict[str, Any]:
    return {str(name): array.to_numpy() for name, array in ladder["posterior"].dataset.data_vars.items()}
