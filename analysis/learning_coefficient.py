"""Learning coefficients at finite n: the variance form over β, and two temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis import mbar
from singular.analysis.diagnostics import all_flags, overlap_flags, pick_flags, rung_flags
from singular.analysis.draws import Draws, read_draws
from singular.analysis.estimate import Estimate, estimate, to_frame
from singular.analysis.mean_nll import checked_points, reweighting_flags
from singular.analysis.wbic import mean_nll
from singular.errors import InputError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

METHODS = ("variance", "two-temperature", "mbar")


def effective_learning_coefficient(
    ladder: xr.DataTree, betas: Sequence[float] | np.ndarray | None = None, method: str = "rung"
) -> pd.DataFrame:
    """Estimate λ_eff(β) = β² Var_β(nL_n) = dE_β[nL_n]/d(1/β) over β.

    Parameters
    ----------
    ladder : DataTree
    betas : sequence of float, optional
        Where to estimate it, in (0, 1]: all rungs above 0 if not given. At β = 0 it is 0 by definition.
        With ``"mbar"`` any grid, as dense as wanted and below the first rung too; points whose weight few
        draws carry are flagged.
    method : str
        ``"rung"``: from the draws of each rung alone. ``"mbar"``: from the draws of all rungs, carried
        over to each β, rung or not; this one needs a ladder from β = 0.

    Returns
    -------
    DataFrame
        One row per β: ``quantity, beta, method, value, mcse, discretisation_error, target, flags``.
        Dimensionless. λ is its limit only as β → 0 with nβ → ∞.

    Raises
    ------
    InputError
        If the ladder cannot be read, the method is unknown, or a β is not in (0, 1] or no rung.

    References
    ----------
    Imai (2019), arXiv:1906.01341: the variance form.
    Shirts and Chodera (2008), J. Chem. Phys. 129, 124105: expectations away from the rungs.
    """
    draws = read_draws(ladder)
    points = checked_points(draws, betas, method)
    used = [draws.index(b, "betas") for b in points] if method == "rung" else None
    found = all_flags(ladder, draws, used)
    estimates = curve_estimates(draws, points, method)
    if used is None:
        flags = [pick_flags(found, range(draws.betas.size))] * points.size
    else:
        flags = [pick_flags(found, [i]) for i in used]
    estimates = [replace(e, flags=(*f, *e.flags)) for e, f in zip(estimates, flags, strict=True)]
    return to_frame(estimates, "effective_learning_coefficient")


def learning_coefficient(ladder: xr.DataTree, method: str = "variance", beta: float | None = None) -> Estimate:
    """Estimate the learning coefficient as it is seen at one finite β.

    Parameters
    ----------
    ladder : DataTree
    method : str
        ``"variance"``: β² Var_β(nL_n) (Imai, 2019). ``"two-temperature"``:
        (E_β1 − E_β2) / (1/β1 − 1/β2) with β1 = ``beta`` and β2 the next rung up (Watanabe, 2013): the
        mean of the variance form over 1/β between the two. ``"mbar"``: the variance form from the draws of
        all rungs, with the smallest error; this one needs a ladder from β = 0.
    beta : float, optional
        A rung; 1/log n if not given.

    Returns
    -------
    Estimate
        Dimensionless; ``target`` says what of finite n it estimates. Neither form is λ there.

    Raises
    ------
    InputError
        If the ladder cannot be read, the method is unknown, β is no rung or 0, or, for two
        temperatures, the highest rung.

    References
    ----------
    Watanabe (2013), J. Mach. Learn. Res. 14, 867: two temperatures.
    Imai (2019), arXiv:1906.01341: the variance form.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    draws = read_draws(ladder)
    i = draws.wbic_index() if beta is None else draws.index(beta)
    if draws.betas[i] == 0.0:
        raise InputError(f"beta={beta!r}: no learning coefficient is defined at 0; take a rung above it")
    if method == "variance":
        return variance_form(draws, i, rung_flags(ladder, draws, [i]), method="variance")
    if method == "mbar":
        checked_points(draws, draws.betas[[i]], "mbar")
        found = rung_flags(ladder, draws, range(draws.betas.size))
        (answer,) = curve_estimates(draws, draws.betas[[i]], "mbar")
        return replace(answer, flags=(*found, *answer.flags))
    if i + 1 == draws.betas.size:
        raise InputError(f"beta={draws.betas[i]:.4g} is the highest rung; two temperatures need one above it")
    return two_temperatures(draws, i, rung_flags(ladder, draws, [i, i + 1]))


def variance_form(draws: Draws, i: int, found: tuple[str, ...], method: str = "rung") -> Estimate:
    """Return β² Var_β(nL_n) on the rung at position ``i``, which must lie above β = 0.

    The squares are taken about the best estimate of the mean, and its squared error is added, which they lack.
    """
    beta = draws.betas[i]
    mean = mean_nll(draws, i, ())
    square = (draws.nll[..., i] - mean.value) ** 2
    return estimate(
        beta**2 * (square.mean() + (mean.mcse**2 if np.isfinite(mean.mcse) else square.mean() / square.size)),
        beta**2 * (square - square.mean()),
        target=_target(beta),
        method=method,
        beta=beta,
        flags=found,
        controls=draws.controls(i),
    )


def two_temperatures(draws: Draws, i: int, found: tuple[str, ...]) -> Estimate:
    """Return the secant of E over 1/β between the rungs at positions ``i`` and ``i + 1``."""
    hot, cold = draws.betas[i], draws.betas[i + 1]
    gap = (draws.nll[..., i] - draws.nll[..., i + 1]) / (1 / hot - 1 / cold)
    return estimate(
        gap.mean(),
        gap - gap.mean(),
        target=f"secant of the mean nll over 1/beta between beta={hot:.3g} and {cold:.3g}",
        method="two-temperature",
        beta=hot,
        flags=found,
        controls=draws.controls(i, i + 1),
    )


def _target(beta: float) -> str:
    return f"lambda_eff at beta={beta:.3g}"


def curve_estimates(draws: Draws, points: np.ndarray, method: str) -> list[Estimate]:
    """Return the variance form at every β in ``points``, without the flags of the ladder."""
    if method == "rung":
        return [variance_form(draws, draws.index(b, "betas"), ()) for b in points]
    solution = mbar.solve(draws.nll, draws.betas)
    found, controls = overlap_flags(solution, draws.betas), draws.every_control
    estimates = []
    for beta in points.tolist():
        _, _, weights = mbar.reweight(solution, beta)
        mean, _ = mbar.expectation(solution, weights, solution.nll)
        # the variance is stationary in the mean it is taken about, so no term for it
        variance, influence = mbar.expectation(solution, weights, (solution.nll - mean) ** 2)
        estimates.append(
            estimate(
                beta**2 * variance,
                beta**2 * influence,
                target=_target(beta),
                method="mbar",
                beta=beta,
                flags=(*found, *reweighting_flags(weights, beta)),
                controls=controls,
            )
        )
    return estimates
