"""SGLD and its kin against NUTS and the exact answer: each bias apart, and what an equal budget of gradients buys.

    make study-sgld      # writes docs/studies/SGLD.md, SGLD.csv, SGLD_BUDGET.csv and pictures

First part: `singular.analysis.compare_samplers` on every problem. Second part: the excess coefficient at β = 1/log n
under the model's own prior, from as many gradients as a NUTS ladder took, on several data sets: SGLD tuned without the
answer, and SGLD with the step that turned out best. A run goes on where it was stopped: what is done is read back from
``out/study-sgld``.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from replicates import every
from sgld_study_page import BLIND, EXTRAPOLATED, NUTS, page
from sgld_study_pictures import bias_picture, budget_picture, gradients_picture, heat_picture

from singular import analysis, models, posteriors
from singular.analysis.sampler_comparison import ACCEPTANCE, SHARES, compare_samplers
from singular.analysis.sgld_coefficient import SHARES as EXTRAPOLATED_SHARES
from singular.analysis.sgld_coefficient import coefficient_of
from singular.analysis.targets import exact_target
from singular.errors import SamplingError
from singular.posteriors.langevin import own_seed
from singular.posteriors.langevin_kernels import KERNELS
from singular.posteriors.store import write

PROBLEMS = (
    "linear-4", "logistic-2", "product", "tanh-1", "tanh-2", "reduced-rank-2-2-1-1", "reduced-rank-2-2-2-1",
    "deep-linear-1-1-1-1-r0", "mixture-2",
)  # fmt: skip
N = 200
GAMMAS = (0.0, 1.0, 100.0)
SEEDS = 4
"""Data sets of the second part."""
LADDER = {"chains": 4, "draws": 250, "warmup": 100}
"""The NUTS ladder of the second part, whose gradients are the budget of the others."""
CHAINS, KEPT, BURNT = 16, 300, 0.2
"""Of SGLD there: chains, draws kept of each, share of the steps that is burn-in."""


class Job(NamedTuple):
    """One problem of the first part (``seed`` None), or one data set of the second."""

    name: str
    n: int
    seed: int | None


def kept(job: Job, folder: Path) -> pd.DataFrame:
    """Return the rows of a job, from the folder if they are there."""
    part = "compare" if job.seed is None else f"budget-{job.seed}"
    path = folder / f"{part}-{job.name}-n{job.n}.csv"
    if not path.exists():
        rows = compared(job) if job.seed is None else budgeted(job)
        write(path, rows.to_csv(index=False))
    frame = pd.read_csv(path, keep_default_na=False, na_values=["nan", ""])
    return frame.assign(flags=frame["flags"].fillna(""))


def compared(job: Job) -> pd.DataFrame:
    """Return the first part's rows of one problem."""
    return compare_samplers(models.problem(job.name, n=job.n, seed=0), GAMMAS)


def budgeted(job: Job) -> pd.DataFrame:
    """Return the estimates of every method from the same number of gradients, on one data set."""
    seed = job.seed or 0
    problem = models.problem(job.name, n=job.n, seed=seed)
    exact = exact_target(problem, "excess_coefficient")
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    budget = int(tree.attrs["gradient_evaluations"])
    found = {NUTS: analysis.excess_coefficient(tree, problem.reference.nll)}
    step = posteriors.langevin_step_size(
        problem, acceptance=ACCEPTANCE, chains=CHAINS, seed=own_seed(seed, len(KERNELS))
    )
    left = budget - step.gradient_evaluations
    for share in SHARES:
        found[f"SGLD, step × {share:g}"] = _langevin(
            problem, share * step.step_size, budget, own_seed(seed, 0, round(100 * share))
        )
    found[BLIND] = _langevin(problem, step.step_size, left, own_seed(seed, 1))
    found["MALA"] = _langevin(problem, step.step_size, left, own_seed(seed, 2), "mala")
    sizes = [step.step_size * share for share in EXTRAPOLATED_SHARES]
    times = 1 / np.array(EXTRAPOLATED_SHARES)
    runs = [
        _langevin(problem, size, int(left * part), own_seed(seed, 3, place))
        for place, (size, part) in enumerate(zip(sizes, times / times.sum(), strict=True))
    ]
    usable = [(run, size) for run, size in zip(runs, sizes, strict=True) if run is not None]
    found[EXTRAPOLATED] = analysis.richardson(*zip(*usable, strict=True)) if len(usable) > 1 else None
    about = {"problem": job.name, "n": job.n, "seed": seed, "gradients": budget, "exact": float(exact.value)}
    return pd.DataFrame([about | {"method": method} | _told(estimate) for method, estimate in found.items()])


def _langevin(
    problem: models.Problem, step_size: float, gradients: int, seed: int, sampler: str = "sgld"
) -> analysis.Estimate | None:
    """Return what a run of about so many gradients reads, or None if its chains left."""
    steps = max(gradients // CHAINS - KEPT, 2 * KEPT)
    thin = max(1, int(steps * (1 - BURNT)) // KEPT)
    try:
        tree = posteriors.langevin(
            problem, None, step_size, sampler=sampler, chains=CHAINS, draws=KEPT, thin=thin,
            burn_in=max(0, steps - thin * KEPT), seed=seed, progress=False,
        )  # fmt: skip
    except SamplingError:
        return None
    return coefficient_of(tree, problem)


def _told(estimate: analysis.Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {"value": np.nan, "mcse": np.nan, "error": np.nan, "flags": "chains left for infinity"}
    error = float(np.hypot(estimate.mcse, estimate.discretisation_error))
    return {"value": estimate.value, "mcse": estimate.mcse, "error": error, "flags": "; ".join(estimate.flags)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--problems", nargs="*", default=list(PROBLEMS), help="catalogue members with an exact evidence"
    )
    parser.add_argument("--n", type=int, default=N, help=f"observations (default {N})")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="data sets of the second part")
    parser.add_argument("--out", type=Path, default=Path("docs/studies"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/study-sgld"), help="keeps what is finished")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    jobs = [Job(name, arguments.n, seed) for seed in (None, *range(arguments.seeds)) for name in arguments.problems]
    done = list(every(partial(_with_job, folder=arguments.work), jobs, "sgld against nuts"))
    rows, budget = (
        pd.concat(
            sorted(
                (f for j, f in done if (j.seed is None) == first),
                key=lambda f: arguments.problems.index(f["problem"][0]),
            ),
            ignore_index=True,
        )
        for first in (True, False)
    )
    write(arguments.out / "SGLD.csv", rows.to_csv(index=False, float_format="%.5g"))
    write(arguments.out / "SGLD_BUDGET.csv", budget.to_csv(index=False, float_format="%.5g"))
    for name, figure in (
        ("SGLD_bias.png", bias_picture(rows)), ("SGLD_heat.png", heat_picture(rows)),
        ("SGLD_gradients.png", gradients_picture(rows)),
        ("SGLD_budget.png", budget_picture(budget)),
    ):  # fmt: skip
        write(arguments.out / name, lambda path, figure=figure: figure.savefig(path, format="png"))
    write(arguments.out / "SGLD.md", page(rows, budget))


def _with_job(job: Job, folder: Path) -> tuple[Job, pd.DataFrame]:
    return job, kept(job, folder)


if __name__ == "__main__":
    main()
