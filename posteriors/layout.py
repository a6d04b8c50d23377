"""The ladder as an ``xarray.DataTree`` in the ArviZ layout with one more dimension, ``beta``."""

from __future__ import annotations

import json
import math
import platform
from importlib.metadata import version

import numpy as np
import xarray as xr
from numpyro import handlers

from singular.errors import InputError, unknown_name
from singular.models.density import Traced, hoist, map_rows
from singular.models.problem import Problem
from singular.posteriors.exchange import Record
from singular.posteriors.precision import x64

PACKAGES = ("singular", "jax", "numpyro", "numpy", "xarray")
LEADING = ("chain", "draw", "beta")


def to_tree(problem, grid, record: Record, tuned, seed, settings, cost, complete, keep) -> xr.DataTree:
    """Lay out one run of the ladder; ``record`` has rows (chain, draw, rung)."""
    points = record.points
    stats = {
        "nll": points.nll,
        "log_prior": points.log_prior,
        "nll_virial": record.nll_virial,
        "log_prior_virial": record.log_prior_virial,
        **record.steps._asdict(),
        "swap_probability": record.swap_probability,
        "swap_accepted": record.swap_accepted,
        "replica": record.replica,
    }
    stats["diverging"] = stats["diverging"].astype(bool)
    attributes = {"sampler": f"replica exchange, {settings['kernel']}", "kernel": settings["kernel"]}
    attributes |= {"sampler_seed": seed, "complete": int(complete), **cost}
    return lay_out(problem, grid, points.z, stats, tuned, settings, attributes, keep)


def lay_out(problem, grid, z, stats, tuned, settings, attributes, keep=None) -> xr.DataTree:
    """Lay out draws on the rungs of ``grid``.

    Parameters
    ----------
    problem : Problem
    grid : (beta,) float
    z : (chain, draw, beta, d) float
        On the unconstrained space.
    stats : name -> (chain, draw, beta) array
    tuned : name -> (chain, beta) array
        What warm-up has set: the step size and the like.
    settings : dict
        Kept as JSON.
    attributes : dict
        Of this run: sampler, seed, cost.
    keep : sequence of str, optional
        Sites to keep; all if None.
    """
    coords = {
        "chain": np.arange(z.shape[0]),
        "draw": np.arange(z.shape[1]),
        "beta": np.asarray(grid, dtype=float),
    }
    sites = constrain(problem, z, keep)
    posterior = xr.Dataset({k: (_dims(k, v, 3), v) for k, v in sites.items()}, coords=coords)
    sample_stats = xr.Dataset({k: (LEADING, v) for k, v in stats.items()}, coords=coords)
    for name, values in tuned.items():
        sample_stats[name] = (("chain", "beta"), values)
    groups = {"/posterior": posterior, "/sample_stats": sample_stats, **data_groups(problem)}
    if grid[0] == 0.0:
        groups["/prior"] = posterior.isel(beta=0, drop=True)
    tree = xr.DataTree.from_dict(groups)
    about = attributes_of(problem, settings, attributes)
    beta_wbic = [float(b) for b in grid if problem.n >= 3 and np.isclose(b, 1 / np.log(problem.n), rtol=1e-9)]
    if beta_wbic:
        about["wbic_beta"] = beta_wbic[0]
    tree.attrs.update(about)
    return tree


def attributes_of(problem: Problem, settings, attributes) -> dict:
    """Return the root attributes of a run: what was sampled, how and with which versions, and ``attributes``."""
    about = {
        "problem": problem.name,
        "n": problem.n,
        "dim": problem.dim,
        "data_hash": problem.data_hash,
        "settings": json.dumps(settings),
        "versions": json.dumps({**{p: version(p) for p in PACKAGES}, "python": platform.python_version()}),
        **attributes,
    }
    return about if problem.seed is None else {**about, "seed": problem.seed}


def data_groups(problem: Problem) -> dict[str, xr.Dataset]:
    """Return the groups of a tree that hold the problem's data."""
    return {
        f"/{name}_data": xr.Dataset({k: (_dims(k, v, 0), v) for k, v in values.items()})
        for name, values in zip(("observed", "constant"), data_of(problem), strict=True)
    }


def constrain(problem: Problem, z, keep=None) -> dict[str, np.ndarray]:
    """Return the sites at unconstrained draws ``z`` of shape (..., d), by name, leading shape kept."""
    return _apply(problem.parts.constrain, z, keep)


def rung(ladder: xr.DataTree, which: float | str, problem: Problem | None = None) -> xr.DataTree:
    """Return one rung as an ordinary ArviZ tree, with the pointwise log-likelihood if ``problem`` is given.

    Parameters
    ----------
    ladder : DataTree
        From `ladder`.
    which : float or {"prior", "wbic", "posterior"}
        A β of the ladder (to a relative 1e-6), or its label: 0, 1/log n, 1.
    problem : Problem, optional
        The problem that was sampled. With it the tree gains ``/log_likelihood``, in nats, per observation.

    Raises
    ------
    InputError
        If β is no rung, the label is unknown, or ``problem`` is not the one the ladder was made from.
    """
    betas = ladder["sample_stats"].to_dataset()["beta"].to_numpy()
    if isinstance(which, str):
        labels = {"prior": 0.0, "posterior": 1.0, "wbic": ladder.attrs.get("wbic_beta")}
        if which not in labels:
            raise unknown_name("which", which, labels)
        beta = labels[which]
        if beta is None:
            raise InputError("which='wbic': this ladder has no rung at 1/log n")
    else:
        beta = float(which)
    index = int(np.argmin(np.abs(betas - beta)))
    if not np.isclose(betas[index], beta, rtol=1e-6, atol=1e-12):
        raise InputError(f"beta={beta!r} is no rung of this ladder; rungs: {np.array2string(betas, precision=6)}")
    tree = ladder.isel(beta=index, missing_dims="ignore")
    tree.attrs = {**ladder.attrs, "beta": float(betas[index])}
    if problem is None:
        return tree
    if problem.data_hash != ladder.attrs.get("data_hash"):
        raise InputError(f"problem={problem.name!r} does not have the data this ladder was sampled with")
    if problem.parts.pointwise is None:
        raise InputError(
            f"problem={problem.name!r} sums over discrete sites: it has no log-likelihood per observation; write the "
            "mixture with dist.MixtureSameFamily"
        )
    z = unconstrain(problem, tree)
    values = _apply(problem.parts.pointwise, z, None)
    tree["log_likelihood"] = xr.DataTree(
        xr.Dataset({k: (_dims(k, v, 2), v) for k, v in values.items()}, coords=dict(tree["sample_stats"].coords))
    )
    return tree


def data_of(problem: Problem) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return (observed, constant) arrays: the values of observed sites, and the model's other arguments."""
    with x64(), handlers.seed(rng_seed=0), handlers.trace() as trace:
        problem.density(*problem.args, **problem.kwargs)
    observed = {
        name: np.asarray(trace[name]["value"])
        for name in problem.parts.sites.observed
        if not trace[name]["infer"].get("is_auxiliary", False)
    }
    arguments = {**{f"argument_{i}": a for i, a in enumerate(problem.args)}, **problem.kwargs}
    constant = {
        name: value
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and not any(np.array_equal(value, o) for o in observed.values())
    }
    return observed, constant


def unconstrain(problem: Problem, tree: xr.DataTree, leading: tuple[str, str] = LEADING[:2]) -> np.ndarray:
    """Return z for every draw of an ordinary posterior, rows (chain, draw) or ``leading`` in their place."""
    posterior = tree["posterior"].to_dataset()
    missing = [name for name in problem.parts.sites.latent if name not in posterior]
    if missing:
        raise InputError(f"the ladder does not hold the sites {missing}; sample it without keep")
    arrays = {n: posterior[n].transpose(*leading, ...).to_numpy() for n in problem.parts.sites.latent}
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
    return z.reshape(chains, draws, -1)


def _apply(function: Traced, z: np.ndarray, keep) -> dict[str, np.ndarray]:
    """Map a traced function over the leading axes of ``z``."""
    with x64():
        values = map_rows(function, z.reshape(-1, z.shape[-1]))
    return {k: v.reshape(*z.shape[:-1], *v.shape[1:]) for k, v in values.items() if keep is None or k in keep}


def _dims(name, value, leading: int) -> tuple[str, ...]:
    lead = {3: LEADING, 2: LEADING[:2], 0: ()}[leading]
    return (*lead, *(f"{name}_dim_{i}" for i in range(np.ndim(value) - leading)))
