"""The draws of one rung on the unconstrained space, on which densities are compared and normals fitted."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from singular.errors import InputError
from singular.models.density import hoist, map_rows
from singular.models.problem import Problem
from singular.posteriors.layout import rung
from singular.posteriors.precision import x64


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
    posterior = rung(ladder, beta)["posterior"].to_dataset()
    sites = problem.parts.sites.latent
    missing = [name for name in sites if name not in posterior]
    if missing:
        raise InputError(f"ladder does not hold the sites {missing} of problem={problem.name!r}; sample without keep")
    arrays = {name: posterior[name].transpose("chain", "draw", ...).to_numpy() for name in sites}
    chains, draws = next(iter(arrays.values())).shape[:2]
    shapes = {name: a.shape[2:] for name, a in arrays.items()}
    rows = np.concatenate([a.reshape(chains * draws, -1) for a in arrays.values()], axis=1).astype(np.float64)

    def invert(row):
        values, start = {}, 0
        for name, shape in shapes.items():
            values[name] = row[start : start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
        return problem.parts.invert(values)

    with x64():
        z = map_rows(hoist(invert, rows[0]), rows)
    if not np.isfinite(z).all():
        bad = int((~np.isfinite(z)).any(axis=1).sum())
        raise InputError(f"ladder: {bad} of {len(z)} draws at beta={beta} lie on the edge of a site's support")
    return z.reshape(chains, draws, -1)
