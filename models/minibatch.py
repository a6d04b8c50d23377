"""The nll of some observations of a problem: what a minibatch gradient is the gradient of."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from singular.errors import InputError, whole
from singular.models.density import Traced, hoist, map_rows, parts_of

if TYPE_CHECKING:
    from singular.models.problem import Problem

KEPT = 16
"""Problems and sizes that are not traced and checked again."""
POINTS = 4
TOLERANCE = 1e-8
"""Relative: rounding of a sum of n terms taken in another order."""


def row_nll(problem: Problem, size: int) -> Traced:
    """Return the function (z, index) -> nll of the observations at ``index``, nats, of which there are ``size``.

    The model is run anew on the rows of its data: a step on B of n observations costs B observations, not n.
    Every array among the arguments whose first axis has length n is taken for data, and the result is held
    against the nll of all data at draws of the prior: two complementary halves of it must add up to it.

    Parameters
    ----------
    problem : Problem
    size : int
        B, from 1 to n.

    Raises
    ------
    InputError
        If B is not such a number, or the nll of this model is no sum over rows of its arguments (rows that
        depend on each other, sufficient statistics, data that the model captures).
    """
    size = whole("batch_size", size, 1, problem.n)
    with jax.enable_x64(True):
        chosen = _traced(problem, size)
        _check_additive(problem)
    return chosen


@lru_cache(maxsize=KEPT)
def _traced(problem: Problem, size: int) -> Traced:
    sites = problem.parts.sites
    empty = {name: jnp.zeros(shape) for name, shape in sites.latent.items()}
    unravel = ravel_pytree(empty)[1]

    def rows(value: Any, index: Any) -> Any:
        whole = isinstance(value, np.ndarray) and value.ndim and value.shape[0] == problem.n
        return jnp.asarray(value)[index] if whole else value

    def nll(z, index):
        args = tuple(rows(a, index) for a in problem.args)
        kwargs = {name: rows(a, index) for name, a in problem.kwargs.items()}
        return parts_of(problem.density, args, kwargs, sites, unravel(z))[1]

    try:
        return hoist(nll, jnp.zeros(problem.dim), jnp.arange(size))
    except Exception as error:
        raise _no_rows(problem, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error


@lru_cache(maxsize=KEPT)
def _check_additive(problem: Problem) -> None:
    n = problem.n
    keys = jax.random.split(jax.random.PRNGKey(0), POINTS)
    z = map_rows(problem.parts.prior_draw, keys)
    whole = np.asarray(map_rows(problem.parts.split, z)[1])
    order = np.random.default_rng(0).permutation(n)
    total = np.zeros(POINTS)
    for part in (order[: n // 2], order[n // 2 :]):
        if part.size:
            nll = _traced(problem, part.size)
            total += [float(nll(row, jnp.asarray(part))) for row in z]
    gap = np.abs(total - whole) / (1 + np.abs(whole))
    if not gap.max() < TOLERANCE:
        raise _no_rows(problem, f"two halves of the data differ from the whole by {gap.max():.2g} of it")


def _no_rows(problem: Problem, why: str) -> InputError:
    return InputError(
        f"problem={problem.name!r} cannot be taken apart into observations ({why}); allowed is a model whose nll is a "
        f"sum over the first axis, of length n={problem.n}, of its arguments: leave batch_size out"
    )
