"""A regression with normal noise on as few rows as its sums of squares and products need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from singular.errors import InputError
from singular.models.structure import triangular_factor

if TYPE_CHECKING:
    from singular.models.problem import Problem


def equivalent_rows(problem: Problem) -> Problem:
    """Return a problem with fewer rows of data and the same nll but for a constant.

    For y ~ N(Wᵀ x, σ² I), with W any function of the parameters and x and y the arguments of those names, the
    nll depends on the data through the products of [x y] with itself. The triangular factor of [x y] has the same
    ones, in as many rows as x and y have columns. Shares of phases and variances of nll at every β are those of the
    whole data, means of nll but for that constant, and a gradient costs the same at n = 10⁷ as at 10. The rows are not
    observations: what is made of single ones, as WAIC and LOO, is refused. That the model is of this kind is for the
    caller to know.

    Parameters
    ----------
    problem : Problem
        With arguments ``x`` (n,) or (n, p) and ``y`` (n,) or (n, q) and no others; n rows at least p + q.

    Returns
    -------
    Problem
        ``n`` and the name are kept; ``nll`` is smaller by n − (p + q) times the constant of one row.

    Raises
    ------
    InputError
        If the arguments are others, or there are too few rows.
    """
    if problem.args or set(problem.kwargs) != {"x", "y"}:
        raise InputError(f"problem={problem.name!r} has arguments {sorted(problem.kwargs)}; allowed are x and y alone")
    x, y = (np.asarray(problem.kwargs[name], dtype=np.float64) for name in ("x", "y"))
    both = np.concatenate([x.reshape(len(x), -1), y.reshape(len(y), -1)], axis=1)
    if len(both) < both.shape[1]:
        raise InputError(f"problem={problem.name!r} has {len(both)} rows: allowed are at least {both.shape[1]}")
    factor = triangular_factor(both)
    columns = x.reshape(len(x), -1).shape[1]
    small = {"x": factor[:, :columns], "y": factor[:, columns:]}
    kwargs = {name: v[:, 0] if np.ndim(problem.kwargs[name]) == 1 else v for name, v in small.items()}
    return replace(problem, kwargs=kwargs, sample_size=problem.n)
