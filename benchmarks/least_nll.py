"""nL_n at its maximum-likelihood point and at the truth, where the former has a cheap form: what BIC starts from."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import numpy as np
import numpyro
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from singular.models import catalogue

LOG_2PI = math.log(2 * math.pi)


def noise(residual: np.ndarray) -> float:
    """Return −log N(residual; 0, I), nats."""
    return 0.5 * (np.sum(residual**2) + residual.size * LOG_2PI)


def _line(y, x):
    return noise(y - x * (x @ y) / (x @ x))


def _linear(y, x):
    return noise(y - x @ np.linalg.lstsq(x, y)[0])


def _half_lines(y, x):
    """One ReLU unit without bias is c max(±x, 0): the better of two straight lines."""
    return min(_line(y, side) for side in (np.maximum(x, 0), np.maximum(-x, 0)))


def _rank_one(y, x):
    """The best product of rank one keeps the largest canonical direction of the least-squares fit."""
    root = np.linalg.cholesky(np.linalg.inv(x.T @ x))
    return noise(y) - 0.5 * np.linalg.svd(root.T @ x.T @ y, compute_uv=False)[0] ** 2


def _tanh(y, x):
    """One tanh unit: the outer weight by least squares, the inner weight by search, 0 and ∞ as limits."""

    def gain(log_b):
        feature = np.tanh(math.exp(log_b) * x)
        return -((feature @ y) ** 2) / (feature @ feature)

    grid = np.linspace(-9.0, 9.0, 145)
    best = int(np.argmin([gain(g) for g in grid]))
    found = minimize_scalar(gain, bounds=(grid[max(best - 1, 0)], grid[min(best + 1, 144)]), method="bounded")
    return noise(y) + 0.5 * min(found.fun, gain(grid[best]))


def _normal(y):
    spread = np.cov(y.T, bias=True)
    return 0.5 * len(y) * (math.log(float(spread)) + 1 + LOG_2PI)


def _logistic(y, x):
    def objective(w):
        logits = x @ w
        return np.sum(np.logaddexp(0.0, logits) - y * logits), x.T @ (expit(logits) - y)

    return float(minimize(objective, np.zeros(x.shape[1]), jac=True, method="BFGS").fun)


def _pair(y):
    """½ N(b, 1) + ½ N(−b, 1): the likelihood over b = 0 is exp(−b²/2) cosh(b y)."""

    def excess(b):
        return 0.5 * len(y) * b**2 - np.sum(np.logaddexp(b * y, -b * y)) + len(y) * math.log(2.0)

    grid = np.linspace(0.0, 2.0, 41)
    best = int(np.argmin([excess(b) for b in grid]))
    found = minimize_scalar(excess, bounds=(grid[max(best - 1, 0)], grid[best + 1]), method="bounded")
    return noise(y) + min(found.fun, 0.0)


LEAST: dict[str, Callable[..., float] | None] = {
    "linear-4": _linear,
    "normal-mean-variance": _normal,
    "logistic-2": _logistic,
    "reduced-rank-2-2-1-0": _rank_one,
    "relu-1": _half_lines,
    "tanh-1": _tanh,
    "tanh-2": None,
    "monomial-1-2": _line,
    "product": _line,
    "deep-linear-1-1-1-1-r0": lambda y, x: _line(y.ravel(), x.ravel()),
    "mixture-symmetric": _pair,
    "mixture-known": None,
}
"""Model -> nL_n at its maximum-likelihood point from the data, in nats, where that is cheap."""


def at_truth(name: str) -> Callable[[dict], float]:
    """Return data -> nL_n(w0) of a catalogue model."""
    model = catalogue.get(name)

    @jax.jit
    def log_likelihood(data):
        with numpyro.handlers.seed(rng_seed=0), numpyro.handlers.substitute(data=dict(model.optimum)):
            trace = numpyro.handlers.trace(model.density).get_trace(**data)
        return sum(s["fn"].log_prob(s["value"]).sum() for s in trace.values() if s.get("is_observed"))

    def nll(data):
        with jax.enable_x64(True):
            return -float(log_likelihood(data))

    return nll
