"""Bayes predictive densities of networks linear in their outer weights, exact by the nodes of the oracle.

Given a node b the outer weights are normal, so that the posterior at β = 1 is a mixture of normals and every predictive
density a mixture of normal densities: of a new observation, and of one of the data with that one left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from singular.models import catalogue

NEGLIGIBLE = 1e-12
"""Nodes of a smaller posterior weight than this share of the largest are dropped."""
CHUNK = 200_000
"""Nodes × observations taken at once: what a cache holds."""
LOG_2PI = math.log(2 * math.pi)


class Kind(NamedTuple):
    """Features φ(x; b), (N, H, Q) from nodes (N, k) and inputs; the true mean at inputs; a rule for x ~ N(0, I)."""

    features: Callable[[np.ndarray, np.ndarray], np.ndarray]
    truth: Callable[[np.ndarray], np.ndarray]
    inputs: Callable[[], tuple[np.ndarray, np.ndarray]]


def even_line() -> tuple[np.ndarray, np.ndarray]:
    """Return the trapezoid rule for E g(x), x ~ N(0, 1), of an even g; fine enough for tanh(9 x) to four digits."""
    x = 0.1 * np.arange(0, 71)
    weights = np.exp(-0.5 * x**2) * np.where(x == 0, 0.5, 1.0)
    return x, weights / weights.sum()


def four_dimensions() -> tuple[np.ndarray, np.ndarray]:
    """Return the product of four Gauss-Hermite rules for E g(x), x ~ N(0, I_4), as (Q, 4) and (Q,)."""
    points, weights = np.polynomial.hermite_e.hermegauss(9)
    grid = np.meshgrid(*[points] * 4, indexing="ij")
    product = np.prod(np.meshgrid(*[weights] * 4, indexing="ij"), axis=0).ravel()
    return np.stack([g.ravel() for g in grid], axis=1), product / product.sum()


def _scalar(function: Callable[[np.ndarray], np.ndarray]):
    """Return features of hidden units function(b_h x) at scalar inputs."""
    return lambda points, x: function(points[:, :, None] * x)


LINEAR_TRUTH = np.array([1.0, -1 / 2, 1 / 3, -1 / 4])
KINDS = {
    "linear-4": Kind(lambda points, x: x.T[None], lambda x: x @ LINEAR_TRUTH, four_dimensions),
    "tanh-1-1": Kind(_scalar(np.tanh), np.tanh, even_line),
    "product": Kind(_scalar(lambda u: u), np.zeros_like, even_line),
    "tanh-1": Kind(_scalar(np.tanh), np.zeros_like, even_line),
    "monomial-1-2": Kind(lambda points, x: points[:, :, None] ** 2 * x, np.zeros_like, even_line),
    "tanh-2": Kind(_scalar(np.tanh), np.zeros_like, even_line),
}


class Posterior(NamedTuple):
    """A mixture of normals: log weights (N,), nodes (N, k), means (N, H) and covariances (N, H, H) of the weights a."""

    log_weights: np.ndarray
    points: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def posterior(name: str, data: dict[str, np.ndarray]) -> Posterior:
    """Return the posterior at β = 1 as a mixture over the oracle's nodes."""
    kind, integral = KINDS[name], catalogue.get(name).integral
    nodes = integral.nodes(data, 0)
    x, y = data["x"], data["y"]
    grams, moments = [], []
    width = max(1, CHUNK // len(y))
    for start in range(0, len(nodes.log_weights), width):
        features = kind.features(nodes.points[start : start + width], x)
        grams.append(features @ np.swapaxes(features, 1, 2))
        moments.append(features @ y)
    gram, moment = np.concatenate(grams), np.concatenate(moments)
    precision = gram + np.eye(gram.shape[1])
    covariances = np.linalg.inv(precision)
    means = np.einsum("nhk,nk->nh", covariances, moment)
    logs = nodes.log_weights + 0.5 * (np.sum(means * moment, axis=1) - np.linalg.slogdet(precision)[1])
    keep = logs > logs.max() + math.log(NEGLIGIBLE)
    return Posterior(logs[keep] - log_sum_exp(logs[keep]), nodes.points[keep], means[keep], covariances[keep])


def predictive_moments(post: Posterior, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return φᵀm and φᵀVφ, both (N, Q)."""
    units = range(features.shape[1])
    centre, spread = np.zeros((2, len(post.means), features.shape[2]))
    for h in units:
        centre += post.means[:, h, None] * features[:, h]
        for k in units[h:]:
            share = post.covariances[:, h, k, None] * (1 if h == k else 2)
            spread += share * (features[:, h] * features[:, k])
    return centre, spread


def log_sum_exp(logs: np.ndarray) -> np.ndarray:
    """Return log Σ exp over the first axis; of finite numbers, and with less ado than SciPy's."""
    top = logs.max(axis=0)
    return top + np.log(np.exp(logs - top).sum(axis=0))


def generalisation_excess(name: str, post: Posterior) -> float:
    """Return G_n − S = E_x KL(truth ‖ predictive), nats."""
    kind = KINDS[name]
    inputs, weights = kind.inputs()
    centre, spread = predictive_moments(post, kind.features(post.points, inputs))
    target = kind.truth(inputs)
    if len(post.log_weights) == 1:  # one normal: the divergence has a closed form
        gap, variance = target - centre[0], 1 + spread[0]
        return float(weights @ (0.5 * (np.log(variance) + (1 + gap**2) / variance - 1)))
    points, masses = np.polynomial.hermite_e.hermegauss(24)
    masses = masses / masses.sum()
    log_variance = np.log1p(spread)
    total = 0.0
    for y, mass in zip(points, masses, strict=True):
        logs = -0.5 * ((target + y - centre) ** 2 / (1 + spread) + log_variance)
        total += mass * float(weights @ (-0.5 * y**2 - log_sum_exp(post.log_weights[:, None] + logs)))
    return total


def leave_one_out_excess(name: str, post: Posterior, data: dict[str, np.ndarray]) -> float:
    """Return C_n − S_n, the exact cross-validation loss over that of the truth, nats an observation."""
    kind, total = KINDS[name], 0.0
    width = max(1, CHUNK // len(post.log_weights))
    for start in range(0, len(data["y"]), width):
        x, y = data["x"][start : start + width], data["y"][start : start + width]
        centre, spread = predictive_moments(post, kind.features(post.points, x))
        logs = 0.5 * ((y - centre) ** 2 / (1 - spread) - np.log1p(-spread))
        total += float(np.sum(log_sum_exp(post.log_weights[:, None] + logs) - 0.5 * (y - kind.truth(x)) ** 2))
    return total / len(data["y"])
