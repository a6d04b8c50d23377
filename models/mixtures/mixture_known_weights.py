"""Normal mixtures whose weights are known: ½ N(b, 1) + ½ N(c, 1), with b and c free or c = −b."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import fixed_weights, symmetric_pair
from singular.models.integrals import rules
from singular.models.mixtures.normal_components import (
    SPREAD,
    excess_over_one,
    observe,
    pair_log_likelihood,
    simulate_normals,
)
from singular.models.symmetries import exchanged

DISTANCES = [1.0, 1.5, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 14.0, 20.0]
"""Panel edges beyond 1, in standard deviations of the noise."""

EVEN = np.log([0.5, 0.5])


@family
def fixed_weights_mixture() -> Model:
    """Return y ~ ½ N(b, 1) + ½ N(c, 1) with b, c ~ N(0, 2²) and truth N(0, 1): λ = 3/4, m = 1, d = 2.

    Taken as the mean (b + c)/2 and the distance b − c > 0, with twice the weight.
    """

    def density(y=None, n=1):
        b = jnp.asarray(numpyro.sample("b", dist.Normal(0.0, SPREAD)))
        c = numpyro.sample("c", dist.Normal(0.0, SPREAD))
        observe(EVEN, jnp.stack([b, c]), y, n)

    def rule(mean: rules.Rule, finest: float, order: int) -> Nodes:
        def log_density(middle, gap):
            return rules.log_normal_density(middle - gap / 2, middle + gap / 2, scale=SPREAD) + math.log(2.0)

        distance = rules.panels(np.concatenate([rules.graded_edges(finest, 1.0), DISTANCES[1:]]), order)
        points, log_weights = rules.tensor(mean, distance, log_density=log_density)
        middle, gap = points.T
        return Nodes(np.stack([middle + gap / 2, middle - gap / 2], axis=1), log_weights)

    def nodes(data: Data, level: int) -> Nodes:
        y = data["y"]
        scale = 1 / math.sqrt(len(y) + 1.0)
        mean = rules.whole_line((0.12, 0.15)[-level], float(np.mean(y)), scale, reach=7 * SPREAD)
        return rule(mean, 0.25, (16, 12)[-level])

    def population_nodes(data: Data, level: int) -> Nodes:
        mean = rules.whole_line((0.12, 0.15)[-level], centre=0.0, scale=1e-6, reach=7 * SPREAD)
        return rule(mean, 2.0**-14, (10, 8)[-level])

    def log_likelihood(points, beta, data):
        b, c = points.T
        return beta * pair_log_likelihood(jnp.zeros_like(b), b, c, data["y"])

    def excess_loss(w):
        return excess_over_one(EVEN, jnp.stack([w["b"], w["c"]], axis=-1))

    return Model(
        name="mixture-fixed-weights",
        family="normal mixture, known weights",
        density=density,
        simulate=simulate_normals(),
        dim=2,
        exact=fixed_weights(2),
        optimum={"b": np.array(0.0), "c": np.array(0.0)},
        discrete_symmetries={"swap of the components": exchanged("b", "c")},
        excess_loss=excess_loss,
        integral=Integral(nodes, log_likelihood, route="2-D: double exponential in the mean, panels in the distance"),
        population=Integral(
            population_nodes,
            lambda points, t, data: -t * excess_loss({"b": points[:, 0], "c": points[:, 1]}),
            route="2-D: double exponential in the mean, panels in the distance",
        ),
        description="y ~ ½ N(b, 1) + ½ N(c, 1)",
        prior="b, c ~ N(0, 2²)",
        truth="y ~ N(0, 1)",
        note="The optimal set is one point, and yet the model is singular: the mean is held to n^(−1/2), the distance "
        "of the components only to n^(−1/4), because it enters through its square.",
    )


@family
def symmetric_mixture() -> Model:
    """Return y ~ ½ N(b, 1) + ½ N(−b, 1) with b ~ N(0, 2²) and truth N(0, 1): λ = 1/4, m = 1, d = 1."""

    def density(y=None, n=1):
        b = jnp.asarray(numpyro.sample("b", dist.Normal(0.0, SPREAD)))
        observe(EVEN, jnp.stack([b, -b]), y, n)

    def rule(finest: float, order: int) -> Nodes:
        edges = np.concatenate([rules.graded_edges(finest, 1.0), DISTANCES[1:]])
        b, log_weights = rules.panels(edges, order)
        return Nodes(b[:, None], log_weights + rules.log_normal_density(b, scale=SPREAD) + math.log(2.0))

    def log_likelihood(points, beta, data):
        b = points[:, 0]
        return beta * pair_log_likelihood(jnp.zeros_like(b), b, -b, data["y"])

    def excess_loss(w):
        return excess_over_one(EVEN, jnp.stack([w["b"], -w["b"]], axis=-1))

    return Model(
        name="mixture-symmetric",
        family="normal mixture, known weights",
        density=density,
        simulate=simulate_normals(),
        dim=1,
        exact=symmetric_pair(),
        optimum={"b": np.array(0.0)},
        discrete_symmetries={"sign of b": lambda w: {"b": -w["b"]}},
        excess_loss=excess_loss,
        integral=Integral(lambda data, level: rule(2.0**-4, (30, 24)[-level]), log_likelihood, route="1-D panels"),
        population=Integral(
            lambda data, level: rule(2.0**-16, (16, 12)[-level]),
            lambda points, t, data: -t * excess_loss({"b": points[:, 0]}),
            route="1-D panels",
        ),
        description="y ~ ½ N(b, 1) + ½ N(−b, 1)",
        prior="b ~ N(0, 2²)",
        truth="y ~ N(0, 1)",
        note="The smallest singular mixture: one parameter, K of the order of b⁴, and a posterior that is one lump or "
        "two according to whether the sample variance is below or above 1.",
    )
