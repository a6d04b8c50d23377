"""The widely applicable Bayesian information criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import Draws, read_draws
from singular.analysis.estimate import Estimate, estimate

if TYPE_CHECKING:
    import xarray as xr


def wbic(ladder: xr.DataTree) -> Estimate:
    """Estimate WBIC, the mean nll at β = 1/log n.

    It stands in for F_n(1), from which it differs by O_p(√log n) (Watanabe, 2013): ``mcse`` is
    that of E_β[nL_n], and says nothing of the difference.

    Parameters
    ----------
    ladder : DataTree
        With a rung at its attribute ``wbic_beta``.

    Returns
    -------
    Estimate
        In nats.

    Raises
    ------
    InputError
        If the ladder cannot be read or has no rung at 1/log n.

    References
    ----------
    Watanabe (2013), J. Mach. Learn. Res. 14, 867: the widely applicable BIC.
    """
    draws = read_draws(ladder)
    i = draws.wbic_index()
    return mean_nll(draws, i, rung_flags(ladder, draws, [i]), method="wbic")


def mean_nll(draws: Draws, i: int, found: tuple[str, ...], method: str = "rung") -> Estimate:
    """Return E_β[nL_n] on the rung at position ``i``, in nats: NaN where a draw is infinite."""
    nll = draws.nll[..., i]
    beta = draws.betas[i]
    finite = bool(np.isfinite(nll).all())
    mean = float(nll.mean()) if finite else np.nan
    return estimate(
        mean,
        nll - mean if finite else np.full(nll.shape, np.nan),
        target=f"mean nll at beta={beta:.3g}",
        method=method,
        beta=beta,
        flags=found if finite else (*found, f"nll is infinite in some draws at beta={beta:.3g}"),
        controls=draws.controls(i),
    )
