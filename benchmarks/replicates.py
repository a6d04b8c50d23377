"""Replicates for the validation programs: ladders kept on disk, good ones and starved ones, and their estimates."""

from __future__ import annotations

import multiprocessing
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from rich.progress import track

from singular import analysis, models, posteriors
from singular.analysis.draws import VIRIALS
from singular.analysis.markdown import markdown
from singular.posteriors import store
from singular.posteriors.ladder import available_cores

MODELS = ("tanh-1", "tanh-2", "product", "linear-4", "mixture-known", "poisson-2", "logistic-2", "relu-1")
"""Members with an exact evidence: regular and singular, one to fourteen rungs, normal and discrete data."""
KEPT = ("nll", *VIRIALS, "diverging", "tree_depth", "swap_probability", "replica")
SAMPLED: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "few draws": {"draws": 40, "warmup": 100},
    "a quarter of the draws": {"draws": 250, "warmup": 150},
    "few rungs": {"rungs": 3},
    "short trees": {"max_tree_depth": 1},
    "wild steps": {"target_acceptance": 0.2},
    "no warm-up": {"rungs": 5, "warmup": 0, "draws": 400, "max_tree_depth": 3},
}
"""Arguments of ``posteriors.ladder``; ``rungs`` is how many, evenly spaced in log β up to 1/log n."""
SPOILT = ("stuck chain", "chain apart")
"""Made of a ladder at default settings, afterwards."""
KINDS = (*SAMPLED, *SPOILT)
PROCESS_TASKS = 40
"""Ladders after which a process is replaced: compiled programs add up."""


class Run(NamedTuple):
    """One ladder of one model: its kind, and the seed of the data and of the sampler."""

    model: str
    kind: str
    n: int
    seed: int


def kept_ladder(run: Run, folder: Path) -> xr.DataTree:
    """Return the ladder of a run, from the folder if it is there, else sampled and kept."""
    kind = run.kind if run.kind in SAMPLED else "default"
    path = folder / f"{run.model}-{kind.replace(' ', '-')}-n{run.n}-{run.seed}.nc"
    if path.exists():
        tree = store.load(path)
    else:
        arguments = dict(SAMPLED[kind])
        if "rungs" in arguments:
            arguments["betas"] = grid(run.n, arguments.pop("rungs"))
        problem = models.problem(run.model, n=run.n, seed=run.seed)
        whole = posteriors.ladder(problem, seed=run.seed, progress=False, cores=1, **arguments)
        tree = reduced(whole)
        store.save(tree, path)
    if run.kind == "stuck chain":
        return stuck(tree, np.random.default_rng([run.seed, 1]))
    if run.kind == "chain apart":
        return apart(tree, np.random.default_rng([run.seed, 2]))
    return tree


def grid(n: int, rungs: int) -> list[float]:
    """Return 0, 1/log n and 1, and further rungs from 1/n up to 1/log n."""
    middle = 1 / np.log(n)
    return sorted({0.0, middle, 1.0, *np.geomspace(1 / n, middle, rungs - 1)[1 : rungs - 2]})


def reduced(tree: xr.DataTree) -> xr.DataTree:
    """Return the part of a ladder that numbers and flags are read off."""
    stats = tree["sample_stats"].to_dataset()[list(KEPT)]
    small = xr.DataTree.from_dict({"/sample_stats": stats, "/posterior": xr.Dataset()})
    small.attrs.update(tree.attrs)
    return small


def stuck(tree: xr.DataTree, rng: np.random.Generator) -> xr.DataTree:
    """Freeze the last chain from some round on, on the rungs above some β."""
    stats = {name: tree["sample_stats"][name].to_numpy().copy() for name in ("nll", *VIRIALS)}
    _, draws, rungs = stats["nll"].shape
    first, low = int(rng.integers(draws // 10, draws * 9 // 10)), int(rng.integers(1, rungs))
    for values in stats.values():
        values[-1, first:, low:] = values[-1, first, low:]
    return _with(tree, **stats)


def apart(tree: xr.DataTree, rng: np.random.Generator) -> xr.DataTree:
    """Move the last chain's nll above some β by a quarter to two standard deviations, as in a region of its own."""
    nll = tree["sample_stats"]["nll"].to_numpy().copy()
    low = int(rng.integers(1, nll.shape[2]))
    nll[-1, :, low:] += rng.uniform(0.25, 2.0) * nll[..., low:].std(axis=(0, 1))
    return _with(tree, nll=nll)


def _with(tree: xr.DataTree, **stats: np.ndarray) -> xr.DataTree:
    laid = {name: (("chain", "draw", "beta"), values) for name, values in stats.items()}
    stats = tree["sample_stats"].to_dataset().assign(laid)
    changed = xr.DataTree.from_dict({"/sample_stats": stats})
    changed.attrs.update(tree.attrs)
    return changed


def estimates(run: Run, folder: Path) -> pd.DataFrame:
    """Return one row for each estimate of a run with its exact value.

    Every free energy, WBIC, and every learning coefficient at 1/log n and at β = 1 alone, so that no two rows of
    one estimator come from one ladder. ``z`` is (value − exact)/mcse; ``diverging`` the largest share of divergent
    steps on a rung.
    """
    tree = kept_ladder(run, folder)
    betas = tree["sample_stats"]["beta"].to_numpy()
    exact = posteriors.quadrature(models.problem(run.model, n=run.n, seed=run.seed), betas)
    rows = analysis.summary(tree, exact=exact)
    stones = analysis.free_energy(tree, "stepping-stone")
    extra = {
        **rows.iloc[0].to_dict(), "method": stones.method, "value": stones.value, "mcse": stones.mcse,
        "discretisation_error": 0.0, "flags": "; ".join(stones.flags), "target": stones.target,
    }  # fmt: skip
    curve = (rows["quantity"] == "effective_learning_coefficient") & (rows["beta"] == 1.0)
    rows = pd.concat([rows[curve | rows["quantity"].isin(["free_energy", "wbic", "learning_coefficient"])],
                      pd.DataFrame([extra])], ignore_index=True)  # fmt: skip
    names = {"effective_learning_coefficient": "λ_eff(1)", "learning_coefficient": "λ_eff(1/log n)"}
    rows["quantity"] = rows["quantity"].replace(names)
    rows["z"] = (rows["value"] - rows["exact"]) / rows["mcse"]
    oracle = exact.frame[[name for name in exact.frame if name.startswith("error_")]].max()
    stats = tree["sample_stats"]
    about = {
        "model": run.model, "kind": run.kind, "rungs": betas.size, "seconds": tree.attrs["wall_time"],
        "diverging": float(stats["diverging"].mean(("chain", "draw")).max()),
        "oracle_error": float(oracle["error_free_energy"]),
    }  # fmt: skip
    return rows.drop(columns=["problem", "target"]).assign(**about)


def every(function: Callable[[Any], Any], items: Sequence[Any], what: str) -> Iterator[Any]:
    """Run a function over items, one process on each core, in any order, with a progress bar."""
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(library, "1")  # with a process on each core, threads of BLAS only wait for each other
    processes = multiprocessing.get_context("spawn")
    with processes.Pool(available_cores(), maxtasksperchild=PROCESS_TASKS) as pool:
        yield from track(pool.imap_unordered(function, items), what, total=len(items))


def printed(frame: pd.DataFrame) -> str:
    """Return a frame as a Markdown table; bars in its headings are not taken for cells."""
    return markdown(frame.rename(columns=lambda name: str(name).replace("|", "\\|")))


def wrapped(text: str) -> str:
    """Return a paragraph broken into lines of at most 120 characters."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)
