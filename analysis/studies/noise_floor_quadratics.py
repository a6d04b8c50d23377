"""Parts of the study of the noise floor on quadratics: ensembles beside the exact law of the same steps."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import optax
import pandas as pd

from singular import posteriors
from singular.analysis.resolution import (
    SGDLaw,
    additive_sgd,
    largest_step,
    minibatch_largest_step,
    minibatch_regression,
    natural_gradient_sgd,
)
from singular.analysis.studies.floor_rows import (
    COEFFICIENT,
    COLUMNS,
    curve_rows,
    quadratic,
    relaxation,
    row_of,
    scaled_regression,
    window_mean,
)
from singular.models.problem import Problem

CURVATURES = (3.0, 1.0, 0.3, 0.1)
HALF_RANK = len(CURVATURES) / 2
NOISES = ("isotropic", "as the Hessian", "preconditioned", "minibatch")
N = 512
BURN, WINDOW = 5.0, 8.0
"""Relaxation times of the slowest direction from the optimum to the window, and of the window."""
RECORDS = 200
EFFORT = 1.6e7
"""Runs × steps of one ensemble, about."""
RUNS = (400, 4000)
SAFE = 0.98
"""How close to the largest stable step a curve is drawn."""


@cache
def regression(seed: int) -> Problem:
    """Return the regression whose minibatches are drawn."""
    return scaled_regression(CURVATURES, N, seed)


def law(noise: str, learning_rate: float, batch_size: int, momentum: float, seed: int = 0) -> SGDLaw:
    """Return the exact stationary law of a setting; σ² = 1 in all of them."""
    common = {"batch_size": batch_size, "momentum": momentum}
    if noise == "isotropic":
        return additive_sgd(CURVATURES, 1.0, learning_rate, **common)
    if noise == "as the Hessian":
        return additive_sgd(CURVATURES, CURVATURES, learning_rate, noise_level=1.0, **common)
    if noise == "preconditioned":
        return natural_gradient_sgd(CURVATURES, 1.0, learning_rate, **common)
    data = regression(seed).kwargs
    return minibatch_regression(data["x"], data["y"], learning_rate, **common)


def largest(noise: str, batch_size: int, momentum: float, seed: int = 0) -> float:
    """Return the step size from which a setting is unstable."""
    if noise == "preconditioned":
        return 2 * (1 + momentum)
    if noise == "minibatch":
        x = regression(seed).kwargs["x"]
        return minibatch_largest_step(x, batch_size=batch_size, momentum=momentum)
    return largest_step(CURVATURES, momentum)


def simulated(noise: str, learning_rate: float, batch_size: int, momentum: float, seed: int) -> pd.DataFrame:
    """Return excess/T of an ensemble from the optimum, beside its exact law."""
    known = law(noise, learning_rate, batch_size, momentum, seed)
    problem = regression(seed) if noise == "minibatch" else quadratic(CURVATURES)
    settings: dict = {"learning_rate": learning_rate, "batch_size": batch_size}
    if momentum:
        settings |= {"optimiser": "momentum", "momentum": momentum}
    if noise != "minibatch":
        settings["noise"] = "isotropic" if noise == "isotropic" else np.diag(CURVATURES)
    if noise == "preconditioned":
        settings |= {"learning_rate": None, "optimiser": _natural(learning_rate, momentum)}
        settings.pop("momentum", None)
    one = relaxation([1.0] if noise == "preconditioned" else CURVATURES, learning_rate, momentum)
    steps, burn = math.ceil((BURN + WINDOW) * one), math.ceil(BURN * one)
    runs = int(np.clip(EFFORT / steps, *RUNS))
    tree = posteriors.sgd(
        problem, runs=runs, steps=steps, keep=np.unique(np.linspace(burn, steps, RECORDS).astype(int)),
        start=problem.reference.z, seed=seed, progress=False, **settings,
    )  # fmt: skip
    about = {**_about(noise, learning_rate, batch_size, momentum), "problem": problem.name}
    about |= {"temperature": known.temperature, "steps": steps, "runs": runs}
    found = window_mean(tree, burn, known.temperature)
    exact_is = "law of these steps, exact at any step size"
    row = row_of(about, COEFFICIENT, found, known.excess_coefficient, exact_is, HALF_RANK)
    return pd.DataFrame([row], columns=list(COLUMNS))


def exact_curve(noise: str, batch_size: int, momentum: float, seed: int) -> pd.DataFrame:
    """Return the exact excess/T of a setting over step sizes up to the largest stable one."""
    edge = largest(noise, batch_size, momentum, seed)
    sizes = np.geomspace(1e-4, SAFE * edge, 60)
    points = []
    for size in sizes:
        known = law(noise, float(size), batch_size, momentum, seed)
        points.append({"learning_rate": size, "temperature": known.temperature, "value": known.excess_coefficient})
    about = {**_about(noise, math.nan, batch_size, momentum), "part": "curve", "quantity": COEFFICIENT}
    return curve_rows(about | {"gibbs": HALF_RANK}, points)


def _about(noise: str, learning_rate: float, batch_size: int, momentum: float) -> dict:
    return {
        "part": "quadratic", "noise": noise, "learning_rate": learning_rate, "batch_size": batch_size,
        "momentum": momentum, "weight_decay": 0.0,
    }  # fmt: skip


def _natural(learning_rate: float, momentum: float) -> optax.GradientTransformation:
    """Return heavy-ball descent along H⁻¹ times the gradient."""
    inverse = 1 / np.array(CURVATURES)
    return optax.chain(
        optax.stateless(lambda gradient, _: gradient * inverse), optax.sgd(learning_rate, momentum=momentum or None)
    )
