"""Ensembles as ``xarray.DataTree``: the layout of a ladder with ``run`` for its chains and ``step`` for its draws."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from singular.errors import InputError
from singular.models.problem import Problem
from singular.posteriors.layout import attributes_of, constrain, data_groups, unconstrain

LEADING = ("run", "step")
SETTING = "setting"


def ensemble_tree(
    problem: Problem,
    steps: np.ndarray,
    z: np.ndarray,
    stats: dict[str, np.ndarray],
    settings: dict[str, Any],
    attributes: dict[str, Any],
) -> xr.DataTree:
    """Lay out runs.

    Parameters
    ----------
    problem : Problem
    steps : (step,) int
        Steps made before each record.
    z : (run, step, d) float
        On the unconstrained space.
    stats : name -> (run, …) array
        Of two dimensions (run, step), of three (run, step, coordinate), of one (run,).
    settings : dict
        Kept as JSON.
    attributes : dict
    """
    coords = {"run": np.arange(z.shape[0]), "step": np.asarray(steps, dtype=int)}
    sites = {
        name: ((*LEADING, *(f"{name}_dim_{i}" for i in range(value.ndim - 2))), value)
        for name, value in constrain(problem, z).items()
    }
    dims = (*LEADING, "coordinate")
    groups = {
        "/posterior": xr.Dataset(sites, coords=coords),
        "/sample_stats": xr.Dataset({k: (dims[: v.ndim], v) for k, v in stats.items()}, coords=coords),
        **data_groups(problem),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(attributes_of(problem, settings, attributes))
    return tree


def beside(trees: list[xr.DataTree], along: dict[str, list[Any]]) -> xr.DataTree:
    """Return ensembles of one problem and one list of steps as one tree with the dimension ``setting`` third.

    ``along`` has the coordinates of the settings. Attributes in which all trees agree stay, the settings are kept as a
    JSON list, and numbers that count are added up.
    """
    order = (*LEADING, SETTING)
    groups = {}
    for name in ("posterior", "sample_stats"):
        joined = xr.concat([tree[name].to_dataset() for tree in trees], SETTING)
        joined = joined.transpose(*(d for d in order if d in joined.dims), ...)
        groups[f"/{name}"] = joined.assign_coords({k: (SETTING, v) for k, v in along.items()})
    groups |= {f"/{name}": trees[0][name].to_dataset() for name in ("observed_data", "constant_data")}
    whole = xr.DataTree.from_dict(groups)
    first = trees[0].attrs
    whole.attrs.update({k: v for k, v in first.items() if all(tree.attrs.get(k) == v for tree in trees)})
    whole.attrs["settings"] = json.dumps([json.loads(tree.attrs["settings"]) for tree in trees])
    for count in ("diverged", "gradient_evaluations", "data_passes", "wall_time"):
        whole.attrs[count] = sum(tree.attrs[count] for tree in trees)
    whole.attrs["flags"] = "; ".join(
        f"setting {i}: {t.attrs['flags']}" for i, t in enumerate(trees) if t.attrs["flags"]
    )
    return whole


def ensemble_points(ensemble: xr.DataTree, problem: Problem) -> np.ndarray:
    """Return the records of an ensemble as unconstrained vectors, (run, step, d); NaN where a run has left.

    Parameters
    ----------
    ensemble : DataTree
        From `sgd`, or one setting of `sgd_settings`: ``tree.isel(setting=0)``.
    problem : Problem
        The problem it was run on.

    Raises
    ------
    InputError
        If the tree is no ensemble of one setting, or the problem has other data.
    """
    dims = set(ensemble["sample_stats"]["nll"].dims) if "sample_stats" in ensemble.children else set()
    if dims != set(LEADING):
        raise InputError(
            f"ensemble has dimensions {sorted(map(str, dims))}; allowed is a tree of posteriors.sgd, with run and step"
            " (one setting of several: ensemble.isel(setting=0))"
        )
    if ensemble.attrs.get("data_hash") != problem.data_hash:
        raise InputError(f"problem={problem.name!r} does not have the data this ensemble was run on")
    return unconstrain(problem, ensemble, LEADING)
