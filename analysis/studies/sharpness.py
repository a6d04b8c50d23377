"""Which measure of flatness tells how a minimum found by training does on new data, or how often it is found?"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from singular import models, posteriors
from singular.analysis.ball_volume import ball_volume
from singular.analysis.estimate import Estimate
from singular.analysis.fisher import hessian
from singular.analysis.local_coefficient import local_learning_coefficient
from singular.analysis.minima import MINIMUM, Minima, Trained, distinct, fingerprint, train
from singular.analysis.rank_correlation import METHODS, rank_correlation
from singular.analysis.spectrum import spectrum_of_matrix
from singular.analysis.studies.sharpness_figure import draw
from singular.analysis.studies.sharpness_names import (
    COLUMNS,
    EPSILONS,
    FOUND,
    LAMBDA,
    LARGEST,
    LOG_DET,
    PREDICTORS,
    QUADRATIC,
    RANK,
    RESPONSES,
    TEST,
    TRACE,
    TRAIN,
    VOLUMES,
    per_minimum,
    usable_rows,
)  # fmt: skip
from singular.analysis.studies.sharpness_problems import NETWORKS
from singular.analysis.studies.sharpness_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.density import map_rows
from singular.models.problem import Problem
from singular.posteriors.precision import x64

MOST_MINIMA = 20
"""Minima of each network that are measured: those found most often."""
BLOCKS = 2
"""Parts of each network, each with every other minimum."""
SMALL = 0.1
"""Half of the starts are draws of N(0, I), half are these times 0.1."""
SAME = 0.01
"""Nats by which the log-likelihood of no observation may differ between two ends that count as one minimum."""
CHAINS, DRAWS, THIN, BURN_IN = 8, 400, 5, 300
STEPS = (1.0, 0.5, 0.25, 0.1, 0.03)
"""Step sizes of MALA in whitened coordinates: the first that is accepted half the time."""
DIGITS = 6
"""Losses that agree to so many decimals are tied: what training leaves is no order."""
SCALES = (1.0, 2.0, 4.0)
"""s of the ReLU unit (a/s, s b), whose function is the same."""


def found(name: str, seed: int, starts: int | None = None) -> tuple[Problem, Trained, Minima]:
    """Return a network's problem, the ends of training, and the minima among them."""
    network = NETWORKS[name]
    problem, _ = network.make(network.n, seed)
    runs = network.starts if starts is None else starts
    with x64():
        drawn = map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(seed + 1), runs // 2))
    trained = train(problem, np.concatenate([drawn, SMALL * drawn]))
    return problem, trained, distinct(trained, fingerprint(problem, trained.z), SAME)


def measured(name: str, block: int, seed: int, starts: int | None = None, most: int = MOST_MINIMA) -> pd.DataFrame:
    """Return every other of the most frequent minima of one network with what is measured at each, and the census."""
    network = NETWORKS[name]
    problem, trained, minima = found(name, seed, starts)
    test_loss = jax.jit(network.make(network.n, seed)[1])
    rows = [] if block else _census(trained, minima, most)
    for place in range(block, min(most, len(minima.count)), BLOCKS):
        rows += [(place, *row) for row in _at(name, problem, trained, minima, place, test_loss, seed)]
    names = ["minimum", "quantity", "value", "mcse", "low", "high", "flags"]
    return pd.DataFrame(rows, columns=names).assign(problem=name)


def _census(trained: Trained, minima: Minima, most: int) -> list[tuple]:
    runs = len(trained.loss)
    counts = {
        "runs": runs,
        "runs that ended in a minimum": int((trained.kind == MINIMUM).sum()),
        "distinct minima": len(minima.count),
        "runs that ended in a minimum measured": int(minima.count[:most].sum()),
        "minima found once": int((minima.count == 1).sum()),
    }
    return [(-1, quantity, float(value), 0.0, np.nan, np.nan, "") for quantity, value in counts.items()]


def _at(name: str, problem: Problem, trained: Trained, minima: Minima, place: int, test_loss, seed: int) -> list[tuple]:
    """Return (quantity, value, mcse, low, high, flags) of one minimum."""
    network, end, count, runs = NETWORKS[name], minima.index[place], int(minima.count[place]), len(trained.loss)
    z = trained.z[end]
    spectrum = spectrum_of_matrix(hessian(problem, z))
    seen = spectrum.eigenvalues[: spectrum.rank]
    interval = binomtest(count, runs).proportion_ci(method="wilson")
    share = count / runs
    error = math.sqrt(share * (1 - share) / runs)
    t, gamma = problem.n / math.log(problem.n), network.gamma
    quadratic = posteriors.quadratic_local_coefficient(np.maximum(spectrum.eigenvalues, 0.0), gamma, t)
    with x64():
        loss = float(test_loss({k: jnp.asarray(v[0]) for k, v in map_rows(problem.parts.constrain, z[None]).items()}))
    half = {
        "large": float(np.sum(minima.label[: runs // 2] == place)),
        "small": float(np.sum(minima.label[runs // 2 :] == place)),
    }
    plain = [
        (TRAIN, float(trained.loss[end]), ""),
        (TEST, loss, ""),
        (TRACE, float(spectrum.eigenvalues.sum()), ""),
        (LOG_DET, float(np.sum(np.log(np.abs(seen)))), "; ".join(spectrum.flags)),
        (RANK, float(spectrum.rank), "; ".join(spectrum.flags)),
        (QUADRATIC, quadratic, ""),
        *((f"runs from {start} starts", value, "") for start, value in half.items()),
    ]
    rows = [(quantity, value, 0.0, np.nan, np.nan, flags) for quantity, value, flags in plain]
    rows.append((FOUND, share, error, float(interval.low), float(interval.high), ""))
    estimates = {LAMBDA: local_coefficient(problem, z, gamma, seed)}
    volumes = ball_volume(problem, z, [e / problem.n for e in EPSILONS], math.sqrt(problem.dim / gamma), seed=seed)
    estimates |= dict(zip(VOLUMES, volumes, strict=True))
    for quantity, one in estimates.items():
        value = one.value if quantity == LAMBDA else -one.value
        rows.append((quantity, value, one.mcse, np.nan, np.nan, "; ".join(one.flags)))
    return rows


def local_coefficient(problem: Problem, z: np.ndarray, gamma: float, seed: int) -> Estimate:
    """Return λ̂(z) at β = 1/log n by MALA in whitened coordinates, with a step that is accepted half the time."""
    beta = 1 / math.log(problem.n)
    local = posteriors.whiten(posteriors.localise(problem, z, gamma), beta)
    settings = {"sampler": "mala", "chains": CHAINS, "thin": THIN, "progress": False}
    for step in STEPS:
        pilot = posteriors.langevin(local, beta, step, draws=20, burn_in=100, seed=seed + 1, **settings)
        if float(pilot["sample_stats"]["acceptance_rate"].mean()) > 0.5:
            break
    tree = posteriors.langevin(local, beta, step, draws=DRAWS, burn_in=BURN_IN, seed=seed, **settings)
    return local_learning_coefficient(tree, local, beta)


def correlations(table: pd.DataFrame, resamples: int = 2000) -> pd.DataFrame:
    """Return every rank correlation of a predictor with a response, as it is and given the train loss."""
    rows = []
    for name in table.loc[table["minimum"] >= 0, "problem"].unique():
        wide = {key: per_minimum(table, name, key) for key in ("value", "mcse", "flags")}
        for predictor in PREDICTORS:
            usable = usable_rows(wide["flags"][predictor]) if predictor == LAMBDA else np.ones(len(wide["value"]), bool)
            value, mcse = wide["value"][usable].round({TEST: DIGITS, TRAIN: DIGITS}), wide["mcse"][usable]
            for response in RESPONSES:
                for given in ("",) if response == TRAIN else ("", TRAIN):
                    for method in METHODS:
                        got = rank_correlation(
                            value[predictor], value[response], given=value[given] if given else None, method=method,
                            x_error=mcse[predictor], y_error=mcse[response], resamples=resamples,
                        )  # fmt: skip
                        rows.append((name, predictor, response, given, method, got.value, got.low, got.high,
                                     "; ".join(got.flags), float(got.items)))  # fmt: skip
    names = ["problem", "quantity", "response", "given", "method", "value", "low", "high", "flags", "items"]
    return pd.DataFrame(rows, columns=names)


def rescaled(seed: int) -> pd.DataFrame:
    """Return trace and log det of one ReLU unit a max(b x, 0) at (a/s, s b): the same function for every s."""
    problem = models.problem("relu-1-1", n=100, seed=seed)
    rows = []
    for s in SCALES:
        spectrum = spectrum_of_matrix(hessian(problem, {"a": np.array([1 / s]), "b": np.array([s])}))
        rows += [
            (f"s = {s:g}", TRACE, float(spectrum.eigenvalues.sum())),
            (f"s = {s:g}", LARGEST, float(spectrum.eigenvalues[0])),
        ]
    return pd.DataFrame(rows, columns=["given", "quantity", "value"]).assign(problem="relu-1-1", flags="")


def run(workshop: Workshop) -> Finding:
    """Train each network, measure its minima and correlate."""
    parts = workshop.parts(measured, [(name, block, workshop.seed) for name in NETWORKS for block in range(BLOCKS)])
    scaled = workshop.parts(rescaled, [(workshop.seed,)])
    minima = pd.concat(parts, ignore_index=True)
    order = {name: place for place, name in enumerate(NETWORKS)}
    minima = minima.sort_values(by=["problem", "minimum"], key=lambda c: c.map(order) if c.name == "problem" else c,
                                kind="stable", ignore_index=True)  # fmt: skip
    related = correlations(minima)
    table = pd.concat([minima, related, *scaled], ignore_index=True).reindex(columns=COLUMNS)
    return Finding(table, draw(table), text(table), shown(table))


STUDY = Study("sharpness", "Sharpness: which flatness predicts the test loss, or how often a minimum is found", run)
