"""Zero-truth tanh networks: which way of making zero holds the posterior, against λ of each."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.phases import REST, divide, region_of
from singular.analysis.studies.cells import COLUMNS, FREE_ENERGY, NO_NOISE, share_rows, z_of
from singular.analysis.studies.tanh_strata_figure import draw
from singular.analysis.studies.tanh_strata_regions import regions
from singular.analysis.studies.tanh_strata_rows import exact_draws, few_rows, without_noise
from singular.analysis.studies.tanh_strata_text import ORACLE, UNITS, shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.problem import Problem
from singular.posteriors.exact_draws import weighted_share

SAMPLED = (10, 100, 1_000, 10_000, 100_000)
ALL_RUNGS = 1_000
"""The n at which the shares are told at every rung."""
EXACT = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
LIMIT = tuple(10**k for k in range(1, 13))
"""Sizes without noise."""
DATA_SETS = 2
"""Data sets of the exact curves; the first is sampled too."""
DRAWS, LIMIT_DRAWS = 100_000, 200_000
"""Exact draws at a β: of one data set, and without noise."""
LADDER = {"chains": 4, "draws": 1000, "warmup": 300}
CLOUD = (2, 10_000, 1_500)
"""Units, n and number of the exact draws in the picture of the rule."""


def sampled(hidden: int, n: int, seed: int, draws: int = DRAWS) -> pd.DataFrame:
    """Return the rows of one ladder, at β = 1/log n and 1 or at all rungs, with the exact shares of the same data."""
    problem = few_rows(models.problem(f"tanh-{hidden}", n=n, seed=seed))
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    rungs = [float(beta) for beta in tree["posterior"]["beta"].to_numpy() if beta > 0]
    betas = rungs if n == ALL_RUNGS else sorted({rungs[int(np.argmin(np.abs(np.array(rungs) - 1 / math.log(n))))], 1.0})
    division = divide(tree, regions(hidden, n))
    parameters = {name: tree["posterior"][name].to_numpy() for name in ("a", "b")}
    rows = []
    for beta in betas:
        phases = regions(hidden, n * beta)  # the resolution is that of this β, for the draws of all rungs
        found = share_rows(problem, division.by(phases, parameters), [beta], phases=phases)
        if hidden in ORACLE:
            exact = exact_shares(problem, n, beta, draws)
            found["exact"], found["exact_error"] = (found["phase"].map(exact[k]) for k in ("value", "mcse"))
            columns = found[["value", "mcse", "exact", "exact_error"]].itertuples(index=False)
            found["z"] = [z_of(*row) for row in columns]
        rows.append(found)
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)].assign(hidden=hidden)


def exact_shares(problem: Problem, n: int, beta: float, draws: int = DRAWS) -> pd.DataFrame:
    """Return the share of each region by exact draws, its error, and the free energies, by region.

    ``free_energy`` is F(β) − β nL_n(0) less the log of the share, nats, infinite where no draw is.
    """
    phases = regions(problem.dim // 2, n * beta)
    found = exact_draws(problem, beta, draws, np.random.default_rng([problem.dim, n, round(beta * 1e9), problem.n]))
    label = region_of(phases, found.parameters)
    shares = [weighted_share(label == place, found.weights) for place in range(len(phases) + 1)]
    frame = pd.DataFrame(shares, columns=["value", "mcse"], index=[*phases, REST])
    with np.errstate(divide="ignore"):
        return frame.assign(free_energy=found.free_energy - np.log(frame["value"]))


def exactly(hidden: int, n: int, seed: int, draws: int) -> pd.DataFrame:
    """Return the exact share and free energy of each region at β = 1; seed −1 stands for data without noise."""
    if seed == NO_NOISE:
        problem = without_noise(models.problem(f"tanh-{hidden}", n=10, seed=0), n)
    else:
        problem = few_rows(models.problem(f"tanh-{hidden}", n=n, seed=seed))
    exact = exact_shares(problem, n, 1.0, draws)
    about = {"problem": problem.name, "n": n, "seed": seed, "beta": 1.0, "method": "exact draws", "flags": ""}
    rows = []
    for phase, row in exact.iterrows():
        rows.append(about | {"phase": phase, "quantity": "share", "value": row["value"], "mcse": row["mcse"]})
        if row["value"] > 0:
            error = row["mcse"] / row["value"]
            energy = {"quantity": FREE_ENERGY, "value": row["free_energy"], "mcse": error}
            rows.append(about | {"phase": phase} | energy)
    return pd.DataFrame(rows).assign(hidden=hidden)


def cloud(hidden: int, n: int, count: int) -> pd.DataFrame:
    """Return exact draws at β = 1, without noise of data, with their region: for the picture of the rule."""
    problem = without_noise(models.problem(f"tanh-{hidden}", n=10, seed=0), n)
    found = exact_draws(problem, 1.0, count, np.random.default_rng(0))
    phases = regions(hidden, n)
    names = [*phases, REST]
    label = [names[place] for place in region_of(phases, found.parameters)]
    columns = {f"{site}{h}": found.parameters[site][:, h] for site in ("a", "b") for h in range(hidden)}
    return pd.DataFrame(columns).assign(phase=label)


def run(workshop: Workshop) -> Finding:
    """Sample the networks at growing n beside exact draws, and follow these to the limit without noise."""
    seeds = range(workshop.seed, workshop.seed + DATA_SETS)
    drawn = workshop.parts(sampled, [(h, n, workshop.seed) for n in SAMPLED[::-1] for h in UNITS[::-1]])
    jobs = [(h, n, NO_NOISE, LIMIT_DRAWS) for h in ORACLE[::-1] for n in LIMIT]
    jobs += [(h, n, s, DRAWS) for h in ORACLE[::-1] for n in EXACT for s in seeds]
    known = workshop.parts(exactly, jobs)
    (points,) = workshop.parts(cloud, [CLOUD])
    table = pd.concat([*drawn, *known], ignore_index=True).sort_values(
        by=["hidden", "method", "quantity", "seed", "n", "beta"], kind="stable", ignore_index=True
    )
    return Finding(table, draw(table, points, CLOUD[1], ALL_RUNGS), text(table), shown(table))


STUDY = Study("tanh-strata", "Tanh strata: in which way a network makes zero", run)
