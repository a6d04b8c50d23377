"""Carroll's two ReLU units: which of one and two units holds the posterior, as the truth's angle turns."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.free_energy import free_energy
from singular.analysis.phases import Division, divide, region_of
from singular.analysis.studies.cells import COLUMNS, FREE_ENERGY, NO_NOISE, share_rows, z_of
from singular.analysis.studies.relu_phases_exact import ReluDraws, exact_draws, regression_of, without_noise
from singular.analysis.studies.relu_phases_figure import draw
from singular.analysis.studies.relu_phases_read import CHAIN, EXACT, HISTOGRAM, LADDER, PLAIN
from singular.analysis.studies.relu_phases_regions import best_units, divisions, smaller_and_larger
from singular.analysis.studies.relu_phases_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.problem import Problem
from singular.posteriors.exact_draws import weighted_share

ANGLES = (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, math.pi / 2)
SIZES = {1_000: 4, 10_000: 4, 100_000: 0}
"""n of the exact shares -> data sets, next to data without noise."""
SAMPLED = (
    (0.5, 1_000, 0), (0.8, 1_000, 0), (0.9, 1_000, 0), (1.1, 1_000, 0), (1.4, 1_000, 0), (0.8, 1_000, 1),
    (0.9, 300, 0),
)  # fmt: skip
"""Angle, n and data set of the ladders: the data set is counted from the workshop's seed."""
ALL_RUNGS = 0.9
"""The angle at which the shares of n = 1000 are told at every rung."""
PLAINLY = ((1.3, 10_000, 0), (0.8, 1_000, 0))
"""Angle, n and data set of chains at β = 1 with nothing to exchange with."""
SETTINGS = {"chains": 4, "draws": 300, "warmup": 150, "mass": "diagonal"}
PLAIN_SETTINGS = {"chains": 4, "draws": 200, "warmup": 100, "mass": "diagonal"}
DRAWS = 5_000
"""Exact draws of a posterior."""
FEW = 400
"""Exact draws are flagged if they are worth fewer."""
BINS = np.arange(0.0, 1.61, 0.1)
"""Of the smaller effective norm."""


def exactly(angle: float, n: int, seed: int, draws: int) -> pd.DataFrame:
    """Return exact shares at β = 1, the law of the smaller norm, and without noise the free energies of regions."""
    model = models.two_phase_relu(angle)
    rows = without_noise(model, n) if seed == NO_NOISE else regression_of(Problem.from_model(model, n=n, seed=seed))
    found = exact_draws(rows, 1.0, draws, _generator(angle, n, seed, 1.0))
    flags = few(found)
    about = {"problem": model.name, "n": n, "seed": seed, "beta": 1.0, "method": EXACT, "flags": flags}
    out = []
    for phase, (share, error) in exact_shares(found).items():
        out.append(about | {"phase": phase, "quantity": "share", "value": share, "mcse": error})
    if seed == NO_NOISE:
        energies = exact_free_energies(found).items()
        out += [about | {"phase": p, "quantity": FREE_ENERGY, "value": v, "mcse": e} for p, (v, e) in energies]
    smaller, _ = smaller_and_larger(found.parameters)
    for low, high in itertools.pairwise(BINS):
        share, error = weighted_share((smaller >= low) & (smaller < high), found.weights)
        out.append(about | {"phase": f"{low:.1f}", "quantity": HISTOGRAM, "value": share, "mcse": error})
    return pd.DataFrame(out).assign(angle=angle)


def exact_shares(found: ReluDraws) -> dict[str, tuple[float, float]]:
    """Return the share of every region and its error."""
    shares = {}
    for division in divisions():
        label = region_of(division, found.parameters)
        shares |= {name: weighted_share(label == k, found.weights) for k, name in enumerate(division)}
    return shares


def exact_free_energies(found: ReluDraws) -> dict[str, tuple[float, float]]:
    """Return −log of the mass of every region that has a draw, and its error: that of the integral is in it."""
    energies = {}
    for division in divisions():
        label = region_of(division, found.parameters)
        for k, name in enumerate(division):
            mass = found.weights * (label == k)
            if mass.any():
                error = float(mass.std() / mass.mean() / math.sqrt(mass.size))
                energies[name] = found.free_energy_drawn - math.log(mass.mean()), error
    return energies


def few(found: ReluDraws) -> str:
    """Return the flag of exact draws that are worth few unweighted ones, or none."""
    return "" if found.effective >= FEW else f"exact draws worth {found.effective:.0f} < {FEW}"


def sampled(angle: float, n: int, seed: int, draws: int, exact: int) -> pd.DataFrame:
    """Return the rows of one ladder and of each of its chains, with the exact shares of the same data."""
    problem = Problem.from_model(models.two_phase_relu(angle), n=n, seed=seed)
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **(SETTINGS | {"draws": draws}))
    division = divide(tree, problem.model.phases)
    rungs = [float(beta) for beta in tree["posterior"]["beta"].to_numpy() if beta > 0]
    betas = rungs if (angle, n) == (ALL_RUNGS, 1_000) else [1.0]
    rows = []
    for beta in betas:
        found = exact_draws(regression_of(problem), beta, exact, _generator(angle, n, seed, beta))
        rows.append(_beside(problem, division, tree, beta, found))
    energy, truth = free_energy(tree), found.free_energy_drawn + 0.5 * n * math.log(2 * math.pi)
    error = float(np.std(found.weights) / math.sqrt(found.weights.size))
    about = {"problem": problem.name, "n": n, "seed": seed, "beta": 1.0, "phase": "all", "quantity": FREE_ENERGY}
    about |= {"method": LADDER, "value": energy.value, "mcse": energy.mcse, "exact": truth, "exact_error": error}
    flags = "; ".join(filter(None, (*energy.flags, few(found))))
    row = about | {"z": z_of(energy.value, energy.mcse, truth, error), "flags": flags}
    return _framed([*rows, pd.DataFrame([row]), _chains(problem, tree, LADDER)], angle)


def plainly(angle: float, n: int, seed: int, draws: int, exact: int) -> pd.DataFrame:
    """Return the rows of chains of NUTS at β = 1 alone, which start at draws of the prior, and of each of them.

    The ladder has two rungs, 0 and 1, which are too far apart to exchange anything.
    """
    problem = Problem.from_model(models.two_phase_relu(angle), n=n, seed=seed)
    settings = PLAIN_SETTINGS | {"draws": draws}
    tree = posteriors.ladder(problem, betas=[0.0, 1.0], seed=seed, progress=False, cores=1, **settings)
    alone = tree.isel(beta=[1])
    found = exact_draws(regression_of(problem), 1.0, exact, _generator(angle, n, seed, 1.0))
    division = divide(alone, problem.model.phases)
    rows = _beside(problem, division, alone, 1.0, found).assign(method=PLAIN)
    return _framed([rows, _chains(problem, tree, PLAIN)], angle)


def run(workshop: Workshop) -> Finding:
    """Turn the truth: exact shares at each angle, ladders at some, and chains that have nothing to exchange with."""
    first = workshop.seed
    alone = workshop.parts(plainly, [(a, n, first + s, PLAIN_SETTINGS["draws"], DRAWS) for a, n, s in PLAINLY])
    drawn = workshop.parts(sampled, [(a, n, first + s, SETTINGS["draws"], DRAWS) for a, n, s in SAMPLED])
    jobs = [
        (angle, n, seed, DRAWS)
        for n, sets in sorted(SIZES.items(), reverse=True)
        for seed in (NO_NOISE, *range(first, first + sets))
        for angle in ANGLES
    ]
    known = workshop.parts(exactly, jobs)
    best = workshop.parts(best_units, [(angle,) for angle in ANGLES])
    about = {"n": 0, "seed": NO_NOISE, "method": "optimiser", "flags": ""}  # of K: of no n and no data set
    least = [frame.assign(**about, angle=angle) for angle, frame in zip(ANGLES, best, strict=True)]
    table = pd.concat([*alone, *drawn, *known, *least], ignore_index=True).sort_values(
        by=["method", "n", "seed", "angle", "beta", "quantity"], kind="stable", ignore_index=True
    )[[*COLUMNS, "angle"]]
    return Finding(table, draw(table, ALL_RUNGS), text(table, ALL_RUNGS), shown(table))


def _generator(angle: float, n: int, seed: int, beta: float) -> np.random.Generator:
    return np.random.default_rng([round(angle * 1e6), n, seed + 1, round(beta * 1e9)])


def _beside(problem: Problem, division: Division, tree, beta: float, found: ReluDraws) -> pd.DataFrame:
    """Return the shares of every region by every rule at one β, with the exact ones."""
    parameters = {name: tree["posterior"][name].to_numpy() for name in ("w", "b", "q")}
    known = exact_shares(found)
    rows = [share_rows(problem, division.by(phases, parameters), [beta], phases=phases) for phases in divisions()]
    frame = pd.concat(rows, ignore_index=True)
    exact = [known[phase] for phase in frame["phase"]]
    frame["exact"], frame["exact_error"] = ([pair[k] for pair in exact] for k in (0, 1))
    columns = frame[["value", "mcse", "exact", "exact_error"]].itertuples(index=False)
    frame["z"] = [z_of(*row) for row in columns]
    if few(found):
        frame["flags"] = [f"{flags}; {few(found)}" if flags else few(found) for flags in frame["flags"]]
    return frame


def _chains(problem: Problem, tree, method: str) -> pd.DataFrame:
    """Return the share of each region in each chain at β = 1, and how often the chain entered it."""
    posterior = tree["posterior"].sel(beta=1.0)
    parameters = {name: posterior[name].to_numpy() for name in ("w", "b", "q")}
    rows = []
    for phases in divisions()[:2]:
        label = region_of(phases, parameters)
        for place, phase in enumerate(phases):
            inside = label == place
            for chain in range(inside.shape[0]):
                own = inside[chain]
                flags = "" if 0 < own.mean() < 1 else f"this chain was only {'in' if own.all() else 'outside'} {phase}"
                entries = int((np.diff(own.astype(int)) > 0).sum())
                rows.append(
                    {"phase": phase, "method": f"{method}, chain {chain + 1}", "value": float(own.mean())}
                    | {"round_trips": entries, "flags": flags}
                )
    about = {"problem": problem.name, "n": problem.n, "seed": problem.seed, "beta": 1.0, "quantity": CHAIN}
    return pd.DataFrame(rows).assign(**about)


def _framed(frames: list[pd.DataFrame], angle: float) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True).reindex(columns=list(COLUMNS)).assign(angle=angle)


STUDY = Study("relu-phases", "Two ReLU units: when does one do the work of both?", run)
