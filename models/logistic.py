"""Logistic regression: a regular model without a closed form."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.optimize import minimize
from scipy.special import expit

from singular.models import rules
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import regular
from singular.models.draws import standard_normals


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
        uniform = 0.5 * (1 + np.vectorize(math.erf)(drawn[:, p] / math.sqrt(2)))
        return {"x": x, "y": (uniform < expit(x @ truth)).astype(np.float64)}

    def nodes(data: Data, level: int) -> Nodes:
        mode, scales = _mode_and_axes(data["x"], data["y"])
        step = (0.11, 0.15)[-level]
        lengths = np.linalg.norm(scales, axis=0)
        axes = scales / lengths
        reach = 9.0 + float(np.linalg.norm(mode))

        def log_density(*along):
            return rules.log_normal_density(*(mode + np.stack(along, axis=-1) @ axes.T).T)

        lines = [rules.whole_line(step, centre=0.0, scale=length, reach=reach) for length in lengths]
        points, log_weights = rules.tensor(*lines, log_density=log_density)
        return Nodes(mode + points @ axes.T, log_weights)

    def log_likelihood(points, beta, data):
        logits = points @ data["x"].T
        return beta * jnp.sum(data["y"] * logits - jnp.logaddexp(0.0, logits), axis=1)

    return Model(
        name=f"logistic-{p}",
        family="logistic regression",
        density=density,
        simulate=simulate,
        dim=p,
        exact=exact,
        optimum={"w": truth},
        integral=Integral(nodes, log_likelihood, route=f"{p}-D sinh rule at the mode") if p <= 2 else None,
        description="y ~ Bernoulli(logistic(x·w)), w ~ N(0, I)",
    )


def _mode_and_axes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior mode, and its principal axes as columns as long as standard deviations."""

    def negative_log_posterior(w):
        logits = x @ w
        return np.sum(np.logaddexp(0.0, logits) - y * logits) + 0.5 * w @ w

    def gradient(w):
        return x.T @ (expit(x @ w) - y) + w

    mode = minimize(negative_log_posterior, np.zeros(x.shape[1]), jac=gradient, method="BFGS").x
    chance = expit(x @ mode)
    precision = (x.T * (chance * (1 - chance))) @ x + np.eye(x.shape[1])
    values, vectors = np.linalg.eigh(precision)
    return mode, vectors / np.sqrt(values)
