"""Model choice: how often F, WBIC, sBIC, BIC, WAIC and LOO pick the true size, over n, in four singular families.

Each data set comes from one size of its family, and every size is fitted to it: one short ladder each, from which F,
WBIC, WAIC and LOO are read, with their Monte Carlo errors; BIC and singular BIC come from the maximal likelihoods. The
prior is widened and narrowed by a factor 2 by reweighting: would F have chosen another size? Where the evidence is an
integral that can be done exactly, it stands beside.

    python benchmarks/validate_model_choice.py           # writes docs/validation/MODEL_CHOICE.md, .csv and .png

A run goes on where it was stopped: finished data sets are read back from ``out/model-choice``.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from replicates import every
from validate_model_choice_families import FAMILIES, data_of, nll_of_noise, problem_of, sampled_problem
from validate_model_choice_page import page
from validate_model_choice_picture import picture
from validate_model_choice_tables import FACTORS

from singular import analysis, models, posteriors
from singular.analysis.estimate import estimate
from singular.analysis.prior_sensitivity import prior_shifts
from singular.errors import InputError, unknown_name
from singular.posteriors.store import write

SETTINGS = {"chains": 2, "draws": 250, "warmup": 100}
"""Of each ladder; its rungs are placed by the pilot."""
N = (50, 150, 500)
SETS = 20
"""Data sets of each family and n."""
ORACLES = {"reduced-rank regression": (1,), "normal mixture": (2,), "tanh network": (1, 2, 3)}
"""Sizes whose evidence is integrated exactly: on all data sets if that is every size, else on the first few."""
CHECKED = 10


class Job(NamedTuple):
    """One data set, to which every size is fitted."""

    family: str
    n: int
    seed: int


def place(job: Job, folder: Path) -> Path:
    """Return where the rows of a data set are kept."""
    return folder / f"{job.family.replace(' ', '-')}-n{job.n}-{job.seed}.csv"


def kept(job: Job, folder: Path) -> pd.DataFrame:
    """Return the rows of a data set, from the folder if they are there, else computed and kept."""
    path = place(job, folder)
    if not path.exists():
        write(path, one_set(job).to_csv(index=False))
    return pd.read_csv(path, keep_default_na=False, na_values=["nan", ""], dtype={"family": str})


def one_set(job: Job) -> pd.DataFrame:
    """Return one row for each size: every criterion, the lower the better, in nats, with its Monte Carlo error."""
    family = FAMILIES[job.family]
    data = data_of(family, job.n, job.seed)
    rows = []
    for size in family.sizes:
        problem = problem_of(family, size, data)
        about = {**job._asdict(), "size": size}
        if problem is None:
            rows.append(about | without_parameters(nll_of_noise(data)))
        else:
            started = time.perf_counter()
            found = fitted(problem, sampled_problem(family, size, data, problem), size, job)
            rows.append(about | found | {"seconds": time.perf_counter() - started})
    frame = pd.DataFrame(rows)
    frame["sBIC"] = -analysis.singular_bic(-frame["nll"].to_numpy(), family.table, job.n)
    return frame


def fitted(problem: models.Problem, sampled: models.Problem, size: int, job: Job) -> dict[str, Any]:
    """Return the criteria of one size, read off one ladder of ``sampled``, which has the nll of ``problem``."""
    tree = posteriors.ladder(sampled, seed=1000 * job.seed + size, progress=False, cores=1, **SETTINGS)
    free_energy, wbic, bic = analysis.free_energy(tree), analysis.wbic(tree), analysis.bic(sampled)
    row = {"nll": sampled.reference.nll, "F": free_energy.value, "mcse of F": free_energy.mcse, "exact F": np.nan,
           "WBIC": wbic.value, "mcse of WBIC": wbic.mcse}  # fmt: skip
    predictive = analysis.criteria(of_rows(tree, problem), problem).set_index("quantity")
    for name, quantity in (("WAIC", "waic"), ("LOO", "cross_validation")):
        found = predictive.loc[quantity]
        row |= {name: -found["value"], f"mcse of {name}": found["mcse"], f"flags of {name}": found["flags"]}
    row |= {"BIC": bic.value, "flags of BIC": "; ".join(bic.flags), "flags of F": "; ".join(free_energy.flags)}
    shifts = prior_shifts(tree, sampled, list(FACTORS.values()))
    for name, shift in zip(FACTORS, shifts, strict=True):
        influence = free_energy.influence + shift.influence
        moved = estimate(free_energy.value + shift.value, influence, target=shift.target, method="reweighted")
        own = [flag for flag in shift.flags if "Pareto" in flag or "other prior" in flag]
        row |= {name: moved.value, f"mcse of {name}": moved.mcse, f"flags of {name}": "; ".join(own)}
    if size in ORACLES.get(job.family, ()) and (job.family == "tanh network" or job.seed < CHECKED):
        row["exact F"] = posteriors.quadrature(problem, [1.0]).frame["free_energy"].iloc[-1]
    stats = tree["sample_stats"]
    return row | {"rungs": stats.sizes["beta"], "diverging": float(stats["diverging"].mean())}


def of_rows(tree: xr.DataTree, problem: models.Problem) -> xr.DataTree:
    """Return a ladder that was sampled by sufficient statistics as one of the rows, once their nll is seen to agree."""
    if tree.attrs["data_hash"] == problem.data_hash:
        return tree
    whole = tree.copy()
    whole.attrs = {**tree.attrs, "data_hash": problem.data_hash}
    nll = -analysis.pointwise_log_likelihood(whole, problem).sum(axis=-1)
    gap = np.abs(nll - tree["sample_stats"]["nll"].sel(beta=1.0).to_numpy()).max()
    if not gap < 1e-6:
        raise ValueError(f"{problem.name}: sums and rows differ in nll by {gap:.2g} nats")
    return whole


def without_parameters(nll: np.ndarray) -> dict[str, Any]:
    """Return the criteria of a model without parameters: all are its nll, without error."""
    total = float(nll.sum())
    row: dict[str, Any] = dict.fromkeys(["nll", "F", "exact F", "WBIC", "WAIC", "LOO", "BIC", *FACTORS], total)
    row |= dict.fromkeys([f"mcse of {name}" for name in ("F", "WBIC", "WAIC", "LOO", *FACTORS)], 0.0)
    return row | dict.fromkeys([f"flags of {name}" for name in ("F", "WAIC", "LOO", "BIC", *FACTORS)], "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), help=f"some of {', '.join(FAMILIES)}")
    parser.add_argument("--n", type=int, nargs="*", default=list(N), help="observations of each data set")
    parser.add_argument("--sets", type=int, default=SETS, help=f"data sets of each family and n (default {SETS})")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/model-choice"), help="keeps finished data sets")
    parser.add_argument("--finished", action="store_true", help="sample nothing: the page of what is finished")
    arguments = parser.parse_args()
    for name in arguments.families:
        if name not in FAMILIES:
            raise unknown_name("--families", name, FAMILIES)
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    jobs = [Job(name, n, seed) for name in arguments.families for n in arguments.n for seed in range(arguments.sets)]
    planned = len(jobs)
    if arguments.finished:
        jobs = [job for job in jobs if place(job, arguments.work).exists()]
    if not jobs:
        raise InputError(f"--work={arguments.work}: no data set is finished there")
    run = partial(kept, folder=arguments.work)
    rows = pd.concat(map(run, jobs) if arguments.finished else every(run, jobs, "data sets"), ignore_index=True)
    order = {name: i for i, name in enumerate(FAMILIES)}
    rows = rows.sort_values(["family", "n", "seed", "size"], key=lambda c: c.map(order) if c.name == "family" else c)
    families = [FAMILIES[name] for name in dict.fromkeys(rows["family"])]
    write(arguments.out / "MODEL_CHOICE.md", page(rows, families, SETTINGS, planned))
    told = rows.assign(**{c: rows[c].fillna("").ne("").astype(int) for c in rows if c.startswith("flags of")})
    write(arguments.out / "MODEL_CHOICE.csv", told.to_csv(index=False, float_format="%.6g"))
    picture(rows, families).savefig(arguments.out / "MODEL_CHOICE.png")


if __name__ == "__main__":
    main()
