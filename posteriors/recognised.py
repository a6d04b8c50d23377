"""Which problem a stored ladder was sampled from: a catalogue member or a shipped data set, or a user's own model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from singular.errors import InputError
from singular.models import catalogue, real
from singular.models.density import map_rows
from singular.models.problem import Problem
from singular.posteriors.precision import x64
from singular.posteriors.unconstrained import unconstrained

if TYPE_CHECKING:
    import xarray as xr

COMPARED = 4
"""Draws at which a problem's densities are held against those stored with the ladder."""
TOLERANCE = 1e-6
"""Relative: stored and computed densities agree to rounding or are those of other models."""


def problem_behind(ladder: xr.DataTree) -> tuple[Problem | None, str]:
    """Return the problem that a ladder was sampled from, or None and why it is not to be had.

    The problem is made anew from the ladder's attributes. It is taken for the ladder's own if its data are, and if its
    prior density and its likelihood at some of the draws are those stored with them: a model whose prior was changed
    keeps its name.

    Parameters
    ----------
    ladder : DataTree

    Returns
    -------
    problem : Problem or None
    why : str
        Empty where there is a problem.

    Raises
    ------
    InputError
        If the ladder cannot be read.
    """
    name, n, seed = (ladder.attrs.get(key) for key in ("problem", "n", "seed"))
    if not isinstance(name, str) or (name not in catalogue.MODELS and name not in real.NAMES):
        return None, f"{name!r} is no catalogue model and no shipped data set"
    problem = None
    if name in real.NAMES:
        problem = real.problem(name)
    elif n is not None and seed is not None:
        problem = Problem.from_model(catalogue.MODELS[name], int(n), int(seed))
    if problem is None or problem.data_hash != ladder.attrs.get("data_hash"):
        return None, f"{name!r} is a known name, but its data are not those of the ladder"
    try:
        same = _same_densities(ladder, problem)
    except InputError as error:  # a site was not kept
        return None, str(error)
    if not same:
        return None, f"{name!r} is a known name, but its prior or likelihood at the draws are not those of the ladder"
    return problem, ""


def problem_of(ladder: xr.DataTree) -> Problem | None:
    """Return the problem that a ladder was sampled from, or None if it is not to be had: see `problem_behind`."""
    return problem_behind(ladder)[0]


def _same_densities(ladder: xr.DataTree, problem: Problem) -> bool:
    """Hold prior and likelihood at the first draws at β = 1 against what is stored of them."""
    z = unconstrained(ladder, problem, 1.0)[0, :COMPARED]
    with x64():
        found = map_rows(problem.parts.split, z)
    stats = ladder["sample_stats"].dataset
    return all(
        name not in stats or np.allclose(values, stats[name].sel(beta=1.0).to_numpy()[0, :COMPARED], rtol=TOLERANCE)
        for name, values in zip(("log_prior", "nll"), found, strict=True)
    )
