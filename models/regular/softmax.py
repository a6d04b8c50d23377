"""Softmax regression with a weight vector for every class: one vector too many."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.nn import log_softmax
from scipy.special import log_softmax as numpy_log_softmax
from scipy.special import ndtr, softmax

from singular.errors import whole
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import softmax as coefficient
from singular.models.draws import standard_normals
from singular.models.integrals.mode_rule import mode_and_axes, normal_log_density, sinh_nodes
from singular.models.symmetries import shift

SPACING = {1: 0.1, 2: 0.25}
"""Spacing of the trapezoid rule for E over x, by the number of inputs."""


@family
def softmax_regression(classes: int, inputs: int) -> Model:
    """Return y ~ Categorical(softmax(W x)) with W ~ N(0, 1), one row a class, and x ~ N(0, I).

    With no inputs x = 1: an intercept alone. λ = (K − 1) p / 2, p = max(1, inputs), for d = K p parameters: the
    differences to the last row are all that the data see, their prior is normal with covariance I + 1 1ᵀ, and the
    oracle is a product rule at the mode over these (K − 1) p differences if there are at most two.

    Parameters
    ----------
    classes : int
        K ≥ 2.
    inputs : int
        0, 1 or 2.

    Raises
    ------
    InputError
        If a size is out of range.
    """
    whole("inputs", inputs, least=0, most=2)
    features = max(1, inputs)
    exact = coefficient(classes, features)
    free = (classes - 1) * features
    truth = np.array([[(-1.0) ** (k + j) / (k + j + 1) for j in range(features)] for k in range(classes)])
    precision = np.kron(np.linalg.inv(np.eye(classes - 1) + 1.0), np.eye(features))
    grid, grid_weights = _normal_grid(inputs)
    true_logs = numpy_log_softmax(grid @ truth.T, axis=1)
    true_chances = grid_weights[:, None] * np.exp(true_logs)
    entropy = float(np.sum(true_chances * true_logs))

    def density(x, y=None):
        w = jnp.asarray(numpyro.sample("W", dist.Normal(0.0, 1.0).expand([classes, features]).to_event(2)))
        numpyro.sample("y", dist.CategoricalLogits(x @ w.T), obs=None if y is None else y.astype(int))

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, inputs + 1)
        x = drawn[:, :inputs] if inputs else np.ones((n, 1))
        below = np.cumsum(softmax(x @ truth.T, axis=1)[:, :-1], axis=1)
        return {"x": x, "y": np.sum(ndtr(drawn[:, -1:]) > below, axis=1).astype(np.float64)}

    def reach() -> float:
        return 9.0 * float(np.sqrt(classes))

    def nodes(data: Data, level: int) -> Nodes:
        mode, axes = _mode_and_axes(data["x"], data["y"], precision, classes)
        return sinh_nodes(mode, axes, level, reach(), normal_log_density(precision))

    def population_nodes(data: Data, level: int) -> Nodes:
        centre = (truth[:-1] - truth[-1]).ravel()
        return sinh_nodes(centre, 1e-6 * np.eye(free), level, reach(), normal_log_density(precision))

    def rows(differences):
        block = differences.reshape(-1, classes - 1, features)
        return jnp.concatenate([block, jnp.zeros_like(block[:, :1])], axis=1)

    def log_likelihood(points, beta, data):
        x, w = data["x"], rows(points)
        if inputs == 0:
            logs = log_softmax(w[:, :, 0], axis=1)
            counts = jnp.sum(data["y"][:, None] == jnp.arange(classes), axis=0)
            return beta * jnp.sum(counts * logs, axis=1)
        logs = log_softmax(jnp.einsum("Nkj,ij->Nik", w, x), axis=2)
        seen = data["y"][:, None] == jnp.arange(classes)
        return beta * jnp.sum(jnp.where(seen, logs, 0.0), axis=(1, 2))

    def excess(w):
        logs = log_softmax(jnp.einsum("...kj,ij->...ik", w, grid), axis=-1)
        return entropy - jnp.sum(true_chances * logs, axis=(-1, -2))

    def population(points, t, data):
        return -t * excess(rows(points))

    return Model(
        name=f"softmax-{classes}-{inputs}" if inputs else f"softmax-{classes}",
        family="softmax regression",
        density=density,
        simulate=simulate,
        dim=classes * features,
        exact=exact,
        optimum={"W": truth},
        symmetries={"shift of all rows": shift("W")},
        excess_loss=lambda w: excess(w["W"]),
        integral=Integral(nodes, log_likelihood, route="shift in closed form, 2-D sinh rule at the mode")
        if free == 2
        else None,
        population=Integral(population_nodes, population, route="2-D sinh rule at the truth") if free == 2 else None,
        description="y ~ Categorical(softmax(W x)), a row of W for each class"
        if inputs
        else "y ~ Categorical(softmax(W)), a logit for each class",
        prior="W_kj ~ N(0, 1)",
        truth="W_kj = (−1)^(k+j) / (k + j + 1), " + ("x ~ N(0, I)" if inputs else "x = 1"),
        note="Adding one vector to every row changes nothing, so the Fisher information is degenerate everywhere, the "
        "optimal set is a straight flat, and λ is half the number of differences. Most classifiers are "
        "parametrised so: the last layer of a network is singular in this harmless way.",
    )


def _normal_grid(inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a trapezoid rule for E over x ~ N(0, I): points (N, features) and weights (N,)."""
    if inputs == 0:
        return np.ones((1, 1)), np.ones(1)
    line = np.arange(-7.5, 7.6, SPACING[inputs])
    points = np.stack(np.meshgrid(*[line] * inputs, indexing="ij"), axis=-1).reshape(-1, inputs)
    points = points[np.sum(points**2, axis=1) < 7.5**2]
    return points, np.exp(-0.5 * np.sum(points**2, axis=1)) * (SPACING[inputs] / np.sqrt(2 * np.pi)) ** inputs


def _mode_and_axes(x: np.ndarray, y: np.ndarray, precision: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    seen = (y[:, None] == np.arange(classes - 1)).astype(float)
    size = len(precision)

    def logs_at(w):
        logits = x @ w.reshape(classes - 1, -1).T
        return numpy_log_softmax(np.column_stack([logits, np.zeros(len(x))]), axis=1)

    def objective(w):
        logs = logs_at(w)
        value = -np.sum(seen * logs[:, :-1]) - np.sum((1 - seen.sum(axis=1)) * logs[:, -1]) + 0.5 * w @ precision @ w
        return value, ((np.exp(logs[:, :-1]) - seen).T @ x).ravel() + precision @ w

    def hessian(w):
        chances = np.exp(logs_at(w)[:, :-1])
        inner = chances[:, :, None] * np.eye(classes - 1) - chances[:, :, None] * chances[:, None, :]
        return np.einsum("ikl,ia,ib->kalb", inner, x, x).reshape(size, size) + precision

    return mode_and_axes(objective, hessian, size)
