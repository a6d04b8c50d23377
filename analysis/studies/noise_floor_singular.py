"""Parts of the study of the noise floor on singular models: ensembles beside the Gibbs law at the same temperature."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import jax
import numpy as np
import pandas as pd
import xarray as xr

from singular import models, posteriors
from singular.analysis.estimate import Estimate
from singular.analysis.resolution import square_model_law
from singular.analysis.studies.floor_rows import (
    COEFFICIENT,
    COLUMNS,
    curve_rows,
    mean_over_runs,
    row_of,
    window_mean,
)
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows
from singular.posteriors.precision import x64

SIZES = {"product": 1000, "monomial-2": 1000, "deep-linear-1-1-1-1-r0": 1000, "tanh-2": 200}
"""Problem -> observations; all have an exact integral."""
COPIES = 100
VIRIAL = "(w·∇U − η/2 ‖∇U‖²) / T"
"""Of mean d under isotropic noise at any step size, U = L − T log φ, wherever runs are stationary and stay finite."""
FLOOR = "excess / T at the balanced optimum, law"
BURN, WINDOW = 2.0, 6.0
"""Of isotropic noise, in units of 1/(ηT): the time in which weight decay forgets a place on the optimal set."""
BOX = 1.0
EFFORT = {"isotropic": 1.5e7, "tanh": 1.5e6, "minibatch": 1.0e7}
"""Runs × steps of one ensemble, about."""
RUNS = (200, 2000)
TIMES = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Of a model's own noise: N η²/B, the expected fall of log |w1² − w2²|."""
RECORDS = 60
SHELL = 0.8
"""A window of the own noise runs from this share of its time."""


@cache
def problem_of(name: str, seed: int) -> Problem:
    """Return the catalogue problem, with simulated data."""
    return models.problem(name, n=SIZES[name], seed=seed)


def gibbs_coefficient(problem: Problem, temperature: float) -> float:
    """Return (E[L] − L(w_ML))/T under exp(−L/T) φ: the tempered posterior at β = 1/(nT), by quadrature."""
    beta = 1 / (problem.n * temperature)
    mean = float(posteriors.quadrature(problem, [beta]).at(beta)["mean_nll"])
    return beta * (mean - problem.reference.nll)


def isotropic(name: str, temperature: float, learning_rate: float, momentum: float, seed: int) -> pd.DataFrame:
    """Return excess/T under isotropic noise and the pull of the prior, beside the Gibbs law; and its virial."""
    whole = problem_of(name, seed)
    tanh = name.startswith("tanh")
    problem = whole if tanh else equivalent_rows(whole)
    one = 1 / (learning_rate / (1 - momentum) * temperature)
    steps, burn = math.ceil((BURN + WINDOW) * one), math.ceil(BURN * one)
    runs = int(np.clip(EFFORT["tanh" if tanh else "isotropic"] / steps, *RUNS))
    settings: dict = {"optimiser": "momentum", "momentum": momentum} if momentum else {}
    tree = posteriors.sgd(
        problem, learning_rate=learning_rate, noise="isotropic", weight_decay="prior", runs=runs, steps=steps,
        sigma=math.sqrt(2 * temperature * (1 - momentum) / learning_rate), start="box", box=BOX, seed=seed,
        keep=np.unique(np.linspace(burn, steps, RECORDS).astype(int)), progress=False, **settings,
    )  # fmt: skip
    about = {
        "part": "isotropic", "problem": name, "noise": "isotropic", "learning_rate": learning_rate, "batch_size": 1,
        "momentum": momentum, "weight_decay": temperature, "temperature": temperature, "steps": steps, "runs": runs,
    }  # fmt: skip
    found = window_mean(tree, burn, temperature)
    rows = [row_of(about, COEFFICIENT, found, gibbs=gibbs_coefficient(whole, temperature))]
    if not momentum:
        balance = _virial(tree, problem, temperature, learning_rate)
        rows.append(row_of(about, VIRIAL, balance, float(problem.dim), "of a stationary law, at any step size"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _virial(tree: xr.DataTree, problem: Problem, temperature: float, learning_rate: float) -> Estimate:
    z = posteriors.ensemble_points(tree, problem)
    lost = tree["sample_stats"]["diverged"].values
    z = z[~lost]
    split, n = problem.parts.split, problem.n

    def energy(point):
        log_prior, nll = split(point)
        return nll / n - temperature * log_prior

    @jax.jit
    def values(points):
        slope = jax.lax.map(jax.grad(energy), points, batch_size=4096)
        return ((points * slope).sum(-1) - 0.5 * learning_rate * (slope**2).sum(-1)) / temperature

    with x64():
        flat = np.asarray(values(z.reshape(-1, z.shape[-1])))
    return mean_over_runs(flat.reshape(z.shape[:2]), int(lost.sum()))


def own(name: str, learning_rate: float, batch_size: int, decayed: int, seed: int) -> pd.DataFrame:
    """Return excess/T under the minibatch's own noise from a box of starts, at times N η²/B up to the last of `TIMES`.

    T = η σ²/(2B) with σ² = 1, the variance of an observation about the truth. ``decayed``: with weight decay T, which
    under isotropic noise would be the prior N(0, 1).
    """
    problem = problem_of(name, seed)
    temperature = learning_rate / (2 * batch_size)
    ends = [math.ceil(time * batch_size / learning_rate**2) for time in TIMES]
    kept = {end: np.unique(np.linspace(SHELL * end, end, 10).astype(int)) for end in ends}
    steps = ends[-1]
    runs = int(np.clip(EFFORT["minibatch"] / steps, *RUNS))
    tree = posteriors.sgd(
        problem, learning_rate=learning_rate, batch_size=batch_size, runs=runs, steps=steps, start="box", box=BOX,
        weight_decay=temperature if decayed else 0.0, keep=_union(kept.values()), seed=seed, progress=False,
    )  # fmt: skip
    gibbs = gibbs_coefficient(problem, temperature)
    about = {
        "part": "own", "problem": name, "noise": "minibatch", "learning_rate": learning_rate, "batch_size": batch_size,
        "momentum": 0.0, "weight_decay": temperature if decayed else 0.0, "temperature": temperature, "runs": runs,
    }  # fmt: skip
    rows = []
    for end in ends:
        window = tree.isel(step=np.flatnonzero(np.isin(tree["sample_stats"]["step"].values, kept[end])))
        rows.append(row_of(about | {"steps": end}, COEFFICIENT, window_mean(window, 0, temperature), gibbs=gibbs))
    if name == "product" and not decayed:
        rows.append(_floor(problem, about | {"steps": math.nan}, gibbs))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _floor(problem: Problem, about: dict, gibbs: float) -> dict:
    """Return excess/T where collapse must end on these data: at the balanced optimum, w1 w2 = s and |w1| = |w2|.

    s is the least-squares slope. There the loss has the curvature 2 |s| E[x²] across the optimal set and the gradient
    of an observation the variance 2 |s| E[r² x²], so that the excess is T |s| E[r² x²] to first order in η.
    """
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    slope = float(x @ y / (x @ x))
    value = abs(slope) * float(np.mean(((y - slope * x) * x) ** 2))
    return row_of(about, FLOOR, Estimate(value, 0.0, target="small steps", method="law"), gibbs=gibbs)


def _union(several: Iterable[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(list(several)))


@cache
def square_problem() -> Problem:
    """Return y ~ N(w² x, 1) on 12 rows, each many times, whose moments up to the fourth are those of pure noise.

    x is 0, 0, 0, 0, √3, −√3 and y is 1, −1: E[x²] = E[y²] = 1, E[x⁴] = 3, E[x²y²] = 1 and all odd ones 0. So K = ½ w⁴,
    and the variance of a gradient is 4 w² (1 + 2 w⁴), as with normal x and y.
    """
    x, y = np.meshgrid([0.0, 0.0, 0.0, 0.0, math.sqrt(3.0), -math.sqrt(3.0)], [1.0, -1.0])
    data = {"x": np.tile(x.ravel(), COPIES), "y": np.tile(y.ravel(), COPIES)}
    problem = models.problem("monomial-2", n=12 * COPIES)
    return problem.replace(kwargs=data, seed=None)


def mixed(learning_rate: float, batch_size: int, temperature: float, seed: int) -> pd.DataFrame:
    """Return excess/T0 of w ← w − η g_B + √(2ηT0) ξ for f = w² x, beside its first-order stationary law."""
    problem = square_problem()
    law = square_model_law(learning_rate, batch_size, temperature)
    kappa = 2 * learning_rate / batch_size
    # the slower of two: the pull 2w³ where K = T0, and diffusion over the width at which both noises are equal
    one = max(1 / (2 * math.sqrt(2 * temperature)), 1 / (2 * kappa)) / learning_rate
    steps, burn = math.ceil((BURN + WINDOW) * one), math.ceil(BURN * one)
    runs = int(np.clip(EFFORT["minibatch"] / steps, *RUNS))
    tree = posteriors.sgd(
        problem, learning_rate=learning_rate, batch_size=batch_size, noise="mixed", runs=runs, steps=steps,
        sigma=math.sqrt(2 * batch_size * temperature / learning_rate), start="box", box=temperature**0.25, seed=seed,
        keep=np.unique(np.linspace(burn, steps, RECORDS).astype(int)), progress=False,
    )  # fmt: skip
    about = {
        "part": "mixed", "problem": "monomial-2", "noise": "minibatch + isotropic", "learning_rate": learning_rate,
        "batch_size": batch_size, "momentum": 0.0, "weight_decay": 0.0, "temperature": temperature, "steps": steps,
        "runs": runs,
    }  # fmt: skip
    found = window_mean(tree, burn, temperature)
    exact_is = "law to first order in the step size"
    row = row_of(about, COEFFICIENT, found, law.excess_coefficient, exact_is, gibbs=0.25)
    return pd.DataFrame([row], columns=list(COLUMNS))


def mixed_curve(kappa: float) -> pd.DataFrame:
    """Return excess/T0 of that law over T0 at one κ = 2η/B."""
    points = []
    for level in np.geomspace(kappa**2 / 300, 300 * kappa**2, 50):
        law = square_model_law(kappa / 2, 1, float(level))
        points.append({"temperature": level, "value": law.excess_coefficient})
    about = {"part": "mixed curve", "problem": "monomial-2", "noise": "minibatch + isotropic", "quantity": COEFFICIENT}
    return curve_rows(about | {"learning_rate": kappa / 2, "batch_size": 1, "gibbs": 0.25}, points)
