"""Logistic regression: a regular model without a closed form."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import expit, ndtr

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import regular
from singular.models.draws import standard_normals
from singular.models.integrals.mode_rule import mode_and_axes, normal_log_density, sinh_nodes

GRID = np.linspace(-9.0, 9.0, 181)
GRID_WEIGHTS = 0.1 * np.exp(-0.5 * GRID**2) / np.sqrt(2 * np.pi)
"""Trapezoid rule for E over a standard normal: exact to 1e-9 for a logistic function of slope up to 10."""


@family
def logistic_regression(p: int) -> Model:
    """Return y ~ Bernoulli(1 / (1 + exp(−x·w))) with w ~ N(0, I_p), x ~ N(0, I_p).

    The truth is w0 = (1, −1/2, 1/3, …), and λ = p/2. For p ≤ 2 the oracle is a product rule centred at
    the mode of the posterior, along the axes of its covariance, spaced evenly near the mode and evenly
    in the log far from it, so that one rule serves prior and posterior alike.

    Parameters
    ----------
    p : int
        Number of covariates and of parameters.

    Raises
    ------
    InputError
        If ``p`` is not a positive integer.
    """
    exact = regular(p)
    truth = np.array([(-1.0) ** j / (j + 1) for j in range(p)])

    def density(x, y=None):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([p]).to_event(1))
        numpyro.sample("y", dist.Bernoulli(logits=x @ w), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, p + 1)
        x = drawn[:, :p]
        return {"x": x, "y": (ndtr(drawn[:, p]) < expit(x @ truth)).astype(np.float64)}

    def nodes(data: Data, level: int) -> Nodes:
        mode, axes = _mode_and_axes(data["x"], data["y"])
        return sinh_nodes(mode, axes, level, reach=9.0, log_density=normal_log_density(np.eye(p)))

    def population_nodes(data: Data, level: int) -> Nodes:
        return sinh_nodes(truth, 1e-6 * np.eye(p), level, reach=9.0, log_density=normal_log_density(np.eye(p)))

    def log_likelihood(points, beta, data):
        logits = points @ data["x"].T
        return beta * jnp.sum(data["y"] * logits - jnp.logaddexp(0.0, logits), axis=1)

    length = np.linalg.norm(truth)
    base = float(np.sum(GRID_WEIGHTS * np.logaddexp(0.0, length * GRID)))
    slope = float(np.sum(GRID_WEIGHTS * expit(length * GRID) * expit(-length * GRID)))

    def excess(w):
        """E[log(1 + e^u) − log(1 + e^v) − logistic(v) (u − v)], u = x·w, v = x·w0; the last by Stein's lemma."""
        scale = jnp.sqrt(jnp.sum(w**2, axis=-1) + 1e-30)
        mean = jnp.sum(GRID_WEIGHTS * jnp.logaddexp(0.0, scale[..., None] * GRID), axis=-1)
        return mean - base - slope * (w - truth) @ truth

    def population(points, t, data):
        return -t * excess(points)

    return Model(
        name=f"logistic-{p}",
        family="logistic regression",
        density=density,
        simulate=simulate,
        dim=p,
        exact=exact,
        optimum={"w": truth},
        singular=False,
        excess_loss=lambda w: excess(w["w"]),
        integral=Integral(nodes, log_likelihood, route=f"{p}-D sinh rule at the mode") if p <= 2 else None,
        population=Integral(population_nodes, population, route=f"{p}-D sinh rule at the truth") if p <= 2 else None,
        description="y ~ Bernoulli(logistic(x·w))",
        prior="w ~ N(0, I)",
        truth="w = (1, −1/2, 1/3, …), x ~ N(0, I)",
        note="The regular control whose posterior is normal only in the limit. Without a prior its maximum may lie at "
        "infinity in small samples (separated classes); the normal prior keeps every β in [0, 1] proper.",
    )


def _mode_and_axes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def objective(w):
        logits = x @ w
        value = np.sum(np.logaddexp(0.0, logits) - y * logits) + 0.5 * w @ w
        return value, x.T @ (expit(logits) - y) + w

    def hessian(w):
        chance = expit(x @ w)
        return (x.T * (chance * (1 - chance))) @ x + np.eye(x.shape[1])

    return mode_and_axes(objective, hessian, x.shape[1])
