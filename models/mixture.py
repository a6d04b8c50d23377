"""Normal mixtures of two components of unit variance, fitted to one normal."""

from __future__ import annotations

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.stats import norm

from singular.models import rules
from singular.models.base import Data, Integral, LearningCoefficient, Model, Nodes, family
from singular.models.draws import standard_normals

SPREAD = 2.0
"""Prior standard deviation of a component's mean."""


@family
def known_component_mixture() -> Model:
    """Return y ~ (1 − a) N(0, 1) + a N(b, 1) with a ~ U(0, 1), b ~ N(0, 2²) and truth N(0, 1).

    K vanishes on a b = 0 and is of the order of (a b)² there, so λ = 1/2 and m = 2. Nothing has a
    closed form; both parameters go to quadrature.
    """

    def density(y=None, n=1):
        a = numpyro.sample("a", dist.Uniform(0.0, 1.0))
        b = numpyro.sample("b", dist.Normal(0.0, SPREAD))
        _observe(jnp.stack([1 - a, a]), jnp.stack([jnp.zeros_like(b), b]), y, n)

    def nodes(data: Data, level: int) -> Nodes:
        step = (0.05, 0.08)[-level]
        return Nodes(
            *rules.tensor(
                rules.unit_interval(step, extent=2.9),
                rules.whole_line(step, centre=0.0, scale=0.02, reach=9 * SPREAD),
                log_density=lambda a, b: rules.log_normal_density(b, scale=SPREAD),
            )
        )

    def log_likelihood(points, beta, data):
        a, b = points[:, 0], points[:, 1]
        return _mixture_log_likelihood(a, b, jnp.zeros_like(b), beta, data)

    return Model(
        name="mixture-known",
        family="normal mixture",
        density=density,
        simulate=_simulate,
        dim=2,
        exact=LearningCoefficient(
            Fraction(1, 2),
            2,
            source="Watanabe (2009), Algebraic Geometry and Statistical Learning Theory: K(a, b) is "
            "equivalent to (a b)², a normal crossing",
            conditions="truth N(0, 1), prior positive where a = b = 0",
        ),
        optimum={"a": np.array(0.5), "b": np.array(0.0)},
        integral=Integral(nodes, log_likelihood, route="2-D double exponential rule"),
        description="y ~ (1 − a) N(0, 1) + a N(b, 1), truth N(0, 1)",
    )


@family
def free_components_mixture() -> Model:
    """Return y ~ a N(b, 1) + (1 − a) N(c, 1) with a ~ U(0, 1), b, c ~ N(0, 2²) and truth N(0, 1).

    λ = 3/4, m = 1. The parameters are taken as a, the mean a b + (1 − a) c, which the data hold to
    O(n^(−1/2)), and the distance b − c > 0; swapping the components gives the other half.
    """

    def density(y=None, n=1):
        a = numpyro.sample("a", dist.Uniform(0.0, 1.0))
        b = numpyro.sample("b", dist.Normal(0.0, SPREAD))
        c = numpyro.sample("c", dist.Normal(0.0, SPREAD))
        _observe(jnp.stack([a, 1 - a]), jnp.stack([b, c]), y, n)

    def nodes(data: Data, level: int) -> Nodes:
        step = (0.12, 0.15)[-level]
        scale = 1.0 / math.sqrt(len(data["y"]) + 1.0)

        def log_density(a, mean, distance):
            c = mean - a * distance
            return rules.log_normal_density(c, c + distance, scale=SPREAD) + math.log(2.0)

        points, log_weights = rules.tensor(
            rules.unit_interval(0.6 * step, extent=2.9),
            rules.whole_line(1.8 * step, centre=float(np.mean(data["y"])), scale=scale, reach=7 * SPREAD),
            rules.half_line(step, lowest=1e-9, highest=10 * SPREAD),
            log_density=log_density,
        )
        keep = log_weights > log_weights.max() - 40.0
        a, mean, distance = points[keep].T
        c = mean - a * distance
        return Nodes(np.stack([a, c + distance, c], axis=1), log_weights[keep])

    def log_likelihood(points, beta, data):
        return _mixture_log_likelihood(points[:, 0], points[:, 1], points[:, 2], beta, data)

    return Model(
        name="mixture-2",
        family="normal mixture",
        density=density,
        simulate=_simulate,
        dim=3,
        exact=LearningCoefficient(
            Fraction(3, 4),
            1,
            source="K is equivalent to (a b + (1 − a) c)² + (a (1 − a) (b − c)²)²: a regular direction, 1/2, and "
            "a normal crossing of exponents 1 and 2, 1/4; the 3/4 of Yamazaki & Watanabe (2004) for "
            "binomial mixtures",
            conditions="truth N(0, 1), uniform prior of the weight, prior of the means positive",
        ),
        optimum={"a": np.array(0.5), "b": np.array(0.0), "c": np.array(0.0)},
        integral=Integral(nodes, log_likelihood, route="3-D double exponential rule"),
        description="y ~ a N(b, 1) + (1 − a) N(c, 1), truth N(0, 1)",
    )


def _observe(weights, means, y, n):
    size = n if y is None else y.shape[0]
    components = dist.MixtureSameFamily(dist.Categorical(probs=weights), dist.Normal(means, 1.0))
    with numpyro.plate("observations", size):
        numpyro.sample("y", components, obs=y)


def _simulate(key, n: int) -> Data:
    return {"y": standard_normals(key, n, 1)[:, 0]}


def _mixture_log_likelihood(a, b, c, beta, data):
    """Return β Σ_i log(a N(y_i; b, 1) + (1 − a) N(y_i; c, 1)) for (N,) parameters, in nats."""
    y = data["y"]
    first = jnp.log(a)[:, None] + norm.logpdf(y, b[:, None])
    second = jnp.log1p(-a)[:, None] + norm.logpdf(y, c[:, None])
    return beta * jnp.sum(jnp.logaddexp(first, second), axis=1)
