"""Two wells of different flatness, too far apart to be crossed at β = 1."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, LearningCoefficient, Model, Nodes, family
from singular.models.coefficients import normal_crossing
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_noise
from singular.models.structure import repeated

SHARP, FLAT, HEIGHT, SPREAD = -1.0, 3.0, 0.08, 2.0
"""Where the wells are, the factor of the cubic, and the prior's standard deviation."""
SUMMIT = SHARP + (FLAT - SHARP) / 3
"""Where the excess loss between the wells is largest, and they are divided."""
PHASES = {"sharp": lambda w: w["w"] < SUMMIT, "flat": lambda w: w["w"] >= SUMMIT}
REGIONS = {
    "sharp": lambda points, beta, data: jnp.where(points[:, 0] < SUMMIT, 1.0, 0.0),
    "flat": lambda points, beta, data: jnp.where(points[:, 0] >= SUMMIT, 1.0, 0.0),
}


@family
def two_wells() -> Model:
    """Return y ~ N(0.08 (w + 1)(w − 3)², 1) with w ~ N(0, 2²) and truth N(0, 1).

    K(w) is half the square of the mean: quadratic at w = −1 (phase ``sharp``, local λ = 1/2) and quartic
    at w = 3 (phase ``flat``, local λ = 1/4, which is the global one). The barrier between them is 0.29 nats
    an observation, 57 nats at n = 200. The two phases meet at the summit, w = 1/3.
    """

    def mean_of(w):
        return HEIGHT * (w - SHARP) * (w - FLAT) ** 2

    def density(y=None, n=1):
        w = numpyro.sample("w", dist.Normal(0.0, SPREAD))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.Normal(mean_of(w), 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": standard_normals(key, n, 1)[:, 0]}

    def nodes(data: Data, level: int) -> Nodes:
        return well_nodes(level)

    def log_likelihood(points, beta, data):
        y, mean = data["y"], mean_of(points[:, 0])
        return beta * (mean * jnp.sum(y) - 0.5 * y.size * mean**2) + log_noise(y, beta)

    def excess(w):
        return 0.5 * mean_of(w) ** 2

    def population(points, t, data):
        return -t * excess(points[:, 0])

    flat = normal_crossing([2])
    return Model(
        name="two-wells",
        family="two wells",
        density=density,
        simulate=simulate,
        dim=1,
        exact=LearningCoefficient(
            flat.value,
            flat.multiplicity,
            source=flat.source,
            conditions="truth 0; the smaller of the two local values, 1/4 at w = 3 and 1/2 at w = −1",
        ),
        optimum={"w": np.array(FLAT)},
        phases=PHASES,
        sufficient=repeated(lambda w: mean_of(w["w"])),
        excess_loss=lambda w: excess(w["w"]),
        integral=Integral(nodes, log_likelihood, route="1-D panels", regions=REGIONS),
        population=Integral(nodes, population, route="1-D panels", regions=REGIONS),
        description="y ~ N(0.08 (w + 1)(w − 3)², 1)",
        prior="w ~ N(0, 2²)",
        truth="y ~ N(0, 1)",
        note="Two optima of the same likelihood and different flatness. The sharp well is nearer to the prior's centre "
        "and holds about half the mass at n = 200; the flat one, with the smaller λ, wins as n grows, slowly, as "
        "n^(1/4). A single chain at β = 1 stays in the well where it starts: only exchange with hotter rungs tells "
        "the two masses.",
    )


def well_nodes(level: int) -> Nodes:
    """Return nodes over w with the weights of its prior, graded towards both wells."""
    graded = rules.graded_edges(2.0**-24, 1.0)
    outward = np.concatenate([graded, np.arange(1.25, 15.25, 0.25)])
    edges = np.concatenate([SHARP - outward, SHARP + graded, FLAT - graded, FLAT + outward])
    inner = np.concatenate([np.linspace(SHARP + 1, SUMMIT, 5), np.linspace(SUMMIT, FLAT - 1, 7)])
    rule = rules.panels(np.unique(np.concatenate([edges, inner])), (16, 12)[-level])
    return Nodes(rule.points[:, None], rule.log_weights + rules.log_normal_density(rule.points, scale=SPREAD))
