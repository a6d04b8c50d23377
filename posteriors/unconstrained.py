"""The draws of one rung on the unconstrained space, on which densities are compared and normals fitted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from singular.errors import InputError
from singular.models.problem import Problem
from singular.posteriors.layout import rung, unconstrain


def unconstrained(ladder: xr.DataTree, problem: Problem, beta: float | str = 1.0) -> np.ndarray:
    """Return the draws of one rung as unconstrained vectors, (chain, draw, d).

    Parameters
    ----------
    ladder : DataTree
        From `ladder`, with every latent site kept.
    problem : Problem
        The problem it was sampled from.
    beta : float or str
        Which rung, as for `rung`.

    Raises
    ------
    InputError
        If β is no rung, the problem has other data or other sites than the ladder, a site was not kept, or draws
        lie on the edge of a support, which no finite vector maps to.
    """
    if ladder.attrs.get("data_hash", problem.data_hash) != problem.data_hash:
        raise InputError(f"problem={problem.name!r} does not have the data this ladder was sampled with")
    z = unconstrain(problem, rung(ladder, beta))
    if not np.isfinite(z).all():
        bad = int((~np.isfinite(z)).any(axis=-1).sum())
        raise InputError(f"ladder: {bad} of {z[..., 0].size} draws at beta={beta} lie on the edge of a site's support")
    return z
