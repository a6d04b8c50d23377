"""A tanh network on as many rows of data as its functions need, and exact independent draws of its posterior."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.linalg import qr

from singular.models.integrals.rules import log_normal_density
from singular.models.networks.hidden_layer import normal_inputs
from singular.models.problem import Problem
from singular.posteriors.exact_draws import Axis, cell_draws, log_normal_block, normal_block

REACH = 8.0
"""Inner weights up to this have their functions reproduced; the prior has 1e-15 beyond."""
TOLERANCE = 1e-9
"""Of the pivots that choose the inputs, relative to the first: tanh(b x) is then reproduced to about 1e-8."""
SMALLEST = 30
"""Rows from which a problem is put on fewer."""
STEPS = {1: 0.05, 2: 0.1, 3: 0.17}
"""Width of the cells of exact draws, by number of units."""
RATIO_EXTENT = 2.9


def few_rows(problem: Problem) -> Problem:
    """Return the problem on a few inputs x_k, with the same differences of nll.

    tanh(b x) as a function of x is a combination Σ_k P_k(x) tanh(b x_k) of itself at some 20 inputs, with the same P
    for all b: pivots of a QR decomposition choose the x_k, least squares P. With P = Q R, the residual sum
    ‖y − P f‖² is ‖Qᵀ y − R f‖² and a constant.

    Parameters
    ----------
    problem : Problem
        Of ``models.tanh_network``, with truth 0; of less than 30 rows it stays on its own inputs.

    Returns
    -------
    Problem
        With arguments ``x`` (K,), ``root`` R (K, K) and ``y`` (K,). n, name and model are kept.
    """
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    if len(x) < SMALLEST:
        return _on(problem, x, np.eye(len(x)), y, problem.n)
    inputs, combined = _reproduced(x)
    basis, root = np.linalg.qr(combined)
    return _on(problem, inputs, root, basis.T @ y, problem.n)


def without_noise(problem: Problem, n: int) -> Problem:
    """Return the problem of n observations on `few_rows` whose nll is n K(a, b): no noise, no chance in the inputs."""
    x, weights = normal_inputs(step=0.1)
    inputs, combined = _reproduced(x)
    root = np.linalg.qr(combined * np.sqrt(n * weights)[:, None], mode="r")
    return _on(problem, inputs, root, np.zeros(len(inputs)), n)


def _reproduced(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs x_k (K,) and P (n, K) with tanh(b x) = P tanh(b x_k)."""
    b = REACH * (np.arange(1, 201) / 200) ** 2
    grid = np.linspace(0, np.abs(x).max(), 401)[1:]
    found: Any = qr(np.tanh(np.outer(b, grid)), mode="economic", pivoting=True)
    size, order = np.abs(np.diag(found[1])), found[2]
    inputs = np.sort(grid[order[: min(len(x), int((size > TOLERANCE * size[0]).sum()))]])
    inverse = np.linalg.pinv(np.tanh(np.outer(b, inputs)), rcond=1e-13)
    parts = np.array_split(x, max(1, len(x) // 20_000))
    return inputs, np.concatenate([np.tanh(np.outer(part, b)) @ inverse.T for part in parts])


def _on(problem: Problem, inputs: np.ndarray, root: np.ndarray, target: np.ndarray, n: int) -> Problem:
    hidden = problem.dim // 2

    def density(x, root, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal(root @ (jnp.tanh(x[:, None] * b) @ a), 1.0), obs=y)

    data = {"x": inputs, "root": root, "y": target}
    return Problem(problem.name, density, (), data, problem.model, problem.seed, n)


class ExactDraws(NamedTuple):
    """Independent draws of the tempered posterior.

    Attributes
    ----------
    parameters : site -> (draws, H)
    weights : (draws,)
    free_energy : float
        F(β) − β nL_n(0) in nats, by the sum over the cells.
    free_energy_drawn : float
        The same by the draws.
    """

    parameters: dict[str, np.ndarray]
    weights: np.ndarray
    free_energy: float
    free_energy_drawn: float


def exact_draws(problem: Problem, beta: float, draws: int, rng: np.random.Generator, step: float = 1.0) -> ExactDraws:
    """Draw (a, b) of a tanh network with truth 0: b from cells in log b_1 and the ratios b_{h+1}/b_h, a given b.

    b is drawn with b_1 ≥ … ≥ b_H ≥ 0; signs and order of the units, which change no density, are not drawn.

    Parameters
    ----------
    problem : Problem
        From `few_rows`, H ≤ 3.
    beta : float
    draws : int
    rng : Generator
    step : float
        Width of the cells in units of `STEPS`.
    """
    x, root, y = (problem.kwargs[name] for name in ("x", "root", "y"))
    hidden = problem.dim // 2
    folds = hidden * math.log(2.0) + math.lgamma(hidden + 1)

    def terms(b):
        features = np.tanh(b[..., None] * x) @ root.T
        return features @ features.swapaxes(-1, -2), (features @ y)[..., None]

    def log_density(s):
        b, log_jacobian = inner_weights(s)
        return log_normal_density(*b.T) + folds + log_jacobian + log_normal_block(*terms(b), beta)

    width = STEPS[hidden] * step
    lowest = -math.log(-math.log(1e-16 ** (1 / hidden)))
    first = Axis(lowest, width, math.ceil((math.log(12.0) - lowest) / width))
    count = math.ceil(2 * RATIO_EXTENT / width) + 1
    ratio = Axis(-0.5 * width * (count - 1), width, count)
    found = cell_draws(log_density, [first, *[ratio] * (hidden - 1)], draws, rng)
    b, _ = inner_weights(found.points)
    a = normal_block(*terms(b), beta, rng)[..., 0]
    return ExactDraws({"a": a, "b": b}, found.weights, -found.log_integral, -found.log_integral_drawn)


def inner_weights(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return b_1 ≥ … ≥ b_H at the coordinates (N, H) of the double exponential rules, and log |db/ds|.

    b_1 = exp(s_1 − exp(−s_1)), b_{h+1} = b_h/(1 + exp(−π sinh s_{h+1})).
    """
    fall = np.exp(-s[:, :1])
    logs = [s[:, :1] - fall]
    log_jacobian = logs[0] + np.log1p(fall)
    for h in range(1, s.shape[1]):
        u = math.pi * np.sinh(s[:, h : h + 1])
        log_ratio = -np.logaddexp(0.0, -u)
        slope = math.log(math.pi) + np.log(np.cosh(s[:, h : h + 1])) - np.abs(u) - 2 * np.log1p(np.exp(-np.abs(u)))
        log_jacobian = log_jacobian + logs[-1] + slope
        logs.append(logs[-1] + log_ratio)
    return np.exp(np.concatenate(logs, axis=1)), log_jacobian[:, 0]
