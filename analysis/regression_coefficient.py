"""The learning coefficient as the slope of E_β[nL_n] on 1/β over a window around 1/log n."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from singular.analysis.draws import Draws, read_draws
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.mean_nll import checked_points, mean_nll_estimates
from singular.analysis.thresholds import MAXIMUM_MULTIPLICITY_ERROR
from singular.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

WIDTH = 2.0
"""The default window reaches from 1/log n divided by this to 1/log n times this, cut at β = 1."""
GRID = 9
"""Points of the window, evenly spaced in log β, where the draws of all rungs are carried over."""


class Regression(NamedTuple):
    """The terms of the fit.

    Attributes
    ----------
    slope : Estimate
        Stands for λ. Dimensionless.
    intercept : Estimate
        Stands for nL_n(w0), nats.
    multiplicity : Estimate or None
        Stands for m − 1; None if the term was not asked for.
    betas : (k,) float
        Inverse temperatures fitted.
    """

    slope: Estimate
    intercept: Estimate
    multiplicity: Estimate | None
    betas: np.ndarray


def regression_contrast(betas: np.ndarray, n: int, multiplicity: bool = False) -> np.ndarray:
    """Return the matrix that takes E_β[nL_n] at ``betas`` to the terms of the fit.

    From Z(t) = ∫ φ exp(−t K) dw ~ C t^−λ (log t)^(m−1) at t = nβ (Watanabe, 2009, chapter 4),
    E_β = −d log Z/dβ gives

        E_β[nL_n] = nL_n(w0) + λ/β − (m − 1) / (β log(nβ)),

    fitted by least squares with weights β². Under exactly that law the standard deviation of nL_n at β is
    √λ/β, so these are the weights of equally many independent draws on each rung. They depend on no draw:
    the fit is linear in E_β, and its exact value at finite n is this matrix times the exact E_β.

    Parameters
    ----------
    betas : (k,) float
        Above 0, different.
    n : int
        Observations; used by the multiplicity's term alone, which needs nβ > 1.
    multiplicity : bool

    Returns
    -------
    (2 or 3, k) float
        Rows: slope, intercept, and m − 1 if asked for.

    Raises
    ------
    InputError
        If there are fewer β than terms, or nβ ≤ 1 with the multiplicity's term.
    """
    terms = 3 if multiplicity else 2
    if np.unique(betas).size < terms:
        got = ", ".join(f"{b:.3g}" for b in betas) or "none"
        raise InputError(f"betas={got}: {terms} terms need at least {terms} of them; widen the window")
    columns = [1 / betas, np.ones_like(betas)]
    if multiplicity:
        if not np.all(n * betas > 1):
            raise InputError(f"betas={betas.min():.3g} with n={n}: the multiplicity's term needs n beta > 1")
        columns.append(-1 / (betas * np.log(n * betas)))
    # scaled by the root of the weights, each row of the design and of the answer
    return np.linalg.pinv(betas[:, None] * np.stack(columns, axis=1), rcond=1e-12) * betas


def regression_learning_coefficient(
    ladder: xr.DataTree,
    window: tuple[float, float] | None = None,
    multiplicity: bool = False,
    method: str = "mbar",
) -> Regression:
    """Regress E_β[nL_n] on 1/β around 1/log n.

    Parameters
    ----------
    ladder : DataTree
        From β = 0 up for ``"mbar"``; with ``n`` among its attributes.
    window : (float, float), optional
        Least and greatest β, in (0, 1]; a factor 2 to either side of 1/log n if not given.
    multiplicity : bool
        Whether to fit the log log n term of the free energy too, and with it m − 1.
    method : {"mbar", "rung"}
        ``"mbar"``: E_β from the draws of all rungs, at 9 points evenly spaced in log β over the window, so
        that what is estimated does not depend on where the rungs are. ``"rung"``: the rungs in the window.

    Returns
    -------
    Regression
        Each term an `Estimate` whose error holds the covariance of all E_β fitted. The target is the same
        fit to the exact E_β, see `regression_contrast`. Without the multiplicity's term the slope is a
        weighted mean of λ_eff over 1/β in the window.

    Raises
    ------
    InputError
        If the ladder cannot be read, the window is not within (0, 1], or it holds too few rungs.

    References
    ----------
    Watanabe (2013), J. Mach. Learn. Res. 14, 867: λ from E_β at several β.
    """
    draws = read_draws(ladder)
    low, high = _window(draws, window)
    inside = draws.betas[(draws.betas >= low * (1 - 1e-9)) & (draws.betas <= high * (1 + 1e-9))]
    wanted = inside if method == "rung" else np.geomspace(low, high, GRID)
    if wanted.size == 0:
        raise InputError(f"window=({low:.3g}, {high:.3g}) holds no rung; widen it, or take method='mbar'")
    betas = checked_points(draws, wanted, method)
    contrast = regression_contrast(betas, _size(draws) if multiplicity else 0, multiplicity)
    means = mean_nll_estimates(ladder, draws, betas, method)
    span = f"least squares of the mean nll on 1/beta over beta in [{betas.min():.3g}, {betas.max():.3g}]"
    span += f", {betas.size} {'rungs' if method == 'rung' else 'points'}, weights beta^2"
    span += ", with the multiplicity's term" if multiplicity else ""
    # the mean is taken out first: the rows for slope and m - 1 sum to zero, and large offsets cancel
    centre = float(np.mean([e.value for e in means]))
    values = contrast @ np.array([e.value - centre for e in means])
    influences = np.einsum("tk,kcd->tcd", contrast, np.stack([e.influence for e in means]))
    flags = tuple(dict.fromkeys(flag for e in means for flag in e.flags))
    found = [
        estimate(value, influence, target=f"{name} of the {span}", method=f"regression-{method}", flags=flags)
        for name, value, influence in zip(
            ("slope", "intercept", "multiplicity less one"), values + np.array([0, centre, 0][: len(values)]),
            influences, strict=False,
        )
    ]  # fmt: skip
    if not multiplicity:
        return Regression(found[0], found[1], None, betas)
    return Regression(found[0], found[1], _unresolved(found[2]), betas)


def _unresolved(term: Estimate) -> Estimate:
    if term.mcse <= MAXIMUM_MULTIPLICITY_ERROR:
        return term
    why = f"multiplicity not resolved: mcse {term.mcse:.2g} > {MAXIMUM_MULTIPLICITY_ERROR}"
    return estimate(term.value, term.influence, target=term.target, method=term.method, flags=(*term.flags, why))


def _window(draws: Draws, window: tuple[float, float] | None) -> tuple[float, float]:
    if window is None:
        middle = float(draws.betas[draws.wbic_index()])
        return middle / WIDTH, min(1.0, middle * WIDTH)
    low, high = (float(b) for b in window)
    if not 0 < low < high <= 1:
        raise InputError(f"window={window!r} must be two ascending inverse temperatures in (0, 1]")
    return low, high


def _size(draws: Draws) -> int:
    n = draws.attrs.get("n")
    if n is None or not float(n) > 1:
        raise InputError(f"ladder: n={n!r} among its attributes; the multiplicity's term needs n > 1")
    return int(n)
