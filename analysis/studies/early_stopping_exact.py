"""Early stopping where everything is known: quadratics, the ridge it corresponds to, and flow on singular losses."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular.analysis.resolution import (
    Gaussian,
    flow_shares,
    gradient_descent,
    largest_ridge_ratio,
    learned_directions,
    learned_shares,
    matching_penalties,
    monomial_flow_loss,
    product_flow_loss,
    ridge_shares,
    tempered_quadratic,
)
from singular.analysis.studies.cells import z_of

COLUMNS = (
    "part", "problem", "seed", "kind", "time", "quantity", "value", "mcse", "exact", "z", "flags",
)  # fmt: skip
"""``time`` is ηN of descent and 1/T of a tempered posterior: both in 1/nats."""
SPECTRUM = (10.0, 1.0, 0.1, 0.01, 0.0)
STEP = 0.05
SEEN_AT = 1e3
"""Resolution at which the pushed-forward law is taken as a prior."""
COUNTS = tuple(int(n) for n in np.unique(np.round(np.geomspace(1, 1e5, 41))))
SIMULATED = (10, 100, 1_000)
FEW = (1, 2, 10, 100)
"""Steps of discrete descent whose ratio to ridge is drawn."""
LEARNED, TEMPERED, PUSHED = "½ Σ S, learned directions", "tempered posterior at t = ηN", "pushed-forward coefficient"
RESIDUAL = "½ Σ (1 − a)"
VOLUME, GIBBS_VOLUME = "log volume of descent", "log volume of the tempered posterior at t = ηN"
EXCESS, RATIO, LARGEST = "mean excess loss", "learned over ridge", "largest learned over ridge"
PENALTY = "matching penalty times ηN"
GENERALISED = "largest difference from generalised ridge"
FLOW_STEP = 0.002
FLOW_TIMES = (1.0, 3.0, 10.0, 30.0)
DEGREES = (3, 4, 6)
SIMULATED_DEGREES = (3, 4)
PRODUCT = "x²y²"
EXPONENT, LIMIT = "−d log E[K]/d log s", "limit of the exponent"


def quadratic(starts: int, seed: int) -> pd.DataFrame:
    """Return both meanings of effective parameters over N, exactly, and simulated descent against its law."""
    prior = Gaussian(1.0)
    rows = []
    for n in COUNTS:
        law = gradient_descent(SPECTRUM, prior, STEP, n)
        known = {
            LEARNED: 0.5 * learned_directions(SPECTRUM, STEP, n),
            RESIDUAL: 0.5 * learned_directions(SPECTRUM, STEP, n, "residual"),
            TEMPERED: tempered_quadratic(SPECTRUM, prior, STEP * n).excess_coefficient,
            VOLUME: law.log_volume,
            GIBBS_VOLUME: -tempered_quadratic(SPECTRUM, prior, STEP * n).free_energy,
            PUSHED: law.pushforward_coefficient(SEEN_AT),
            EXCESS: law.excess,
        }
        rows += [_row("quadratic", "quadratic", "exact", STEP * n, name, value) for name, value in known.items()]
        share = learned_shares(SPECTRUM, STEP, n)
        other = ridge_shares(SPECTRUM, matching_penalties(SPECTRUM, STEP, n))
        rows.append(_row("quadratic", "quadratic", "exact", STEP * n, GENERALISED, np.abs(share - other).max()))
    h = np.array(SPECTRUM)
    w = np.random.default_rng([seed, 1]).standard_normal((starts, h.size))
    done = 0
    for n in SIMULATED:
        for _ in range(n - done):
            w = w - STEP * h * w
        done = n
        loss = 0.5 * (h * w * w).sum(axis=1)
        exact = gradient_descent(SPECTRUM, prior, STEP, n).excess
        rows.append(_drawn("quadratic", "quadratic", STEP * n, EXCESS, loss, exact, seed))
    return _frame(rows)


def ridge(points: int) -> pd.DataFrame:
    """Return S_i over the share of ridge at penalty 1/(ηN), against ηN h_i, and the penalty that would match."""
    rows = []
    for x in np.geomspace(1e-2, 1e3, points):
        rows.append(_row("ridge", "flow", "exact", x, RATIO, float(flow_shares([x], 1.0)[0] * (1 + x) / x)))
        with np.errstate(over="ignore"):
            rows.append(_row("ridge", "flow", "exact", x, PENALTY, float(x / np.expm1(x))))
        for n in FEW:
            if x <= n:
                share = float(learned_shares([x / n], 1.0, n)[0])
                rows.append(_row("ridge", f"{n} steps", "exact", x, RATIO, share * (1 + x) / x))
    for n in (*FEW, None):
        name = "flow" if n is None else f"{n} steps"
        value, at = largest_ridge_ratio(n)
        rows.append(_row("ridge", name, "exact", at, LARGEST, value))
    return _frame(rows)


def flow(degree: int, starts: int, seed: int) -> pd.DataFrame:
    """Return E[K] under gradient flow on |w|^degree (x²y² for degree 0), and of descent by small steps, simulated."""
    name = PRODUCT if degree == 0 else f"|w|^{degree}"

    def law(s: float):
        return product_flow_loss(s) if degree == 0 else monomial_flow_loss(degree, s)

    rows = []
    for s in np.geomspace(1e-1, 1e5, 25):
        one = law(float(s))
        rows += [
            _row("flow", name, "exact", s, EXCESS, one.excess),
            _row("flow", name, "exact", s, EXPONENT, one.exponent),
        ]
    rows.append(_row("flow", name, "exact", math.inf, LIMIT, law(1.0).limit))
    if degree and degree not in SIMULATED_DEGREES:
        return _frame(rows)
    rng = np.random.default_rng([seed, degree])
    w = rng.standard_normal((2 if degree == 0 else 1, starts))
    done = 0
    for s in FLOW_TIMES:
        count = round(s / FLOW_STEP)
        for _ in range(count - done):
            w = w - FLOW_STEP * _slope(w, degree)
        done = count
        loss = w[0] ** 2 * w[1] ** 2 if degree == 0 else np.abs(w[0]) ** degree
        rows.append(_drawn("flow", name, s, EXCESS, loss, law(s).excess, seed))
    return _frame(rows)


def _slope(w: np.ndarray, degree: int) -> np.ndarray:
    if degree == 0:
        return 2 * w * w[::-1] ** 2
    return degree * w * np.abs(w) ** (degree - 2)


def _drawn(part: str, problem: str, time: float, quantity: str, values: np.ndarray, exact: float, seed: int) -> dict:
    error = float(values.std(ddof=1) / math.sqrt(values.size))
    mean = float(values.mean())
    about = _row(part, problem, "simulated", time, quantity, mean)
    return about | {"seed": seed, "mcse": error, "exact": exact, "z": z_of(mean, error, exact)}


def _row(part: str, problem: str, kind: str, time: float, quantity: str, value: float) -> dict:
    return {
        "part": part, "problem": problem, "seed": -1, "kind": kind, "time": time, "quantity": quantity, "value": value,
        "mcse": 0.0, "exact": math.nan, "z": math.nan, "flags": "",
    }  # fmt: skip


def _frame(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))
