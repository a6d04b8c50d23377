"""A problem written down for others: data, one optimum, shapes and checks, in ``.npz`` and JSON, without a pickle."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from numpyro import handlers
from numpyro.distributions import biject_to

import singular
from singular.analysis.cases import make_problem
from singular.analysis.targets import ASYMPTOTIC, LEAST_N, TARGETS
from singular.errors import InputError, StoreError
from singular.models import catalogue, real
from singular.models.density import map_rows
from singular.models.description import describe
from singular.models.problem import Problem
from singular.posteriors import store
from singular.posteriors.ladder import wbic_beta
from singular.posteriors.precision import x64

FORMAT = "singular problem 1"
CHECKED = 5
"""Draws of the prior at which the loss is written down, for others to hold theirs against."""
TRANSFORMS = {
    "Identity": "identity", "Exp": "exp", "Sigmoid": "logistic function", "StickBreaking": "stick breaking",
    "LowerCholesky": "exp on the diagonal",
}  # fmt: skip
"""What takes an unconstrained value to a site's support, by NumPyro's name for it."""
SAME = 1e-9
"""Relative tolerance of data made on another machine."""


class Exported(NamedTuple):
    """The two files of one problem; ``unchanged`` if both stood there already, byte for byte."""

    arrays: Path
    description: Path
    unchanged: bool


def stem(name: str, n: int, seed: int) -> str:
    """Return what the files of a problem are called: ``<name>-n<n>-seed<seed>``."""
    return f"{name}-n{n}-seed{seed}"


def export(name: str, n: int = 500, seed: int = 0, out: Path | str = "exported") -> Exported:
    """Write a problem for others to estimate on.

    Parameters
    ----------
    name : str
        A catalogue model or a real problem.
    n, seed : int
        Of the simulated data, n ≥ 3; real data have their own n, and seed 0.
    out : path
        Folder, made if it is not there.

    Returns
    -------
    Exported
        ``<name>-n<n>-seed<seed>.npz`` holds the data arrays under their own names; ``optimum`` (d,) on the
        unconstrained space and ``optimum_<site>`` on each site's support; ``check`` (5, d), ``check_<site>`` and
        ``check_nll`` (5,), points and their nL_n in nats. The ``.json`` beside it tells what they are.

    Raises
    ------
    InputError
        If the name is unknown, or n or seed is not allowed.
    StoreError
        If a file cannot be written: then neither is.
    """
    problem = make_problem(name, n, seed)
    if problem.n < LEAST_N:
        raise InputError(f"n={n!r} must be at least {LEAST_N}: targets are read at 1/log n < 1")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: this folder cannot be made ({error.strerror or error})") from error
    base = stem(name, problem.n, problem.seed or 0)
    paths = folder / f"{base}.npz", folder / f"{base}.json"
    contents = _packed(arrays(problem)), json.dumps(description(name, problem), ensure_ascii=False, indent=1).encode()
    unchanged = all(p.is_file() and p.read_bytes() == c for p, c in zip(paths, contents, strict=True))
    with store.replaced(paths[1]) as described, store.replaced(paths[0]) as packed:
        packed.write_bytes(contents[0])
        described.write_bytes(contents[1])
    return Exported(*paths, unchanged)


def arrays(problem: Problem) -> dict[str, np.ndarray]:
    """Return what is written of a problem as arrays: data, optimum, and points to check a loss at."""
    with x64():
        check = map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(1), CHECKED))
        _, nll = map_rows(problem.parts.split, check)
        values = map_rows(problem.parts.constrain, np.vstack([problem.reference.z, check]))
    found = {name: np.asarray(value) for name, value in problem.kwargs.items()}
    found |= {"optimum": problem.reference.z, "check": check, "check_nll": nll}
    for site in problem.parts.sites.latent:
        found |= {f"optimum_{site}": values[site][0], f"check_{site}": values[site][1:]}
    return found


def description(name: str, problem: Problem) -> dict[str, Any]:
    """Return what is written of a problem in words and numbers, as JSON values."""
    beta, nll = wbic_beta(problem.n), float(problem.reference.nll)
    return {
        "format": FORMAT,
        "singular": singular.__version__,
        "name": name,
        **_words(name),
        "n": problem.n,
        "seed": problem.seed or 0,
        "d": problem.dim,
        "beta": beta,
        "n_beta": problem.n * beta,
        "nll_at_optimum": nll,
        "mean_loss_at_optimum": nll / problem.n,
        "optimum_flags": list(problem.reference.flags),
        "data": {key: list(np.shape(value)) for key, value in problem.kwargs.items()},
        "sites": sites(problem),
        "data_hash": problem.data_hash,
        "targets": {
            key: {"unit": target.unit, "definition": target.definition}
            for key, target in TARGETS.items()
            if key != ASYMPTOTIC or (problem.model is not None and problem.model.exact is not None)
        },
    }


def sites(problem: Problem) -> list[dict[str, Any]]:
    """Return the sites in the order of the flat vector: which part of it each is, and how it gets onto its support.

    Examples
    --------
    >>> sites(make_problem("linear-2", n=10))
    [{'name': 'w', 'offset': 0, 'unconstrained_shape': [2], 'shape': [2], 'support': 'real', 'transform': 'identity'}]
    """
    with x64(), handlers.block(), handlers.trace() as trace, handlers.seed(rng_seed=0):
        problem.density(*problem.args, **problem.kwargs)
    with x64():
        values = map_rows(problem.parts.constrain, problem.reference.z[None])
    found, offset = [], 0
    for name in sorted(problem.parts.sites.latent):  # the order in which JAX flattens a dictionary
        shape = problem.parts.sites.latent[name]
        support = trace[name]["fn"].support
        found.append(
            {
                "name": name,
                "offset": offset,
                "unconstrained_shape": list(shape),
                "shape": list(values[name].shape[1:]),
                "support": _support(support),
                "transform": _transform(biject_to(support)),
            }
        )
        offset += math.prod(shape)
    return found


def exported_optimum(folder: Path | str, problem: Problem, name: str) -> np.ndarray | None:
    """Return the optimum that was exported with a problem, (d,), or None if ``folder`` has no such file.

    An optimiser may end at another of the equally good points on another machine: estimates at a point are
    scored at the point their authors were given.

    Raises
    ------
    StoreError
        If the file is damaged or foreign.
    InputError
        If its data are not those of the problem.
    """
    path = Path(folder) / f"{stem(name, problem.n, problem.seed or 0)}.npz"
    if not path.exists():
        return None
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            held = {key: file[key] for key in file.files}
        optimum = np.asarray(held["optimum"], dtype=np.float64)
    except Exception as error:  # zipfile, NumPy and zlib each have their own errors for damage
        raise StoreError(f"{path}: is damaged or was not written by singular ({error})") from error
    for key, value in problem.kwargs.items():
        if key not in held or held[key].shape != value.shape or not np.allclose(held[key], value, rtol=SAME, atol=SAME):
            raise InputError(f"{path}: its data {key!r} are not those of {name!r}, n={problem.n}; export it again")
    if optimum.shape != (problem.dim,) or not np.isfinite(optimum).all():
        raise InputError(f"{path}: its optimum has shape {optimum.shape}, not ({problem.dim},), or is not finite")
    return optimum


def _words(name: str) -> dict[str, Any]:
    if name in catalogue.MODELS:
        known = describe(catalogue.MODELS[name])
        kept = ("family", "description", "prior", "truth", "note", ASYMPTOTIC, "multiplicity", "upper_bound", "source")
        return {key: known[key] for key in kept}
    data_set = real.DATA_SETS[name.rsplit("-", 1)[0]]
    return {
        "family": f"{data_set.family}, real data",
        "description": data_set.likelihood,
        "prior": data_set.prior,
        "truth": "unknown: real data",
        "note": data_set.note,
        "source": f"{data_set.source}; licence: {data_set.licence}",
    }


def _packed(held: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **held)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def _support(support: Any) -> str:
    support = getattr(support, "base_constraint", support)
    kind = type(support).__name__.strip("_")
    if "Interval" in kind:
        return f"interval from {float(support.lower_bound):g} to {float(support.upper_bound):g}"
    return {"LowerCholesky": "lower triangular, positive diagonal"}.get(kind, kind.lower())


def _transform(transform: Any) -> str:
    transform = getattr(transform, "base_transform", transform)
    parts = getattr(transform, "parts", None)
    if parts:
        return ", then ".join(_transform(part) for part in parts)
    kind = type(transform).__name__.removesuffix("Transform")
    if kind == "Affine":
        return f"times {float(transform.scale):g} plus {float(transform.loc):g}"
    return TRANSFORMS.get(kind, kind)
