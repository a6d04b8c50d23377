"""Deep linear and reduced-rank networks: the rank of a posterior draw, and which layer is small where rank is lost."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.phases import divide, region_of
from singular.analysis.studies.cells import COLUMNS, FREE_ENERGY, NO_NOISE, share_rows, z_of
from singular.analysis.studies.rank_phases_exact import exact_draws
from singular.analysis.studies.rank_phases_figure import draw
from singular.analysis.studies.rank_phases_rules import STRATUM, Network, network_of, rules
from singular.analysis.studies.rank_phases_text import LIMITS, ORACLE, PROBLEMS, shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.linear_networks.linear_truth import true_matrix
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows

SAMPLED = (10, 100, 1_000, 10_000)
ALL_RUNGS = 1_000
"""The n at which the shares are told at every rung."""
EXACT = (10, 20, 30, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
LIMIT = tuple(10**k for k in range(1, 13))
"""Sizes without noise."""
DRAWS = 100_000
"""Exact draws at a β."""
LADDER = {"chains": 4, "draws": 800, "warmup": 250}
CLOUD = ("reduced-rank-2-2-2-0", 1_000, 1_500)
"""Network, n and number of the exact draws in the picture of the rule."""


def sampled(name: str, n: int, seed: int, draws: int = DRAWS) -> pd.DataFrame:
    """Return the rows of one ladder, at β = 1 or at all rungs, with the exact shares of the same data."""
    problem = equivalent_rows(models.problem(name, n=n, seed=seed))
    network = network_of(problem.model)
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    rungs = [float(beta) for beta in tree["posterior"]["beta"].to_numpy() if beta > 0]
    parameters = {site: tree["posterior"][site].to_numpy() for site in network.sites}
    division = divide(tree, rules(network, n)[STRATUM])
    rows = []
    for beta in rungs if n == ALL_RUNGS else [1.0]:
        exact = exact_shares(network, *_data(problem), n, beta, draws) if name in ORACLE else None
        for rule, phases in rules(network, n * beta).items():
            found = share_rows(problem, division.by(phases, parameters), [beta], phases=phases).assign(rule=rule)
            if exact is not None:
                known = exact[exact["rule"] == rule].set_index("phase")
                found["exact"], found["exact_error"] = (found["phase"].map(known[k]) for k in ("value", "mcse"))
                found["z"] = [z_of(*row) for row in found[["value", "mcse", "exact", "exact_error"]].to_numpy()]
            rows.append(found)
    return pd.DataFrame(pd.concat(rows, ignore_index=True)[[*COLUMNS, "rule"]])


def exact_shares(
    network: Network, x: np.ndarray, y: np.ndarray, n: int, beta: float, draws: int = DRAWS
) -> pd.DataFrame:
    """Return the share of each region of each rule by exact draws, with its error and its free energy, nats."""
    rng = np.random.default_rng([n, round(beta * 1e9), *network.widths])
    found = exact_draws(network, x, y, n, beta, draws, rng)
    rows = []
    for rule, phases in rules(network, n * beta).items():
        label = region_of(phases, found.parameters)
        for place, phase in enumerate(phases):
            value, error = found.share(label == place)
            energy = found.free_energy - math.log(value) if value > 0 else math.inf
            rows.append({"rule": rule, "phase": phase, "value": value, "mcse": error, "free_energy": energy})
    return pd.DataFrame(rows)


def exactly(name: str, n: int, seed: int, draws: int = DRAWS) -> pd.DataFrame:
    """Return the exact share and free energy of each region at β = 1; seed −1 stands for data without noise.

    The free energy is less that of the truth itself, nL_n(w0), so that it grows as λ log n.
    """
    network = network_of(models.get(name))
    truth = true_matrix(network.widths[0], network.widths[-1], network.rank)
    if seed == NO_NOISE:
        x = math.sqrt(n) * np.eye(network.widths[0])
        y = x @ truth.T
    else:
        x, y = _data(equivalent_rows(models.problem(name, n=n, seed=seed)))
    known = exact_shares(network, x, y, n, 1.0, draws)
    known["free_energy"] += 0.5 * (np.sum(y**2) - np.sum((y - x @ truth.T) ** 2))
    about = {"problem": name, "n": n, "seed": seed, "beta": 1.0, "method": "exact draws", "flags": ""}
    shares = known[["rule", "phase", "value", "mcse"]].assign(quantity="share")
    held = known[known["value"] > 0]
    energies = held[["rule", "phase"]].assign(
        value=held["free_energy"], mcse=held["mcse"] / held["value"], quantity=FREE_ENERGY
    )
    return pd.concat([shares, energies], ignore_index=True).assign(**about)


def _data(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y) as matrices."""
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    return x.reshape(len(x), -1), y.reshape(len(y), -1)


def cloud(name: str, n: int, count: int) -> pd.DataFrame:
    """Return the eigenvalues of A Aᵀ − Bᵀ B of exact draws at β = 1 without noise, with their part."""
    network = network_of(models.get(name))
    x = math.sqrt(n) * np.eye(network.widths[0])
    y = np.zeros((network.widths[0], network.widths[-1]))
    found = exact_draws(network, x, y, n, 1.0, count, np.random.default_rng(0))
    phases = rules(network, n)["stratum"]
    a, b = (found.parameters[site] for site in ("A", "B"))
    values = np.linalg.eigvalsh(a @ a.swapaxes(1, 2) - b.swapaxes(1, 2) @ b)
    label = [list(phases)[place] for place in region_of(phases, found.parameters)]
    return pd.DataFrame({"smaller": values[:, 0], "larger": values[:, 1], "phase": label})


def run(workshop: Workshop) -> Finding:
    """Sample the networks at growing n beside exact draws, and follow these to the limit without noise."""
    drawn = workshop.parts(sampled, [(name, n, workshop.seed) for n in SAMPLED[::-1] for name in PROBLEMS[::-1]])
    jobs = [(name, n, workshop.seed) for name in ORACLE for n in EXACT]
    jobs += [(name, n, NO_NOISE) for name in LIMITS for n in LIMIT]
    known = workshop.parts(exactly, jobs)
    (points,) = workshop.parts(cloud, [CLOUD])
    table = pd.concat([*drawn, *known], ignore_index=True).sort_values(
        by=["problem", "rule", "method", "quantity", "seed", "n", "beta"], kind="stable", ignore_index=True
    )
    return Finding(table, draw(table, points, CLOUD[1], ALL_RUNGS), text(table), shown(table))


STUDY = Study("rank-phases", "Rank phases: the rank of a posterior draw, and the layer that loses it", run)
