"""A Poisson distribution with extra zeros, when there are none: an edge at which the model is regular."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from scipy.special import ndtr
from scipy.stats import poisson

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import zero_inflated
from singular.models.draws import standard_normals
from singular.models.integrals import rules

RATE = 1.5
"""True μ."""


@family
def zero_inflated_poisson() -> Model:
    """Return y ~ π δ_0 + (1 − π) Poisson(μ) with π ~ U(0, 1), μ ~ Gamma(2, 1) and truth Poisson(3/2), π = 0.

    The Fisher information is positive definite at the truth, edge or not: λ = 1 = d/2. Both parameters go to
    quadrature, panels over π and a rule about the mode over log μ.
    """

    def density(y=None, n=1):
        share = numpyro.sample("pi", dist.Uniform(0.0, 1.0))
        mu = numpyro.sample("mu", dist.Gamma(2.0, 1.0))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.ZeroInflatedPoisson(share, rate=mu), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": poisson.ppf(ndtr(standard_normals(key, n, 1)[:, 0]), RATE).astype(np.float64)}

    def around(peak: float, scale: float, finest: float, level: int) -> Nodes:
        def log_density(share, log_mu):
            return 2 * log_mu - np.exp(log_mu)  # Gamma(2, 1) and the Jacobian of log μ

        edges = [rules.graded_edges(finest, 0.5), 1 - rules.graded_edges(2.0**-30, 0.5), np.linspace(0.0, 1.0, 17)]
        shares = rules.panels(np.unique(np.concatenate(edges)), (14, 11)[-level])
        rates = rules.whole_line((0.1, 0.13)[-level], centre=math.log(peak), scale=scale, reach=20.0)
        points, log_weights = rules.tensor(shares, rates, log_density=log_density)
        keep = log_weights > log_weights.max() - 60.0
        return Nodes(points[keep], log_weights[keep])

    def nodes(data: Data, level: int) -> Nodes:
        y = data["y"]
        return around((1 + y.sum()) / (1 + len(y)), 1 / math.sqrt(1 + y.sum()), 2.0**-14, level)

    def population_nodes(data: Data, level: int) -> Nodes:
        return around(RATE, 1e-6, 2.0**-24, level)

    def log_likelihood(points, beta, data):
        y = data["y"]
        zeros = jnp.sum(y == 0)
        some = y.size - zeros
        log_mu = points[:, 1]
        mu = jnp.exp(log_mu)
        of_zero = jnp.logaddexp(jnp.log(points[:, 0]), jnp.log1p(-points[:, 0]) - mu)
        of_some = some * (jnp.log1p(-points[:, 0]) - mu) + jnp.sum(y) * log_mu - jnp.sum(gammaln(y + 1))
        return beta * (zeros * of_zero + of_some)

    def excess(share, mu):
        none = math.exp(-RATE)
        rest = jnp.log1p(-share) - mu + RATE  # log of p(y) / p0(y), less y log(μ / μ0), for y > 0
        of_zero = jnp.log(share + (1 - share) * jnp.exp(-mu)) + RATE
        return -none * of_zero - (1 - none) * rest - RATE * jnp.log(mu / RATE)

    def population(points, t, data):
        return -t * excess(points[:, 0], jnp.exp(points[:, 1]))

    return Model(
        name="zip-0",
        family="zero-inflated Poisson",
        density=density,
        simulate=simulate,
        dim=2,
        exact=zero_inflated(1),
        singular=False,
        boundary=True,
        optimum={"pi": np.array(0.0), "mu": np.array(RATE)},
        excess_loss=lambda w: excess(w["pi"], w["mu"]),
        integral=Integral(nodes, log_likelihood, route="2-D panels and sinh rule"),
        population=Integral(population_nodes, population, route="2-D panels and sinh rule"),
        description="y ~ π δ_0 + (1 − π) Poisson(μ)",
        prior="π ~ U(0, 1), μ ~ Gamma(2, 1)",
        truth="y ~ Poisson(3/2), π = 0",
        note="A mixture that is not singular: one of its two components has no parameter and another support, so at "
        "π = 0 nothing is left undetermined. The truth lies on an edge all the same, and half-normal posteriors of π "
        "are the rule. Beside it stands `mixture-known`, where the same question has λ = 1/2, m = 2.",
    )
