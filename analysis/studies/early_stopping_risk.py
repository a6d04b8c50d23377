"""Test loss and effective parameters of gradient descent over N and of tempered posteriors over T, on the same data."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from singular import models, posteriors
from singular.analysis.diagnostics import flags as ladder_flags
from singular.analysis.effective_parameters import descent_parameters, predictions, tempered_parameters
from singular.analysis.resolution import ridge_shares
from singular.analysis.studies.early_stopping_exact import COLUMNS
from singular.analysis.trust import monte_carlo_error, trust_flags
from singular.models.networks.hidden_layer import normal_inputs
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows
from singular.posteriors.precision import x64

DESCENT, TEMPERED = "gradient descent", "tempered posterior"
MEAN_LOSS, MEMBER_LOSS = "test loss of the mean prediction", "mean test loss of members"
PARAMETERS, BEST_PARAMETERS = "effective parameters", "effective parameters at the best time"
BEST, BEST_LOSS = "best time", "lowest test loss of the mean prediction"
BEST_MEMBER, BEST_MEMBER_LOSS = "best time of members", "lowest mean test loss of members"
EDGE = "best at an end of the axis"
LINEAR = (8, 20)
"""Parameters and observations of the linear regressions."""
NETWORKS = {
    "tanh-2-1": {"n": 20, "learning_rate": 0.05, "times": (0.05, 1e3)},
    "deep-linear-2-2-2-2-r1": {"n": 20, "learning_rate": 0.005, "times": (0.005, 3e2)},
}
"""The learning rate, and the range of ηN that is looked at."""
COLDER = 8
"""Every observation is taken this often for the ladder: its β then goes up to 8."""
RUNGS = 16
WARMEST = 5e-2
"""Least 1/T of a rung but the prior."""
LADDER = {"chains": 4, "draws": 500, "warmup": 250}
RUNS, TANGENT_RUNS, GROUPS = 1000, 48, 4
RECORDS, TANGENT_RECORDS = 60, 14
ENDS = (1e-3, 1e6)
"""Of 1/T and of ηN on linear regression, where both are exact."""


def linear_risk(parameters: int, n: int, seed: int, points: int) -> pd.DataFrame:
    """Return the exact test losses of one linear regression, over ηN (gradient flow) and over 1/T, and both optima.

    The mean over starts N(0, I) of gradient flow is V diag(1 − e^(−h s)) Vᵀ ŵ and a member has the variance e^(−2hs) of
    its start left in each direction; the tempered posterior has V diag(h/(h + T)) Vᵀ ŵ and variances 1/(h/T + 1).
    Test loss: ½ |w − w0|², the inputs being standard normal.
    """
    model = models.linear_regression(parameters)
    assert model.optimum is not None
    problem = Problem.from_model(model, n=n, seed=seed)
    x, y = (np.asarray(problem.kwargs[name]) for name in ("x", "y"))
    h, axes = np.linalg.eigh(x.T @ x / n)
    least = axes.T @ np.linalg.lstsq(x, y, rcond=None)[0]
    truth = axes.T @ np.asarray(model.optimum["w"])

    def losses(kind: str, time: float) -> tuple[float, float, float]:
        share = -np.expm1(-h * time) if kind == DESCENT else ridge_shares(h, 1 / time)
        left = np.exp(-2 * h * time) if kind == DESCENT else 1 / (h * time + 1)
        mean = 0.5 * float(np.sum((share * least - truth) ** 2))
        return mean, mean + 0.5 * float(left.sum()), float(share.sum())

    rows = []
    for kind in (DESCENT, TEMPERED):
        for time in np.geomspace(1e-2, 1e3, points):
            for name, value in zip((MEAN_LOSS, MEMBER_LOSS, PARAMETERS), losses(kind, float(time)), strict=True):
                rows.append(_row(model.name, seed, kind, time, name, value, 0.0, ""))
        for place, (at, lowest) in enumerate(((BEST, BEST_LOSS), (BEST_MEMBER, BEST_MEMBER_LOSS))):
            best, loss, edge = _best_of(lambda time, p=place, k=kind: losses(k, time)[p])
            rows.append(_row(model.name, seed, kind, best, at, best, 0.0, edge))
            rows.append(_row(model.name, seed, kind, best, lowest, loss, 0.0, edge))
            if at == BEST:
                rows.append(_row(model.name, seed, kind, best, BEST_PARAMETERS, losses(kind, best)[2], 0.0, edge))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def network_risk(name: str, seed: int) -> pd.DataFrame:
    """Return the test losses of descents from the prior over ηN and of a ladder over 1/T, and both optima."""
    about = NETWORKS[name]
    problem = problem_of(name, seed)
    test, weights, truth = test_of(problem)
    eta, (first, last) = about["learning_rate"], about["times"]
    keep = np.unique(np.concatenate([[0], np.round(np.geomspace(first, last, RECORDS) / eta)])).astype(int)
    tree = posteriors.sgd(
        few_rows(problem), learning_rate=eta, runs=RUNS, steps=int(keep[-1]), keep=keep, seed=seed, progress=False
    )
    z = posteriors.ensemble_points(tree, few_rows(problem))
    alive = np.isfinite(z).all(axis=(1, 2))
    flags = "" if alive.all() else f"{int((~alive).sum())} of {RUNS} runs left for infinity and are left out"
    members = z[alive][: alive.sum() // GROUPS * GROUPS].reshape(GROUPS, -1, *z.shape[1:])
    rows = _curve(name, seed, DESCENT, eta * keep, members, test, weights, truth, [flags] * len(keep))
    cold = colder(problem)
    ladder, rungs = tempered(cold, last, seed)
    draws = np.stack([posteriors.unconstrained(ladder, cold, float(b)) for b in rungs], axis=2)
    told = ["; ".join(ladder_flags(ladder, [float(b)])) for b in rungs]
    rows += _curve(name, seed, TEMPERED, rungs * cold.n, draws, test, weights, truth, told)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def network_parameters(name: str, seed: int) -> pd.DataFrame:
    """Return the effective parameters of descent over ηN and of the tempered posterior over 1/T."""
    about = NETWORKS[name]
    problem = problem_of(name, seed)
    eta, (first, last) = about["learning_rate"], about["times"]
    steps = np.unique(np.round(np.geomspace(first, last, TANGENT_RECORDS) / eta)).astype(int)
    found = descent_parameters(few_rows(problem), eta, steps, runs=TANGENT_RUNS, seed=seed)
    rows = [_row(name, seed, DESCENT, r.time, PARAMETERS, r.value, r.mcse, r.flags) for r in found.itertuples()]
    cold = colder(problem)
    ladder, rungs = tempered(cold, last, seed)
    for beta in rungs:
        one = tempered_parameters(ladder, cold, float(beta))
        rows.append(_row(name, seed, TEMPERED, beta * cold.n, PARAMETERS, one.value, one.mcse, "; ".join(one.flags)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def problem_of(name: str, seed: int) -> Problem:
    """Return one of the networks with its data."""
    if name.startswith("deep-linear"):
        model = models.deep_linear([2, 2, 2, 2], rank=1)
        return Problem.from_model(model, n=NETWORKS[name]["n"], seed=seed)
    return models.problem(name, n=NETWORKS[name]["n"], seed=seed)


def few_rows(problem: Problem) -> Problem:
    """Return the problem on as few rows as give the same gradients: fewer only if it is linear in the inputs."""
    return equivalent_rows(problem) if problem.name.startswith("deep-linear") else problem


def colder(problem: Problem) -> Problem:
    """Return the problem with every observation taken `COLDER` times: at β it is the given one at `COLDER` β."""
    kwargs = {key: np.repeat(value, COLDER, axis=0) for key, value in problem.kwargs.items()}
    return few_rows(replace(problem, kwargs=kwargs, sample_size=COLDER * problem.n))


def tempered(cold: Problem, last: float, seed: int):
    """Return a ladder and its rungs above 0, which are 1/(n T) for 1/T from `WARMEST` to all there is."""
    rungs = np.geomspace(WARMEST / cold.n, 1.0, RUNGS)
    return posteriors.ladder(cold, [0.0, *rungs], seed=seed, progress=False, cores=1, **LADDER), rungs


def test_of(problem: Problem) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Return the problem at test inputs, their weights, and the true predictions there, (inputs,) or (inputs, outputs).

    The mean over standard normal inputs is a quadrature rule for a network of one input; for a linear one its unit
    vectors do, as E|Wx|² is the sum of squares of W.
    """
    flat = np.ndim(problem.kwargs["x"]) == 1
    x, weights = (
        normal_inputs() if flat else (np.eye(problem.kwargs["x"].shape[1]), np.ones(problem.kwargs["x"].shape[1]))
    )
    y = np.zeros(len(x)) if flat else np.zeros((len(x), problem.kwargs["y"].shape[1]))
    test = replace(problem, kwargs={"x": np.asarray(x), "y": y}, sample_size=len(x))
    assert problem.model is not None and problem.model.optimum is not None
    predict = predictions(test)[0]
    with x64():
        truth = np.asarray(predict(test.parts.unconstrain(dict(problem.model.optimum))))
    return test, np.asarray(weights), truth


def _curve(name, seed, kind, times, z, test, weights, truth, flags) -> list[dict]:
    """Return the rows of one curve from members (group, member, time, d); the groups are independent."""
    predict = predictions(test)[0]
    weight = weights if truth.ndim == 1 else weights[:, None]
    rows, means, members = [], [], []
    with x64():
        many = jax.jit(jax.vmap(predict))
        for place, time in enumerate(times):
            points = z[:, :, place]
            off = np.asarray(many(points.reshape(-1, points.shape[-1]))) - truth
            off = off.reshape(*points.shape[:2], *truth.shape)
            axes = tuple(range(2, off.ndim))
            middle, own = off.mean(axis=(0, 1)), 0.5 * np.sum(weight * off**2, axis=axes)
            mean, member = 0.5 * float(np.sum(weight * middle**2)), float(own.mean())
            means.append([mean, *(0.5 * np.sum(weight * off.mean(axis=1) ** 2, axis=tuple(range(1, off.ndim - 1))))])
            members.append([member, *own.mean(axis=1)])
            first_order = np.sum(weight * middle * (off - middle), axis=axes)
            for quantity, value, influence in ((MEAN_LOSS, mean, first_order), (MEMBER_LOSS, member, own - member)):
                if kind == DESCENT:  # runs are independent
                    error, more = float(influence.std(ddof=1) / math.sqrt(influence.size)), ()
                else:
                    error = monte_carlo_error(influence)
                    more = trust_flags(influence, error)
                told = "; ".join(dict.fromkeys(part for part in (flags[place], *more) if part))
                rows.append(_row(name, seed, kind, time, quantity, value, error, told))
    for at, lowest, losses in ((BEST, BEST_LOSS, means), (BEST_MEMBER, BEST_MEMBER_LOSS, members)):
        whole, *groups = np.array(losses).T
        best, loss, edge = lowest_of(np.asarray(times), whole)
        logs = [math.log(lowest_of(np.asarray(times), one)[0]) for one in groups]
        error = best * float(np.std(logs, ddof=1) / math.sqrt(len(logs)))
        rows.append(_row(name, seed, kind, best, at, best, error, edge))
        rows.append(_row(name, seed, kind, best, lowest, loss, math.nan, edge))
    return rows


def lowest_of(times: np.ndarray, losses: np.ndarray) -> tuple[float, float, str]:
    """Return where a curve is lowest, by a parabola in log time through its lowest point and both neighbours."""
    times, losses = times[times > 0], losses[times > 0]
    i = int(np.argmin(losses))
    if i in (0, len(times) - 1):
        return float(times[i]), float(losses[i]), EDGE
    a, b, _ = np.polyfit(np.log(times[i - 1 : i + 2] / times[i]), losses[i - 1 : i + 2], 2)
    return float(times[i] * math.exp(-b / (2 * a) if a > 0 else 0.0)), float(losses[i]), ""


def _best_of(loss) -> tuple[float, float, str]:
    """Return the least of a loss over `ENDS`, from the best point of a grid."""
    grid = np.geomspace(*ENDS, 181)
    values = [loss(float(time)) for time in grid]
    i = int(np.argmin(values))
    if i in (0, len(grid) - 1):
        return float(grid[i]), values[i], EDGE
    found = minimize_scalar(
        lambda log: loss(math.exp(log)), bounds=(math.log(grid[i - 1]), math.log(grid[i + 1])), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    return math.exp(float(found.x)), float(found.fun), ""


def _row(name, seed, kind, time, quantity, value, mcse, flags) -> dict:
    return {
        "part": "risk", "problem": name, "seed": seed, "kind": kind, "time": float(time), "quantity": quantity,
        "value": float(value), "mcse": mcse, "exact": math.nan, "z": math.nan, "flags": flags,
    }  # fmt: skip
