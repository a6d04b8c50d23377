"""The small networks of the study of sharpness: each with one data set, many minima and an exact test loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular import models
from singular.models.networks.superposition_loss import mean_squared_error
from singular.models.problem import Problem
from singular.posteriors.precision import x64

FEATURES, OUTPUT_NOISE = 6, 0.1
INPUTS, REGRESSION_NOISE, DECAY = 2, 0.2, 3.0
"""Of the tanh networks: inputs, standard deviation of the noise, and that of the normal prior that weight decay is."""
EDGE = 2.0
"""Inputs of the tanh networks are uniform on the square [−2, 2]²."""
NODES = 96
"""Gauss-Legendre nodes on each side of the square, for test losses."""


@dataclass(frozen=True)
class Network:
    """A network to train.

    Attributes
    ----------
    n : int
        Observations.
    gamma : float
        Precision of the localiser at its minima.
    starts : int
        Runs of training.
    make : (n, seed) -> (Problem, test loss)
        The test loss takes {site: value} to the excess over the truth's loss, nats an observation.
    told : str
        What it is.
    """

    n: int
    gamma: float
    starts: int
    make: Callable[[int, int], tuple[Problem, Callable[[dict[str, Any]], Any]]]
    told: str


def autoencoder(n: int, seed: int) -> tuple[Problem, Callable[[dict[str, Any]], Any]]:
    """Return the toy model of superposition with output noise 0.1, and its exact test loss."""
    model = models.superposition(FEATURES)
    with x64():
        data = {name: np.asarray(value) for name, value in model.simulate(jax.random.key(seed), n).items()}

    def density(x, y):
        w = jnp.asarray(numpyro.sample("W", dist.Normal(0.0, 1.0).expand([2, FEATURES]).to_event(2)))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([FEATURES]).to_event(1))
        fitted = jnp.maximum(x @ w.T @ w + b, 0.0)
        numpyro.sample("y", dist.Normal(fitted, OUTPUT_NOISE).to_event(1), obs=y)

    def test_loss(p):
        return mean_squared_error(p["W"], p["b"]) / (2 * OUTPUT_NOISE**2)

    return Problem.from_numpyro(density, **data).replace(name=f"superposition-2-{FEATURES}, noise 0.1"), test_loss


def tanh_regression(hidden: int, n: int, seed: int) -> tuple[Problem, Callable[[dict[str, Any]], Any]]:
    """Return tanh units with biases fitted to sin 2x₁ sin 2x₂ with weight decay, and its test loss by quadrature."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-EDGE, EDGE, size=(n, INPUTS))
    y = _wave(x) + REGRESSION_NOISE * rng.normal(size=n)

    def network(p, x):
        return jnp.tanh(x @ p["b"].T + p["c"]) @ p["a"] + p["e"]

    def density(x, y):
        p = {
            "a": numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1)),
            "b": numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden, INPUTS]).to_event(2)),
            "c": numpyro.sample("c", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1)),
            "e": numpyro.sample("e", dist.Normal(0.0, 1.0)),
        }
        numpyro.sample("y", dist.Normal(network(p, x), REGRESSION_NOISE), obs=y)
        # without it the loss has its infimum where weights are infinite: most runs end nowhere
        numpyro.factor("decay", -0.5 * sum(jnp.sum(jnp.asarray(v) ** 2) for v in p.values()) / DECAY**2)

    points, weights = np.polynomial.legendre.leggauss(NODES)
    grid = EDGE * np.stack([g.ravel() for g in np.meshgrid(points, points, indexing="ij")], axis=1)
    shares = np.outer(weights, weights).ravel() / 4

    def test_loss(p):
        return jnp.sum(shares * (network(p, grid) - _wave(grid)) ** 2) / (2 * REGRESSION_NOISE**2)

    problem = Problem.from_numpyro(density, x=x, y=y).replace(name=f"tanh-{INPUTS}-{hidden}-1 with decay", n=n)
    return problem, test_loss


def narrow(n: int, seed: int) -> tuple[Problem, Callable[[dict[str, Any]], Any]]:
    """Return the regression by 4 units."""
    return tanh_regression(4, n, seed)


def wide(n: int, seed: int) -> tuple[Problem, Callable[[dict[str, Any]], Any]]:
    """Return the regression by 6 units."""
    return tanh_regression(6, n, seed)


def _wave(x: np.ndarray) -> np.ndarray:
    return np.sin(2 * x).prod(axis=1)


NETWORKS = MappingProxyType(
    {
        "superposition": Network(
            200, 500.0, 512, autoencoder,
            "y ~ N(max(Wᵀ W x + b, 0), 0.1² I), six features in two dimensions, one on at a time, y = x",
        ),
        "tanh, narrow": Network(
            100, 10.0, 512, narrow,
            "four tanh units with biases fitted to sin 2x₁ sin 2x₂ with noise 0.2, weight decay |w|²/18",
        ),
        "tanh, wide": Network(
            50, 10.0, 512, wide,
            "six tanh units, otherwise the same, on half the data: as many parameters as half the observations",
        ),
    }
)  # fmt: skip
