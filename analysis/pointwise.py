"""The log-likelihood of each observation at the draws of one rung, for the data of the ladder and for fresh data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpyro import handlers

from singular.errors import InputError
from singular.models.density import ROWS, Traced, map_rows
from singular.posteriors.layout import rung, unconstrain
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

ELEMENTS = 4_000_000
"""Log-likelihoods of fresh data held at once: about 32 MB for each array of that size."""


def pointwise_log_likelihood(ladder: xr.DataTree, problem: Problem, beta: float = 1.0) -> np.ndarray:
    """Return log p(y_i | x_i, w) at the draws of one rung, untempered.

    An observation is one row of the leading axis that the observed sites share: what several sites and further axes
    say of it is added up. Rows that are masked in every site are left out.

    Parameters
    ----------
    ladder : DataTree
        From ``posteriors.ladder``, with every latent site kept.
    problem : Problem
        The problem it was sampled from.
    beta : float
        A rung; its draws follow φ(w) p(D | w)^β.

    Returns
    -------
    (chain, draw, n) float
        Nats. Computed anew at each call; it takes 8 · chains · draws · n bytes.

    Raises
    ------
    InputError
        If β is no rung, the problem is not the ladder's, it sums over discrete sites (there is no log-likelihood per
        observation then), or its observed sites do not share a leading axis.
    """
    sites = rung(ladder, float(beta), problem)["log_likelihood"].to_dataset()
    values = {str(name): v.transpose("chain", "draw", ...).to_numpy() for name, v in sites.data_vars.items()}
    return _seen_rows(problem, _added(problem, values, leading=2))


def held_out_log_likelihood(ladder: xr.DataTree, problem: Problem, held_out: Problem, beta: float = 1.0) -> np.ndarray:
    """Return log p(y*_i | x*_i, w) of fresh data at the draws of one rung, untempered.

    Parameters
    ----------
    ladder : DataTree
    problem : Problem
        The problem the ladder was sampled from.
    held_out : Problem
        The same model with data that the ladder has not seen: ``models.problem`` with another seed, or
        ``Problem.from_numpyro`` of the same function with the new data.
    beta : float
        A rung.

    Returns
    -------
    (chain, draw, m) float
        Nats, 8 · chains · draws · m bytes. `held_out_blocks` gives the same a block of draws at a time.

    Raises
    ------
    InputError
        As for `pointwise_log_likelihood`; or if the latent sites of the two problems differ (parameters that belong
        to single observations cannot be carried over), or ``held_out`` has data of ``problem``.
    """
    stats = ladder["sample_stats"].sizes
    rows = np.concatenate(list(held_out_blocks(ladder, problem, held_out, beta)))
    return rows.reshape(stats["chain"], stats["draw"], -1)


def held_out_blocks(
    ladder: xr.DataTree, problem: Problem, held_out: Problem, beta: float = 1.0
) -> Iterator[np.ndarray]:
    """Yield `held_out_log_likelihood` a block of draws at a time, each (draws, m), chain after chain.

    Raises
    ------
    InputError
        As for `held_out_log_likelihood`.
    """
    if problem.data_hash != ladder.attrs.get("data_hash"):
        raise InputError(f"problem={problem.name!r} does not have the data this ladder was sampled with")
    _check_fresh(problem, held_out)
    function = _pointwise(held_out, "held_out")
    # the values on their own supports are what the two problems share, so they are mapped back by held_out
    z = unconstrain(held_out, rung(ladder, float(beta)))
    z = z.reshape(-1, z.shape[-1])
    size = max(ROWS, ELEMENTS // max(1, sum(_sizes(function, z[0]))) // ROWS * ROWS)
    for start in range(0, len(z), size):
        with x64():
            values = map_rows(function, z[start : start + size])
        yield _seen_rows(held_out, _added(held_out, values, leading=1))


def log_likelihood_at(problem: Problem, parameters: Mapping[str, Any]) -> np.ndarray:
    """Return log p(y_i | x_i, w) of each observation at one point.

    Parameters
    ----------
    problem : Problem
    parameters : mapping
        Site name to value, on the sites' own supports, not on their edge: ``problem.model.optimum``, say.

    Returns
    -------
    (n,) float
        Nats.

    Raises
    ------
    InputError
        If a site is missing or its value lies on the edge of its support, or as for `pointwise_log_likelihood`.
    """
    function = _pointwise(problem, "problem")
    with x64():
        try:
            z = np.asarray(problem.parts.unconstrain(dict(parameters)))
            inside = bool(np.isfinite(z).all())
        except InputError:
            raise
        except ValueError:  # a distribution that refuses its parameters
            inside = False
        if not inside:
            raise InputError(f"parameters={dict(parameters)!r} lie on the edge of a support or beyond it")
        values = map_rows(function, z[None])
    return _seen_rows(problem, _added(problem, values, leading=1))[0]


def _pointwise(problem: Problem, argument: str) -> Traced:
    if problem.parts.pointwise is None:
        raise InputError(
            f"{argument}={problem.name!r} sums over discrete sites: it has no log-likelihood per observation; write "
            "the mixture with dist.MixtureSameFamily"
        )
    return problem.parts.pointwise


def _check_fresh(problem: Problem, held_out: Problem) -> None:
    """Refuse data that were fitted, and parameters that do not carry over."""
    name = getattr(held_out, "name", None)
    if name is None:
        raise InputError(f"held_out={held_out!r} is a {type(held_out).__name__}; it must be a Problem with fresh data")
    mine, theirs = problem.parts.sites.latent, held_out.parts.sites.latent
    if mine != theirs:
        raise InputError(
            f"held_out={name!r} has the latent sites {theirs} and problem={problem.name!r} has {mine} (unconstrained "
            "shapes); they must be the same, so a parameter for each observation cannot be carried over"
        )
    same_stream = problem.seed is not None and problem.seed == held_out.seed and problem.name == name
    if same_stream or problem.data_hash == held_out.data_hash:
        raise InputError(
            f"held_out={name!r} has data of problem={problem.name!r} (data seed {held_out.seed}); a generalisation "
            "loss needs fresh data: another seed"
        )


def _sizes(function: Traced, z: np.ndarray) -> list[int]:
    """Return how many log-likelihoods each site has, without computing one."""
    with x64():
        return [int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(jax.eval_shape(function, z))]


def _added(problem: Problem, values: Mapping[str, np.ndarray], leading: int) -> np.ndarray:
    """Add up what the observed sites say of each row; ``leading`` axes of draws come first."""
    lengths = {name: (v.shape[leading] if v.ndim > leading else 1) for name, v in values.items()}
    sizes = problem.parts.sites.sample_sizes
    joint = [name for name, length in lengths.items() if length < sizes.get(name, 0)]
    if joint or len(set(lengths.values())) != 1:
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise InputError(
            f"problem={problem.name!r} has no log-likelihood per observation: its observed sites must share their "
            f"leading axis, and have one value for each row of it; they have {told} values"
            + (f", and {joint[0]} is one joint distribution of {sizes[joint[0]]} rows" if joint else "")
        )
    rows = [v.reshape(*v.shape[:leading], lengths[name], -1) for name, v in values.items()]
    if len(rows) == 1 and rows[0].shape[-1] == 1:
        return rows[0][..., 0]
    return np.sum([row.sum(axis=-1) for row in rows], axis=0)


def _seen_rows(problem: Problem, total: np.ndarray) -> np.ndarray:
    """Leave the rows out that are masked in every site."""
    if total.shape[-1] < (problem.sample_size or 0):
        raise InputError(
            f"problem={problem.name!r} has {total.shape[-1]} rows that stand for {problem.sample_size} observations: "
            "what is made of single ones needs the data as they were observed"
        )
    sizes = problem.parts.sites.sample_sizes
    if not sizes or min(sizes.values()) == total.shape[-1]:
        return total
    with x64(), handlers.seed(rng_seed=0), handlers.trace() as trace:
        problem.density(*problem.args, **problem.kwargs)
    seen = np.zeros(total.shape[-1], dtype=bool)
    for name in sizes:
        fn = trace[name]["fn"]
        mask = getattr(fn, "_mask", None)
        rows = np.broadcast_to(np.asarray(True if mask is None else mask), fn.batch_shape)
        seen |= rows.reshape(len(seen), -1).any(axis=1)
    return total[..., seen]
