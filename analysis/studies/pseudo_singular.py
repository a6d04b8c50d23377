"""Pseudo-singular: regular models whose small curvatures lie below the floor, beside truly singular ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular import posteriors
from singular.analysis.estimate import Estimate
from singular.analysis.studies.floor_rows import (
    COEFFICIENT,
    COLUMNS,
    curve_rows,
    near_product,
    quadratic,
    relaxation,
    row_of,
    window_mean,
)
from singular.analysis.studies.pseudo_singular_figure import draw
from singular.analysis.studies.pseudo_singular_laws import (
    HALF,
    LEARNERS,
    MOMENTUM,
    RATE,
    SPECTRA,
    STOPPED_RATE,
    coefficient,
    near_product_coefficient,
    near_product_parting,
    parting,
    stop_at,
)
from singular.analysis.studies.pseudo_singular_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop

if TYPE_CHECKING:
    from singular.models.problem import Problem

GIBBS, HOT, _, STOPPED, _ = LEARNERS
GRID = np.geomspace(1e-6, 1.0, 61)
NEAR_GRID = np.geomspace(1e-9, 1.0, 73)
"""Resolutions of the product and its neighbours."""
SAMPLED = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
STOPS = (3e-5, 1e-4, 1e-3, 1e-2, 1e-1)
SCALES = (0.3, 0.1, 0.03, 0.01)
"""ε of the regular neighbours of the product model: curvature h = ε² at the optimum."""
SHOWN_SCALE = 0.1
BURN, WINDOW = 3.0, 6.0
"""In relaxation times of the slowest direction."""
RECORDS = 100
EFFORT = 2e7
RUNS = (200, 2000)
STOPPED_RUNS = 600


def exact(model: str, learner: str) -> pd.DataFrame:
    """Return the exact coefficient of one model by one learner over resolutions."""
    grid = GRID if model in SPECTRA else NEAR_GRID
    if model in SPECTRA:
        values = [coefficient(learner, SPECTRA[model], float(t)) for t in grid]
    else:
        values = [near_product_coefficient(_scale(model), float(t)) for t in grid]
    points = [{"temperature": t, "value": v} for t, v in zip(grid, values, strict=True)]
    return curve_rows({"part": "curve", "problem": model, "noise": learner, "quantity": COEFFICIENT}, points)


def at_equilibrium(model: str, temperature: float, seed: int) -> pd.DataFrame:
    """Return excess/T of heavy-ball SGD with isotropic noise and weight decay T, from draws of the prior.

    Its exact value is the law of these steps on a quadratic; the Gibbs value, which small steps tend to, elsewhere.
    """
    flat = model not in SPECTRA
    problem: Problem = near_product(_scale(model)) if flat else quadratic(SPECTRA[model])
    stiff = [h + temperature for h in SPECTRA[model]] if not flat else [_scale(model) ** 2 + temperature, 1.0]
    one = relaxation(stiff, RATE, MOMENTUM)
    forget = BURN + 0.5 * math.log1p((min(stiff) - temperature) / temperature)  # how far out the prior is in widths
    steps, burn = math.ceil((forget + WINDOW) * one), math.ceil(forget * one)
    runs = int(np.clip(EFFORT / steps, *RUNS))
    tree = posteriors.sgd(
        problem, learning_rate=RATE, optimiser="momentum", momentum=MOMENTUM, noise="isotropic",
        sigma=math.sqrt(2 * temperature * (1 - MOMENTUM) / RATE), weight_decay=temperature, runs=runs, steps=steps,
        start="prior", keep=np.unique(np.linspace(burn, steps, RECORDS).astype(int)), seed=seed, progress=False,
    )  # fmt: skip
    about = {
        "part": "runs", "problem": model, "noise": HOT, "learning_rate": RATE, "batch_size": 1,
        "momentum": MOMENTUM, "weight_decay": temperature, "temperature": temperature, "steps": steps, "runs": runs,
    }  # fmt: skip
    found = window_mean(tree, burn, temperature)
    if flat:
        row = row_of(about, COEFFICIENT, found, gibbs=near_product_coefficient(_scale(model), temperature))
    else:
        law = coefficient(HOT, SPECTRA[model], temperature)
        gibbs = coefficient(GIBBS, SPECTRA[model], temperature)
        row = row_of(about, COEFFICIENT, found, law, "law of these steps, exact at any step size", gibbs)
    return pd.DataFrame([row], columns=list(COLUMNS))


def stopped(model: str, seed: int) -> pd.DataFrame:
    """Return excess/T of plain SGD with isotropic noise from the optimum at several stops, T = 1/(2ηN) of each."""
    problem = quadratic(SPECTRA[model])
    stops = sorted({stop_at(level, 0.5): level for level in STOPS}.items())
    tree = posteriors.sgd(
        problem, learning_rate=STOPPED_RATE, noise="isotropic", runs=STOPPED_RUNS, steps=stops[-1][0],
        start=np.zeros(problem.dim), keep=[steps for steps, _ in stops], seed=seed, progress=False,
    )  # fmt: skip
    rows = []
    for steps, level in stops:
        about = {
            "part": "runs", "problem": model, "noise": STOPPED, "learning_rate": STOPPED_RATE, "batch_size": 1,
            "momentum": 0.0, "weight_decay": 0.0, "temperature": level, "steps": steps, "runs": STOPPED_RUNS,
        }  # fmt: skip
        at = tree.isel(step=[list(tree["sample_stats"]["step"].values).index(steps)])
        found = window_mean(at, 0, float(tree.attrs["temperature"]))
        law = coefficient(STOPPED, SPECTRA[model], level)
        rows.append(row_of(about, COEFFICIENT, found, law, "law of these steps, exact at any step size"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def partings() -> pd.DataFrame:
    """Return the resolution at which a direction counts a quarter, for each learner, and that of the neighbours."""
    rows = [
        _parting_row(f"direction {curvature:g}", learner, curvature, parting(learner, curvature))
        for learner in LEARNERS
        for curvature in SPECTRA["regular"][1:]
    ]
    rows += [_parting_row(f"near-product-{scale:g}", GIBBS, scale**2, near_product_parting(scale)) for scale in SCALES]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _parting_row(problem: str, learner: str, curvature: float, found: float) -> dict:
    flags = () if math.isfinite(found) else (f"never adds {HALF:g} at any T of the range",)
    about = {"part": "parting", "problem": problem, "noise": learner}
    value = Estimate(found, 0.0, target="T where a quarter is added", method="law", flags=flags)
    row = row_of(about, "T of parting", value, gibbs=curvature)
    return row | {"z": math.nan}


def _scale(model: str) -> float:
    return 0.0 if model == "product" else float(model.removeprefix("near-product-"))


def run(workshop: Workshop) -> Finding:
    """Compute exact coefficients of regular and singular models over resolutions, and run SGD on both."""
    seed = workshop.seed
    near = [f"near-product-{scale:g}" for scale in SCALES]
    crossing_models = ["product", f"near-product-{SHOWN_SCALE:g}"]
    # a seed for each model: with one for all they would share their noise, and differ by less than their errors
    seeds = {model: seed + place for place, model in enumerate((*SPECTRA, *crossing_models))}
    runs = [(model, t, one) for t in SAMPLED for model, one in seeds.items()]
    curves = [(model, learner) for model in SPECTRA for learner in LEARNERS]
    curves += [(model, GIBBS) for model in ("product", *near)]
    parts = [
        *workshop.parts(at_equilibrium, runs),
        *workshop.parts(stopped, [(model, seeds[model]) for model in SPECTRA]),
        *workshop.parts(exact, curves),
        *workshop.parts(partings, [()]),
    ]
    table = pd.concat(parts, ignore_index=True)
    table["flags"] = table["flags"].fillna("")
    return Finding(table, draw(table), text(table), shown(table))


STUDY = Study("pseudo-singular", "Pseudo-singular: which small curvatures are zero, and to whom", run)
