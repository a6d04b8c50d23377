"""All numbers of a ladder in one tidy frame, the exact ones beside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.diagnostics import all_flags, pick_flags
from singular.analysis.draws import Draws, read_draws
from singular.analysis.estimate import Estimate
from singular.analysis.free_energy import free_energy
from singular.analysis.learning_coefficient import curve_estimates, two_temperatures, variance_form
from singular.analysis.wbic import mean_nll

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem
    from singular.posteriors.quadrature import Exact

COLUMNS = (
    "problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "flags",
    "discretisation_error", "target",
)  # fmt: skip


def summary(ladder: xr.DataTree, problem: Problem | None = None, exact: Exact | None = None) -> pd.DataFrame:
    """Return every number read off a ladder, with its error and the exact value.

    Parameters
    ----------
    ladder : DataTree
        From β = 0 to 1, with a rung at 1/log n.
    problem : Problem, optional
        If its model has an exact integral, and ``exact`` is not given, the exact values are computed. A
        catalogue problem is recognised from the ladder and need not be given.
    exact : Exact, optional
        What ``posteriors.quadrature`` returned for this problem; rungs it lacks get no exact value.

    Returns
    -------
    DataFrame
        One row per number: ``problem, n, seed, beta, quantity, method, value, mcse, exact, flags,
        discretisation_error, target``. Quantities: ``free_energy`` (mbar, ti), ``wbic`` and ``mean_nll``
        in nats; ``learning_coefficient`` (mbar, variance, two-temperature) and
        ``effective_learning_coefficient`` (mbar, rung) dimensionless. ``exact`` is the finite-n value of each row's
        ``target``, NaN where none is known; flags are joined by ``"; "``.

    Raises
    ------
    InputError
        If the ladder cannot be read, does not start at β = 0, or lacks a rung at 1/log n.
    """
    draws = read_draws(ladder)
    if exact is None:
        from singular import posteriors

        problem = posteriors.problem_of(ladder) if problem is None else problem
        if problem is not None and getattr(problem.model, "integral", None) is not None:
            exact = posteriors.quadrature(problem, draws.betas)
    oracle = _Oracle(exact)
    label = {
        "problem": draws.attrs.get("problem", getattr(problem, "name", "")),
        "n": draws.attrs.get("n", getattr(problem, "n", None)),
        "seed": draws.attrs.get("seed", getattr(problem, "seed", None)),
    }
    rows = [
        {
            **label,
            "beta": e.beta,
            "quantity": quantity,
            "method": e.method,
            "value": e.value,
            "mcse": e.mcse,
            "exact": oracle(quantity, e, draws),
            "flags": "; ".join(e.flags),
            "discretisation_error": e.discretisation_error,
            "target": e.target,
        }
        for quantity, e in _estimates(ladder, draws)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"exact": np.float64})


def _estimates(ladder: xr.DataTree, draws: Draws) -> Iterator[tuple[str, Estimate]]:
    top = float(draws.betas[-1])
    for method in ("mbar", "ti"):
        yield "free_energy", free_energy(ladder, method, top)
    found = all_flags(ladder, draws)
    i = draws.wbic_index()
    yield "wbic", mean_nll(draws, i, pick_flags(found, [i]), method="wbic")
    above = np.flatnonzero(draws.betas > 0).tolist()
    whole = pick_flags(found, range(draws.betas.size))
    joint = {
        k: replace(e, flags=tuple(dict.fromkeys((*whole, *e.flags))))
        for k, e in zip(above, curve_estimates(draws, draws.betas[above], "mbar"), strict=True)
    }
    yield "learning_coefficient", joint[i]
    yield "learning_coefficient", variance_form(draws, i, pick_flags(found, [i]), method="variance")
    if i + 1 < draws.betas.size:
        yield "learning_coefficient", two_temperatures(draws, i, pick_flags(found, [i, i + 1]))
    for k in above:
        yield "effective_learning_coefficient", joint[k]
    for k in above:
        yield "effective_learning_coefficient", variance_form(draws, k, pick_flags(found, [k]))
    for k in range(draws.betas.size):
        yield "mean_nll", mean_nll(draws, k, pick_flags(found, [k]))


class _Oracle:
    """Looks up the exact value of an estimate's target; NaN where it is not known."""

    def __init__(self, exact: Exact | None):
        self.frame = None if exact is None else exact.frame

    def column(self, name: str, beta: float) -> float:
        if self.frame is None or name not in self.frame:
            return math.nan
        match = np.flatnonzero(np.isclose(self.frame["beta"], beta, rtol=1e-6, atol=1e-15))
        return float(self.frame[name].iloc[match[0]]) if match.size else math.nan

    def __call__(self, quantity: str, e: Estimate, draws: Draws) -> float:
        beta: Any = e.beta
        if e.method == "two-temperature":
            above = float(draws.betas[draws.index(beta) + 1])
            gap = self.column("mean_nll", beta) - self.column("mean_nll", above)
            return gap / (1 / beta - 1 / above)
        column = {
            "wbic": "mean_nll",
            "learning_coefficient": "effective_learning_coefficient",
        }.get(quantity, quantity)
        return self.column(column, beta)
