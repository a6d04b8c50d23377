"""A regular well and a flat one, where the regular one may have the smaller loss."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.nn import sigmoid

from singular.errors import InputError
from singular.models.base import Data, Integral, LearningCoefficient, Model, Nodes, family
from singular.models.coefficients import normal_crossing
from singular.models.crossings.two_wells import FLAT, HEIGHT, PHASES, REGIONS, SHARP, SPREAD, SUMMIT, well_nodes
from singular.models.draws import standard_normals
from singular.models.integrals.collapse import log_noise
from singular.models.structure import regression

STEEPNESS = 10.0
"""Of the step between the wells: within 1e-5 of 0 at the sharp one and of 1 at the flat one, slopes too."""


@family
def uneven_wells(advantage: float) -> Model:
    """Return y ~ N(f(w) x1 + √(2c) s(w) x2, 1), f(w) = 0.08 (w + 1)(w − 3)², s a step from 0 to 1 between the wells.

    w ~ N(0, 2²), x ~ N(0, I), truth 0. The wells are those of `two_wells`: quadratic at w = −1 (phase ``sharp``,
    local λ = 1/2) and quartic at w = 3 (phase ``flat``, local λ = 1/4), which meet at w = 1/3. The loss of the flat
    well is larger by c, the advantage of the sharp one: at small n c the posterior is in the flat well for its
    volume, at large n c in the sharp one for its loss, and it changes over near n c = ¼ log n + a constant.

    Parameters
    ----------
    advantage : float
        c, nats an observation, from 0 to 0.1.

    Raises
    ------
    InputError
        If the advantage is out of range.

    Examples
    --------
    >>> uneven_wells(0.001).exact.value
    Fraction(1, 2)
    """
    if isinstance(advantage, bool) or not isinstance(advantage, int | float) or not 0 <= advantage <= 0.1:
        raise InputError(f"advantage={advantage!r}: allowed is 0 ≤ advantage ≤ 0.1, in nats an observation")
    gap = math.sqrt(2 * advantage)

    def slopes_of(w):
        return HEIGHT * (w - SHARP) * (w - FLAT) ** 2, gap * sigmoid(STEEPNESS * (w - SUMMIT))

    def density(x, y=None):
        first, second = slopes_of(numpyro.sample("w", dist.Normal(0.0, SPREAD)))
        numpyro.sample("y", dist.Normal(first * x[:, 0] + second * x[:, 1], 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, 3)
        return {"x": drawn[:, :2], "y": drawn[:, 2]}

    def nodes(data: Data, level: int) -> Nodes:
        return well_nodes(level)

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        slopes = jnp.stack(slopes_of(points[:, 0]), axis=1)
        quadratic = jnp.einsum("Ni,ij,Nj->N", slopes, x.T @ x, slopes)
        return beta * (slopes @ (x.T @ y) - 0.5 * quadratic) + log_noise(y, beta)

    def excess(w):
        first, second = slopes_of(w)
        return 0.5 * (first**2 + second**2)

    def population(points, t, data):
        return -t * excess(points[:, 0])

    best = normal_crossing([1] if advantage else [2])
    return Model(
        name=f"uneven-wells-{advantage:g}",
        family="uneven wells",
        density=density,
        simulate=simulate,
        dim=1,
        exact=LearningCoefficient(
            best.value,
            best.multiplicity,
            source=best.source,
            conditions="truth 0; that of the sharp well, which alone has loss 0"
            if advantage
            else "truth 0; the smaller of the two local values",
        ),
        singular=not advantage,
        optimum={"w": np.array(SHARP if advantage else FLAT)},
        phases=PHASES,
        sufficient=regression(lambda w: jnp.stack(slopes_of(w["w"]))[:, None]),
        excess_loss=lambda w: excess(w["w"]),
        integral=Integral(nodes, log_likelihood, route="1-D panels", regions=REGIONS),
        population=Integral(nodes, population, route="1-D panels", regions=REGIONS),
        description=f"y ~ N(0.08 (w + 1)(w − 3)² x1 + {gap:.3g} s(w) x2, 1)",
        prior="w ~ N(0, 2²)",
        truth="y ~ N(0, 1), x ~ N(0, I)",
        note="The first-order transition of Bayesian model selection inside one model: the sharp well has the better "
        "loss, the flat one the larger volume, and the sample size decides.",
    )
