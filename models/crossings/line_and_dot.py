"""A line of optima and a more singular dot beside it, in two parameters."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, LearningCoefficient, Model, Nodes, family
from singular.models.coefficients import sum_of_powers
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_noise
from singular.models.structure import regression
from singular.models.symmetries import free_where, is_at

BORDER = 0.5
"""The phases meet at w1 = 1/2, half way from the dot to the line."""


@family
def line_and_dot() -> Model:
    """Return y ~ N((w1 − 1)(w1² + w2²)² x, 1) with w ~ N(0, I), x ~ N(0, 1) and truth 0.

    K = ½ (w1 − 1)² |w|⁸ vanishes on the line w1 = 1 (phase ``line``, local λ = 1/2) and at the origin (phase
    ``dot``, local λ = 2/8 = 1/4, which is the global one): the example of Lau, Furman, Wang, Murfet & Wei (2024),
    The local learning coefficient, here with a regression around it. Both parameters go to quadrature.
    """

    def slope_of(w1, w2):
        return (w1 - 1) * (w1**2 + w2**2) ** 2

    def density(x, y=None):
        w1 = numpyro.sample("w1", dist.Normal(0.0, 1.0))
        w2 = numpyro.sample("w2", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(slope_of(w1, w2) * x, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, y = standard_normals(key, n, 2).T
        return {"x": x, "y": y}

    def nodes(data: Data, level: int) -> Nodes:
        dot, line = rules.graded_edges(2.0**-9, BORDER), rules.graded_edges(2.0**-22, BORDER)
        outward = np.array([0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0])
        edges = np.concatenate([-outward, -dot, dot, 1 - line, 1 + line, 1 + outward[:-1], [9.0]])
        order = (14, 11)[-level]
        across = rules.panels(np.unique(edges), order)
        along = rules.panels(np.concatenate([dot, outward]), order)
        fold = np.log(2.0)
        return Nodes(*rules.tensor(across, along, log_density=lambda *w: rules.log_normal_density(*w) + fold))

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        slope = slope_of(points[:, 0], points[:, 1])
        return beta * (slope * (x @ y) - 0.5 * slope**2 * (x @ x)) + log_noise(y, beta)

    def population(points, t, data):
        return -0.5 * t * slope_of(points[:, 0], points[:, 1]) ** 2

    regions = {
        "dot": lambda points, beta, data: jnp.where(points[:, 0] < BORDER, 1.0, 0.0),
        "line": lambda points, beta, data: jnp.where(points[:, 0] >= BORDER, 1.0, 0.0),
    }
    dot = sum_of_powers([4, 4])
    return Model(
        name="line-and-dot",
        family="line and dot",
        density=density,
        simulate=simulate,
        dim=2,
        exact=LearningCoefficient(
            dot.value,
            dot.multiplicity,
            source="K is equivalent to w1⁸ + w2⁸ at the dot, 1/8 + 1/8, and to (w1 − 1)² on the line, 1/2; "
            "Lau, Furman, Wang, Murfet & Wei (2024), The local learning coefficient: a singularity-aware "
            "complexity measure",
            conditions="truth 0; the smaller of the two local values, 1/4 at the dot and 1/2 on the line",
        ),
        optimum={"w1": np.array(0.0), "w2": np.array(0.0)},
        phases={"dot": lambda w: w["w1"] < BORDER, "line": lambda w: w["w1"] >= BORDER},
        symmetries={"along the line w1 = 1": free_where("w2", is_at("w1", 1.0))},
        sufficient=regression(lambda w: jnp.reshape(slope_of(w["w1"], w["w2"]), (1, 1))),
        excess_loss=lambda w: 0.5 * slope_of(w["w1"], w["w2"]) ** 2,
        integral=Integral(nodes, log_likelihood, route="2-D panels", regions=regions),
        population=Integral(nodes, population, route="2-D panels", regions=regions),
        description="y ~ N((w1 − 1)(w1² + w2²)² x, 1)",
        prior="w1, w2 ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ N(0, 1)",
        note="The component with fewer dimensions wins. The line has more optima, but the dot is so flat that a ball "
        "of radius n^(−1/8) around it fits as well, and its share of the posterior grows to 1. The local coefficient "
        "at a point of the line is 1/2, at the dot 1/4: what a local estimator should tell apart.",
    )
