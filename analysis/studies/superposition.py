"""The toy model of superposition: pentagons give way to hexagons as n grows, and where."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from singular import models, posteriors
from singular.analysis.phases import Division, divide, phase_odds, region_of
from singular.analysis.smc import free_energy_smc
from singular.analysis.studies.cells import COLUMNS, NO_NOISE, share_rows, z_of
from singular.analysis.studies.superposition_data import NAME, foretold_crossings, shifts
from singular.analysis.studies.superposition_figure import SHOWN, draw
from singular.analysis.studies.superposition_laws import UNSETTLED, at_size, crossings
from singular.analysis.studies.superposition_points import (
    ANY_PENTAGON,
    FEATURES,
    HEXAGON,
    HULL,
    LENGTH,
    PENTAGON,
    PUBLISHED,
    corners_of,
    critical_table,
    descend,
    nearest_point,
    pentagons,
    rules,
)
from singular.analysis.studies.superposition_text import (
    CROSSING,
    DESCENT,
    ENDS,
    FORETOLD,
    MOVED,
    ODDS,
    SHIFT,
    shown,
    text,
)
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.errors import InputError
from singular.models.networks.superposition_sums import noise_free, on_sums
from singular.models.problem import Problem
from singular.posteriors.precision import x64

TOP = 1024.0
"""Size of the ladder without noise: its rung at β is the posterior at β · 1024."""
CHECKED = 512.0
"""Size at which particles are held against it, one of its rungs near the crossing."""
FREE = {"chains": 4, "draws": 500, "warmup": 150, "mass": "diagonal"}
LADDER = {"chains": 4, "draws": 300, "warmup": 120, "mass": "diagonal"}
TUNED = {"particles": 1024, "replicates": 8, "moves": 3, "leapfrog": 8}
PER_OCTAVE = 3
"""Rungs for each factor 2 of β: swaps are accepted in 0.55 to 0.9 of the rounds."""
HALF, WHOLE = 0.5, 1.0
"""Noise variances: with ½ the likelihood is exp(−n · mean squared error), with 1 it is the catalogue's."""
SAMPLED = (
    (2000, WHOLE, 1), (1000, WHOLE, 2), (700, HALF, 2), (500, HALF, 2), (300, HALF, 2), (200, HALF, 2), (100, HALF, 1),
    (50, HALF, 1), (10, HALF, 1),
)  # fmt: skip
"""n, the variance at β = 1, and data sets. At variance ½ the rung β = ½ is the posterior at variance 1."""
LAPLACE = (128, 181, 256, 362, 512, 645, 813, 1024, 1448)
UNAIDED = (600, 1200)
"""Sizes of chains without a ladder: the published n at the two variances."""
MANY = 100
"""Data sets on which the crossing is foretold."""
CHAINS, ROUNDS = 16, 200
FOLLOWED = 4
"""Every so many draws are followed downhill."""
DESCENTS = (256.0, 512.0, 1024.0)
PICTURED, DRAWN = 256.0, 40
"""Size, and draws of each polygon, of the picture."""
EXTRA = ["rule", "variance", "size"]


def rungs(size: float) -> list[float]:
    """Return 0 and the powers of 2^(1/3) from about 1/size to 1: ½ is among them."""
    return [0.0, *(2.0 ** (-k / PER_OCTAVE) for k in range(math.ceil(PER_OCTAVE * math.log2(size)), -1, -1))]


def without_noise(seed: int) -> pd.DataFrame:
    """Return shares and odds over the sizes of one ladder without noise, its crossings, and where draws descend to."""
    problem = noise_free(FEATURES, TOP)
    grid = rungs(TOP)
    tree = posteriors.ladder(problem, grid, seed=seed, progress=False, cores=1, **FREE)
    parameters = {site: tree["posterior"][site].to_numpy() for site in ("W", "b")}
    division = divide(tree, rules()[HULL])
    frames = []
    for beta in (beta for beta in grid if beta * TOP > 0.9):
        about = {"variance": WHOLE, "size": beta * TOP, "n": round(beta * TOP)}
        frames.append(share_rows(problem, division, [beta], phases=rules()[HULL]).assign(rule=HULL, **about))
        for rule, phases in ((HULL, pentagons()), (LENGTH, rules()[LENGTH])):
            odds = _odds_row(division.by(phases, parameters), phases, beta)
            frames.append(pd.DataFrame([odds]).assign(rule=rule, **about) if odds else pd.DataFrame())
    for rule, phases in ((HULL, pentagons()), (LENGTH, rules()[LENGTH])):
        frames.append(pd.DataFrame([_crossing_row(division.by(phases, parameters), phases)]).assign(rule=rule))
    for size in DESCENTS:
        place = division.draws.index(size / TOP)
        w, b = (array[:, ::FOLLOWED, place] for array in parameters.values())
        ends = nearest_point(descend(np.concatenate([w.reshape(-1, 2 * FEATURES), b.reshape(-1, FEATURES)], axis=1)))
        named = np.array(division.names)[division.label[:, ::FOLLOWED, place].ravel()]
        pairs = pd.DataFrame({"phase": named, "quantity": [DESCENT + end for end in ends]})
        frames.append(pairs.value_counts().rename("value").reset_index().assign(rule=HULL, size=size, n=round(size)))
    return _tidy(frames, problem=problem.name, seed=seed, method="mbar", variance=WHOLE)


def particles(seed: int) -> pd.DataFrame:
    """Return shares and odds at one size without noise by sequential Monte Carlo, which shares nothing with ladders."""
    problem = noise_free(FEATURES, CHECKED)
    run = posteriors.smc(problem, seed=seed, **TUNED)
    parameters = {site: run.tree["posterior"][site].to_numpy() for site in ("W", "b")}
    flags = "; ".join(free_energy_smc(run).flags)
    inside = {name: np.asarray(held(parameters)).mean(axis=1) for name, held in rules()[HULL].items()}
    logs = run.log_evidence[:, -1]
    rows = [
        {"phase": name, "quantity": "share", **_weighted(logs, lambda w, share=share: float(w @ share))}
        for name, share in inside.items()
    ]
    six, five = inside[HEXAGON], inside[PENTAGON] + inside["5+-gon"]
    odds = _weighted(logs, lambda w: math.log(float(w @ six) / float(w @ five)))
    rows.append({"phase": HEXAGON, "quantity": ODDS, **odds})
    frame = pd.DataFrame(rows).assign(problem=problem.name, n=round(CHECKED), seed=seed, beta=1.0, flags=flags)
    return _tidy([frame], method="smc", variance=WHOLE, size=CHECKED, rule=HULL)


def sampled(n: int, variance: float, seed: int) -> pd.DataFrame:
    """Return shares and odds of one data set's ladder at its variance, and at twice that if it is ½."""
    problem = on_sums(Problem.from_model(models.get(NAME), n=n, seed=seed), variance)
    tree = posteriors.ladder(problem, rungs(n / variance), seed=seed, progress=False, cores=1, **LADDER)
    parameters = {site: tree["posterior"][site].to_numpy() for site in ("W", "b")}
    division = divide(tree, rules()[HULL])
    both = division.by(pentagons(), parameters)
    frames = []
    for beta in (1.0, HALF) if variance == HALF else (1.0,):
        about = {"variance": variance / beta, "size": n * beta / variance, "rule": HULL}
        frames.append(share_rows(problem, division, [beta], phases=rules()[HULL]).assign(**about))
        odds = _odds_row(both, pentagons(), beta)
        frames.append(pd.DataFrame([odds]).assign(**about) if odds else pd.DataFrame())
        moved = shifts(n, seed, variance / beta, np.array([n]))
        frames.append(pd.DataFrame({"phase": HEXAGON, "quantity": SHIFT, "value": moved}).assign(**about))
    return _tidy(frames, problem=problem.name, n=n, seed=seed, method="mbar").assign(beta=1.0)


def by_laplace(size: float) -> pd.DataFrame:
    """Return the log odds, and the shares among hexagons and pentagons alone, by Laplace's method at a finite size."""
    found = at_size(size)
    masses = pd.Series(found.log_mass)
    five = np.logaddexp(masses[PENTAGON], masses["5+-gon"])
    flags = ""
    if found.unsettled > UNSETTLED:
        flags = f"{100 * found.unsettled:.1f} % of the mass on nodes where Newton's method has not settled"
    share = np.exp(masses - np.logaddexp(five, masses[HEXAGON]))
    rows = [{"phase": name, "quantity": "share", "value": value} for name, value in share.items()]
    rows.append({"phase": HEXAGON, "quantity": ODDS, "value": masses[HEXAGON] - five})
    frame = pd.DataFrame(rows).assign(problem=NAME, n=round(size), seed=NO_NOISE, flags=flags)
    return _tidy([frame], method="laplace", variance=WHOLE, size=size, rule=HULL, beta=1.0)


def over_data(peaks: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return where the hexagon takes over on many data sets, from the odds by Laplace's method moved by the data."""
    known = peaks[peaks["quantity"] == ODDS].sort_values("size")
    frames = []
    for variance in (WHOLE, HALF):
        found = foretold_crossings(
            known["size"].to_numpy(), known["value"].to_numpy(), variance, range(seed, seed + MANY)
        )
        rows = {"seed": range(seed, seed + MANY), "value": found, "variance": variance}
        frames.append(pd.DataFrame(rows).assign(flags=np.where(np.isnan(found), "not up to the last n", "")))
    return _tidy(frames, problem=NAME, phase=HEXAGON, quantity=FORETOLD, method="laplace and data", rule=HULL, beta=1.0)


def unaided(size: float, seed: int) -> pd.DataFrame:
    """Return where NUTS chains without a ladder end, and how often they went between hexagon and pentagon."""
    from jax.random import PRNGKey
    from numpyro.infer import MCMC, NUTS

    problem = noise_free(FEATURES, size)
    with x64():
        kernel = NUTS(problem.density)
        tool = MCMC(kernel, num_warmup=ROUNDS, num_samples=ROUNDS, num_chains=CHAINS, chain_method="sequential",
                    progress_bar=False)  # fmt: skip
        tool.run(PRNGKey(seed), *problem.args)
        parameters = {site: np.asarray(values) for site, values in tool.get_samples(group_by_chain=True).items()}
    six, five = (np.asarray(held(parameters)) for held in pentagons().values())
    settled = np.where(six | five, np.where(six, 1, -1), 0)
    moves = sum(int((np.diff(chain[chain != 0]) != 0).sum()) for chain in settled)
    ends = {HEXAGON: six[:, -1].sum(), ANY_PENTAGON: five[:, -1].sum()}
    ends["rest"] = CHAINS - sum(ends.values())
    rows = [{"phase": name, "quantity": ENDS, "value": float(value)} for name, value in ends.items()]
    rows.append({"phase": HEXAGON, "quantity": MOVED, "value": float(moves)})
    frame = pd.DataFrame(rows).assign(problem=problem.name, n=round(size), seed=seed, beta=1.0, flags="")
    return _tidy([frame], method="nuts", variance=WHOLE, size=size, rule=HULL)


def pictures(seed: int) -> pd.DataFrame:
    """Return columns of W of some particles of each polygon, turned so that the corners lie on each other."""
    run = posteriors.smc(noise_free(FEATURES, PICTURED), seed=seed, particles=512, replicates=4, moves=2, leapfrog=6)
    w, b = (run.tree["posterior"][site].to_numpy() for site in ("W", "b"))
    w, b = w.reshape(-1, *w.shape[2:]), b.reshape(-1, b.shape[-1])
    label = region_of(rules()[HULL], {"W": w, "b": b})
    frames = []
    for name in SHOWN:
        chosen = w[label == list(rules()[HULL]).index(name)][:DRAWN]
        for place, one in enumerate(chosen):
            corner = corners_of(one)
            angles = np.sort(np.arctan2(one[1, corner], one[0, corner]))
            steps = angles - 2 * math.pi * np.arange(angles.size) / angles.size
            turn = np.exp(-1j * np.angle(np.exp(1j * steps).sum()))
            turned = (one[0] + 1j * one[1]) * turn
            frames.append(
                pd.DataFrame({"x": turned.real, "y": turned.imag, "corner": corner, "draw": place}).assign(phase=name)
            )
    return pd.concat(frames, ignore_index=True).assign(size=PICTURED)


def critical_rows() -> pd.DataFrame:
    """Return loss and half rank of the critical points, with the published losses, and the crossings of the laws."""
    table = critical_table()
    kinds = {"loss": "loss", "half_rank": "half rank", "slope": "largest slope", "least": "least eigenvalue"}
    frames = [table[["phase"]].assign(quantity=told, value=table[column]) for column, told in kinds.items()]
    frames[0]["exact"] = frames[0]["phase"].map(PUBLISHED)
    law = crossings()
    frames.append(pd.DataFrame({"phase": law["law"], "quantity": CROSSING, "value": law["n"]}))
    return _tidy(frames, problem=NAME, seed=NO_NOISE, method="exact", variance=WHOLE, rule=HULL)


def run(workshop: Workshop) -> Finding:
    """Sample the posterior without noise and on data, by a second route too, and lay laws beside."""
    seed = workshop.seed
    free = workshop.parts(without_noise, [(seed,), (seed + 1,)])
    drawn = workshop.parts(sampled, [(n, v, seed + s) for n, v, sets in SAMPLED for s in range(sets)])
    other = workshop.parts(particles, [(seed,)])
    alone = workshop.parts(unaided, [(float(size), seed) for size in UNAIDED[::-1]])
    peaks = workshop.parts(by_laplace, [(float(size),) for size in LAPLACE[::-1]])
    table = pd.concat([*free, *drawn, *other, *alone, *peaks, critical_rows()], ignore_index=True)
    table = pd.concat([table, over_data(pd.concat(peaks), seed)], ignore_index=True)
    table = against_first(table, seed).sort_values(
        by=["problem", "method", "rule", "variance", "seed", "quantity", "size", "phase"], kind="stable",
        ignore_index=True,
    )  # fmt: skip
    (found,) = workshop.parts(pictures, [(seed,)])
    return Finding(table, draw(table, found, seed), text(table, seed), shown(table, seed))


def against_first(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the table with z, in joint errors, of what a second route says against the first ladder without noise."""
    table = table.copy()
    free = (table["method"] == "mbar") & table["problem"].str.endswith("without noise")
    kinds = table["quantity"].isin(["share", ODDS]) & (table["mcse"] > 0)
    key = ["rule", "quantity", "phase", "size"]
    first = table[free & kinds & (table["seed"] == seed)].set_index(key)
    second = table[kinds & ((free & (table["seed"] == seed + 1)) | (table["method"] == "smc"))]
    for place, row in second.iterrows():
        at = tuple(row[key])
        if at in first.index:
            base = first.loc[at]
            table.loc[place, "z"] = z_of(row["value"], row["mcse"], base["value"], base["mcse"])
    return table


def _odds_row(division: Division, phases, beta: float) -> dict | None:
    """Return a row of the log odds of the hexagon over any pentagon, None if one of them has no draw."""
    try:
        odds = phase_odds(division, phases, HEXAGON, ANY_PENTAGON, beta)
    except InputError:
        return None
    return {"beta": beta, "phase": HEXAGON, "quantity": ODDS, "value": odds.value, "mcse": odds.mcse,
            "flags": "; ".join(odds.flags)}  # fmt: skip


def _crossing_row(division: Division, phases) -> dict:
    """Return the size above which the hexagon leads for good, with the error of the odds there over their slope."""

    def odds(log_size: float) -> float:
        return phase_odds(division, phases, HEXAGON, ANY_PENTAGON, math.exp(log_size) / TOP).value

    grid = np.log([beta * TOP for beta in rungs(TOP) if beta * TOP > 8.0])
    values = np.array([odds(x) for x in grid])
    rises = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
    about = {"phase": HEXAGON, "quantity": CROSSING}
    if rises.size == 0:
        return about | {"value": math.nan, "flags": "the pentagon leads at no size of the ladder"}
    low, high = grid[rises[-1]], grid[rises[-1] + 1]
    root = float(np.asarray(brentq(odds, low, high, xtol=1e-4)))
    slope = (values[rises[-1] + 1] - values[rises[-1]]) / (high - low)
    there = phase_odds(division, phases, HEXAGON, ANY_PENTAGON, math.exp(root) / TOP)
    size = math.exp(root)
    return about | {"value": size, "mcse": there.mcse / slope * size, "size": size, "n": round(size),
                    "beta": size / TOP, "flags": "; ".join(there.flags)}  # fmt: skip


def _weighted(logs: np.ndarray, mean) -> dict[str, float]:
    """Return a function of the evidence-weighted replicates with the jackknife's error, as of `free_energy_smc`."""

    def value(held: np.ndarray) -> float:
        weights = np.where(held, np.exp(logs - logs.max()), 0.0)
        return mean(weights / weights.sum())

    count = logs.size
    without = np.array([value(np.arange(count) != i) for i in range(count)])
    error = math.sqrt((count - 1) / count * float(np.sum((without - without.mean()) ** 2)))
    return {"value": value(np.full(count, True)), "mcse": error * math.sqrt((count - 1) / (count - 3))}


def _tidy(frames: list[pd.DataFrame], **about) -> pd.DataFrame:
    whole = pd.concat([frame for frame in frames if len(frame)], ignore_index=True).assign(**about)
    flags = whole["flags"].fillna("") if "flags" in whole else ""
    return whole.assign(flags=flags).reindex(columns=[*COLUMNS, *EXTRA])


STUDY = Study("superposition", "Superposition: pentagons first, hexagons later", run)
