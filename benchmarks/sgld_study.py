"""SGLD and its kin against NUTS and the exact answer: each bias apart, and what an equal budget of gradients buys.

    make study-sgld      # writes docs/studies/SGLD.md, .csv, SGLD_BUDGET.csv and pictures

First part: `singular.analysis.compare_samplers` on every problem. Second part: the excess coefficient at β =
1/log n under
the model's own prior, from as many gradients as a NUTS ladder took, on several data sets: SGLD tuned without the
answer, and SGLD with the step that turned out best. A run goes on where it was stopped: what is done is read
back from
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
from sgld_study_page import page
from sgld_study_pictures import bias_picture, budget_picture, gradients_picture, heat_picture

from singular import analysis, models, posteriors
from singular.analysis.sampler_comparison import ACCEPTANCE, SHARES, compare_samplers
from singular.analysis.sgld_coefficient import coefficient_of
from singular.analysis.targets import exact_target
from singular.errors import SamplingError
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
    return frame.assign(flags=frame["flags"].fillna("")) if "flags" in frame else frame


def compared(job: Job) -> pd.DataFrame:
    """Return the first part's rows of one problem."""
    return compare_samplers(models.problem(job.name, n=job.n, seed=0), GAMMAS)


def budgeted(job: Job) -> pd.DataFrame:
    """Return the estimates of every method from the same number of gradients, on one data set."""
    problem = models.problem(job.name, n=job.n, seed=job.seed or 0)
    exact = exact_target(problem, "excess_coefficient")
    tree = posteriors.ladder(problem, seed=job.seed or 0, progress=False, cores=1, **LADDER)
    budget = int(tree.attrs["gradient_evaluations"])
    about = {"problem": job.name, "n": job.n, "seed": job.seed, "exact": float(exact.value), "exact_error": exact.error}
    found = analysis.excess_coefficient(tree, problem.reference.nll)
    rows = [about | _told(found, budget) | {"method": "NUTS ladder"}]
    step = posteriors.langevin_step_size(problem, acceptance=ACCEPTANCE, chains=CHAINS, seed=job.seed or 0)
    left = budget - step.gradient_evaluations
    rows += [
        about | _langevin(problem, share * step.step_size, budget, job) | {"method": f"SGLD, step × {share:g}"}
        for share in SHARES
    ]
    blind = _langevin(problem, step.step_size, left, job)
    rows.append(about | blind | {"method": "SGLD, step by MALA", "gradients": budget})
    rows.append(about | _langevin(problem, step.step_size, left, job, "mala") | {"method": "MALA", "gradients": budget})
    parts = [(step.step_size * s, left * s / 1.75) for s in (1.0, 0.5, 0.25)]
    runs = [
        _run(problem, size, int(left * weight), job)
        for (size, _), weight in zip(parts, (1 / 7, 2 / 7, 4 / 7), strict=True)
    ]
    usable = [
        (coefficient_of(run, problem), size) for run, (size, _) in zip(runs, parts, strict=True) if run is not None
    ]
    if len(usable) >= 2:
        extrapolated = analysis.richardson(*map(list, zip(*usable, strict=True)))
        rows.append(about | _told(extrapolated, budget) | {"method": "SGLD, extrapolated"})
    return pd.DataFrame(rows)


def _langevin(
    problem: models.Problem, step_size: float, gradients: int, job: Job, sampler: str = "sgld"
) -> dict[str, Any]:
    tree = _run(problem, step_size, gradients, job, sampler)
    if tree is None:
        return {"value": np.nan, "mcse": np.nan, "gradients": gradients, "flags": "chains left for infinity"}
    return _told(coefficient_of(tree, problem), int(tree.attrs["gradient_evaluations"]))


def _run(problem: models.Problem, step_size: float, gradients: int, job: Job, sampler: str = "sgld"):
    """Return one run of about so many gradients, or None if its chains left."""
    steps = max(gradients // CHAINS - KEPT, 2 * KEPT)
    thin = max(1, int(steps * (1 - BURNT)) // KEPT)
    try:
        return posteriors.langevin(
            problem, None, step_size, sampler=sampler, chains=CHAINS, draws=KEPT, thin=thin,
            burn_in=max(0, steps - thin * KEPT), seed=100 + (job.seed or 0), progress=False,
        )  # fmt: skip
    except SamplingError:
        return None


def _told(estimate: analysis.Estimate, gradients: int) -> dict[str, Any]:
    error = float(np.hypot(estimate.mcse, estimate.discretisation_error))
    return {
        "value": estimate.value, "mcse": estimate.mcse, "error": error, "gradients": gradients,
        "flags": "; ".join(estimate.flags),
    }  # fmt: skip


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
