"""Poisson regression: a regular model whose likelihood grows exponentially in the parameters."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from scipy.special import ndtr
from scipy.stats import poisson

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import regular
from singular.models.draws import standard_normals
from singular.models.integrals.mode_rule import mode_and_axes, normal_log_density, sinh_nodes


@family
def poisson_regression(p: int) -> Model:
    """Return y ~ Poisson(exp(x·w)) with w ~ N(0, I_p) and x uniform on [−1, 1]^p.

    The truth is w0 = (1, −1/2, 1/3, …), and λ = p/2. Bounded covariates keep the mean of nL_n under the prior
    finite. For p ≤ 2 the oracle is a product rule at the mode of the posterior.

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
        numpyro.sample("y", dist.Poisson(jnp.exp(x @ w)), obs=y)

    def simulate(key, n: int) -> Data:
        uniform = ndtr(standard_normals(key, n, p + 1))
        x = 2 * uniform[:, :p] - 1
        return {"x": x, "y": poisson.ppf(uniform[:, p], np.exp(x @ truth)).astype(np.float64)}

    def nodes(data: Data, level: int) -> Nodes:
        mode, axes = _mode_and_axes(data["x"], data["y"])
        return sinh_nodes(mode, axes, level, reach=9.0, log_density=normal_log_density(np.eye(p)))

    def population_nodes(data: Data, level: int) -> Nodes:
        return sinh_nodes(truth, 1e-6 * np.eye(p), level, reach=9.0, log_density=normal_log_density(np.eye(p)))

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        logs = points @ x.T
        return beta * (jnp.sum(y * logs - jnp.exp(logs), axis=1) - jnp.sum(gammaln(y + 1)))

    rate = float(np.prod(np.sinh(truth) / truth))
    pull = rate * (1 / np.tanh(truth) - 1 / truth)

    def excess(w):
        """M(w) − M(w0) − ∇M(w0)·(w − w0), M(w) = E exp(x·w) = Π sinh(w_j) / w_j."""
        small = jnp.abs(w) < 1e-2
        safe = jnp.where(small, 1.0, w)
        ratio = jnp.where(small, 1 + w**2 / 6 + w**4 / 120 + w**6 / 5040, jnp.sinh(safe) / safe)
        return jnp.prod(ratio, axis=-1) - rate - (w - truth) @ pull

    def population(points, t, data):
        return -t * excess(points)

    return Model(
        name=f"poisson-{p}",
        family="Poisson regression",
        density=density,
        simulate=simulate,
        dim=p,
        exact=exact,
        optimum={"w": truth},
        singular=False,
        excess_loss=lambda w: excess(w["w"]),
        integral=Integral(nodes, log_likelihood, route=f"{p}-D sinh rule at the mode") if p <= 2 else None,
        population=Integral(population_nodes, population, route=f"{p}-D sinh rule at the truth") if p <= 2 else None,
        description="y ~ Poisson(exp(x·w))",
        prior="w ~ N(0, I)",
        truth="w = (1, −1/2, 1/3, …), x uniform on [−1, 1]^p",
        note="A regular control with counts. The loss grows exponentially away from the truth, so a few prior draws "
        "dominate E_0[nL_n], and thermodynamic integration needs small β resolved; with unbounded covariates that "
        "mean would not be finite at all.",
    )


def _mode_and_axes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def objective(w):
        logs = x @ w
        return np.sum(np.exp(logs) - y * logs) + 0.5 * w @ w, x.T @ (np.exp(logs) - y) + w

    def hessian(w):
        return (x.T * np.exp(x @ w)) @ x + np.eye(x.shape[1])

    return mode_and_axes(objective, hessian, x.shape[1])
