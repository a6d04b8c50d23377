"""Every way to a learning coefficient that one ladder has, side by side in one tidy frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.draws import read_draws
from singular.analysis.excess_coefficient import excess_coefficient_curve
from singular.analysis.learning_coefficient import effective_learning_coefficient, learning_coefficient
from singular.analysis.regression_coefficient import regression_contrast, regression_learning_coefficient

if TYPE_CHECKING:
    import xarray as xr

POINTS = 60
"""Points of the dense curves, evenly spaced in log β."""
BELOW = 4.0
"""The dense curves begin at the first rung above 0 divided by this."""
COLUMNS = ("quantity", "method", "beta", "beta_low", "beta_high", "value", "mcse", "exact", "target", "flags")


def coefficient_table(
    ladder: xr.DataTree,
    reference_nll: float | None = None,
    exact: Callable[[np.ndarray], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Return all estimates of learning coefficients from one ladder.

    Parameters
    ----------
    ladder : DataTree
        From β = 0, with a rung at 1/log n.
    reference_nll : float, optional
        nL_n at the reference point, nats; without it there are no excess forms.
    exact : callable, optional
        From inverse temperatures to a frame with ``mean_nll`` and ``effective_learning_coefficient``, such as
        ``lambda betas: posteriors.quadrature(problem, betas).frame``.

    Returns
    -------
    DataFrame
        One row per number: ``quantity, method, beta, beta_low, beta_high, value, mcse, exact, target, flags``. What
        reads a window of the β-axis has its ends in ``beta_low`` and ``beta_high`` and their geometric mean as
        ``beta``; for the rest all three agree. Rows are comparable where they have one ``target``. ``exact`` is the
        finite-n value of that target, NaN where it is not known. Quantities: ``effective_learning_coefficient`` (on
        the rungs, and dense by MBAR), ``learning_coefficient`` (two temperatures, regressions), and
        ``excess_coefficient``.

    Raises
    ------
    InputError
        If the ladder cannot be read or has no rung at 0 or 1/log n.
    """
    draws = read_draws(ladder)
    wbic = draws.wbic_index()
    positive = draws.betas[draws.betas > 0]
    dense = np.unique(np.append(np.geomspace(positive[0] / BELOW, 1.0, POINTS), draws.betas[wbic]))
    curves = [effective_learning_coefficient(ladder), effective_learning_coefficient(ladder, dense, "mbar")]
    if reference_nll is not None:
        curves.append(excess_coefficient_curve(ladder, reference_nll))
        curves.append(excess_coefficient_curve(ladder, reference_nll, dense, "mbar"))
    table = pd.concat([c.assign(beta_low=c.beta, beta_high=c.beta) for c in curves], ignore_index=True)
    table["exact"] = _exact_points(table, reference_nll, exact)
    windows = pd.DataFrame(_windows(ladder, draws.betas, wbic, int(draws.attrs["n"]), exact))
    return pd.concat([table, windows], ignore_index=True).loc[:, list(COLUMNS)]


def _exact_points(table: pd.DataFrame, reference_nll: float | None, exact: Callable | None) -> np.ndarray:
    if exact is None:
        return np.full(len(table), np.nan)
    betas, place = np.unique(table["beta"].to_numpy(), return_inverse=True)
    frame = exact(betas)
    excess = betas * (frame["mean_nll"].to_numpy() - (np.nan if reference_nll is None else reference_nll))
    variance = frame["effective_learning_coefficient"].to_numpy()
    return np.where(table["quantity"] == "excess_coefficient", excess[place], variance[place])


def _windows(ladder: xr.DataTree, betas: np.ndarray, wbic: int, n: int, exact: Callable | None) -> list[dict]:
    rows = []

    def add(method, ends, e, contrast, points):
        known = np.nan if exact is None else float(contrast @ exact(points)["mean_nll"].to_numpy())
        rows.append(
            {
                "quantity": "learning_coefficient",
                "method": method,
                "beta": float(np.sqrt(ends[0] * ends[1])),
                "beta_low": float(ends[0]),
                "beta_high": float(ends[1]),
                "value": e.value,
                "mcse": e.mcse,
                "exact": known,
                "target": e.target,
                "flags": "; ".join(e.flags),
            }
        )

    if wbic + 1 < betas.size:
        pair = betas[wbic : wbic + 2]
        secant = np.array([1.0, -1.0]) / (1 / pair[0] - 1 / pair[1])
        add("two-temperature", pair, learning_coefficient(ladder, "two-temperature"), secant, pair)
    for multiplicity in (False, True):
        low = betas[wbic] / 2
        if multiplicity and n * low <= 1:
            continue
        fit = regression_learning_coefficient(ladder, multiplicity=multiplicity)
        method = "regression-multiplicity" if multiplicity else "regression"
        contrast = regression_contrast(fit.betas, n, multiplicity)[0]
        add(method, fit.betas[[0, -1]], fit.slope, contrast, fit.betas)
    return rows
