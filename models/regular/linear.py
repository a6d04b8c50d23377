"""Linear regression with known noise: the regular model in closed form."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, Model, family
from singular.models.coefficients import regular
from singular.models.draws import standard_normals
from singular.models.integrals.closed_form import log_gaussian_population, one_node
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.structure import regression


@family
def linear_regression(p: int) -> Model:
    """Return y ~ N(x·w, 1) with w ~ N(0, I_p), x ~ N(0, I_p) and truth w0 = (1, −1/2, 1/3, …).

    λ = p/2. The evidence at every β is a Gaussian integral (Bishop 2006, Pattern Recognition and
    Machine Learning, section 3.5.1, with the likelihood raised to β), so no node is needed.

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
        numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, p + 1)
        x = drawn[:, :p]
        return {"x": x, "y": x @ truth + drawn[:, p]}

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        block = log_gaussian_block(x.T @ x, x.T @ y, beta)
        return jnp.broadcast_to(block + log_noise(y, beta), points.shape[:1])

    def population(points, t, data):
        return jnp.broadcast_to(log_gaussian_population(np.ones(p), truth, t), points.shape[:1])

    def excess_loss(w):
        return 0.5 * jnp.sum((w["w"] - truth) ** 2, axis=-1)

    return Model(
        name=f"linear-{p}",
        family="linear regression",
        density=density,
        simulate=simulate,
        dim=p,
        exact=exact,
        optimum={"w": truth},
        singular=False,
        sufficient=regression(lambda w: w["w"][:, None]),
        excess_loss=excess_loss,
        integral=Integral(one_node, log_likelihood, route="closed form"),
        population=Integral(one_node, population, route="closed form"),
        description="y ~ N(x·w, 1)",
        prior="w ~ N(0, I)",
        truth="w = (1, −1/2, 1/3, …), x ~ N(0, I)",
        note="The regular control with every number in closed form: the posterior is normal at every β. Whatever "
        "an estimator gets wrong here is its own fault and not that of a singularity. The excess form of the "
        "coefficient is p/2 and the variance form carries the shift from prior to truth, so the two differ at "
        "finite n.",
    )
