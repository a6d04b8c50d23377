"""E_β[nL_n] anywhere on the β-axis, on the rungs alone or carried over from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from singular.analysis import mbar
from singular.analysis.control_variates import Controls
from singular.analysis.diagnostics import MINIMUM_ESS, all_flags, overlap_flags, pick_flags
from singular.analysis.draws import Draws
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.wbic import mean_nll
from singular.errors import InputError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

METHODS = ("rung", "mbar")


def checked_points(draws: Draws, betas: Sequence[float] | np.ndarray | None, method: str) -> np.ndarray:
    """Return the β asked for, all rungs above 0 if None, checked for what is read off rungs or carried over by MBAR.

    Raises
    ------
    InputError
        If the method is unknown, a β is not in (0, 1], or the ladder does not start at 0 where MBAR is
        to carry draws over.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    points = draws.betas[draws.betas > 0] if betas is None else np.asarray(betas, dtype=np.float64).ravel()
    if points.size == 0 or not np.all((points > 0) & (points <= 1)):
        raise InputError(f"betas={points.tolist()} must lie in (0, 1], and be at least one")
    if method == "mbar" and (draws.betas[0] != 0.0 or draws.betas.size < 2):
        raise InputError(f"ladder: method='mbar' needs rungs from beta=0 up, got {draws.betas.tolist()}")
    return points


def mean_nll_estimates(ladder: xr.DataTree, draws: Draws, points: np.ndarray, method: str) -> list[Estimate]:
    """Estimate E_β[nL_n] at every β in ``points``, with the flags of the ladder.

    Parameters
    ----------
    ladder : DataTree
    draws : Draws
        Of that ladder.
    points : (p,) float
        In (0, 1]; rungs, where the method is ``"rung"``.
    method : {"rung", "mbar"}
        Each from the draws of its rung alone, or from those of all rungs (Shirts and Chodera, 2008).

    Returns
    -------
    list of Estimate
        In nats. Their influences are over the rounds of one ladder, so sums of them keep what ties them.
    """
    if method == "rung":
        used = [draws.index(b, "betas") for b in points]
        found = all_flags(ladder, draws, used)
        return [mean_nll(draws, i, pick_flags(found, [i])) for i in used]
    whole = pick_flags(all_flags(ladder, draws), range(draws.betas.size))
    solution = mbar.solve(draws.nll, draws.betas)
    common = (*whole, *overlap_flags(solution, draws.betas))
    return [_carried(solution, float(beta), common, draws.every_control) for beta in points]


def _carried(solution: mbar.Solution, beta: float, found: tuple[str, ...], controls: Controls | None) -> Estimate:
    _, _, weights = mbar.reweight(solution, beta)
    mean, influence = mbar.expectation(solution, weights, solution.nll)
    return estimate(
        solution.lowest + mean,
        influence,
        target=f"mean nll at beta={beta:.3g}",
        method="mbar",
        beta=beta,
        flags=(*found, *reweighting_flags(weights, beta)),
        controls=controls,
    )


def reweighting_flags(weights: np.ndarray, beta: float) -> tuple[str, ...]:
    """Return a flag if few draws carry the weight at a β that MBAR carries them over to.

    The effective number is 1/Σw² of the normalised weights (Kish): it tells how far the rungs are from β,
    and nothing of autocorrelation, which the flags of the rungs tell.
    """
    effective = 1.0 / float(np.sum(weights**2))
    if effective >= MINIMUM_ESS:
        return ()
    return (f"reweighted draws {effective:.0f} < {MINIMUM_ESS:.0f} at beta={beta:.3g}",)
