"""A mixture of two normal components in the plane, fitted to one: where merging and dying are equally cheap."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.mixtures.normal_components import SPREAD, excess_over_one
from singular.models.mixtures.weight_rules import folded_log_odds
from singular.models.symmetries import agree, exchanged, free_where

APART = 1.0
"""Distance from which the two components count as apart, in standard deviations of the noise."""


@family
def plane_mixture() -> Model:
    """Return y ~ a N(b, I) + (1 − a) N(c, I) in the plane, a ~ U(0, 1), b, c ~ N(0, 2² I), truth N(0, I).

    λ = 3/2 and m = 2: the uniform weight has φ = 1 = N/2. K depends on the components along the line through them
    and on the offset of that line, which is Gaussian and integrated in closed form in ``population``.
    """

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        b = numpyro.sample("b", dist.Normal(0.0, SPREAD).expand([2]).to_event(1))
        c = numpyro.sample("c", dist.Normal(0.0, SPREAD).expand([2]).to_event(1))
        logs = dist.Categorical(logits=jnp.stack([jnp.log(a), jnp.log1p(-a)]))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            components = dist.Normal(jnp.stack([b, c]), 1.0).to_event(1)
            numpyro.sample("y", dist.MixtureSameFamily(logs, components), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": standard_normals(key, n, 2)}

    def along(logit, b, c):
        logs = jnp.stack([-jnp.logaddexp(0.0, -logit), -jnp.logaddexp(0.0, logit)], axis=-1)
        return excess_over_one(logs, jnp.stack([b, c], axis=-1))

    def excess_loss(w):
        a, b, c = w["a"], w["b"], w["c"]
        gap = b - c
        square = jnp.sum(gap**2, axis=-1, keepdims=True)
        together = square < 1e-20  # then any direction will do
        line = jnp.where(together, jnp.array([1.0, 0.0]), gap / jnp.sqrt(jnp.where(together, 1.0, square)))
        mean = a[..., None] * b + (1 - a[..., None]) * c
        offset = jnp.sum(mean**2, axis=-1) - jnp.sum(mean * line, axis=-1) ** 2
        positions = jnp.sum(b * line, axis=-1), jnp.sum(c * line, axis=-1)
        return along(jnp.log(a) - jnp.log1p(-a), *positions) + 0.5 * offset

    def nodes(data: Data, level: int) -> Nodes:
        def log_density(logit, middle, gap):
            c = middle - gap / (1 + np.exp(-logit))
            offset = -0.5 * math.log(4 * math.pi * SPREAD**2)  # ∫ N(m; 0, 2²)² dm, both components off the line by m
            return rules.log_normal_density(c, c + gap, scale=SPREAD) + np.log(2 * math.pi * gap) + offset

        edges = np.concatenate([rules.graded_edges(2.0**-15, 1.0), [2.0, 3.0, 5.0, 8.0, 12.0, 20.0]])
        points, log_weights = rules.tensor(
            folded_log_odds((0.4, 0.5)[-level], extent=24.0),
            rules.whole_line((0.25, 0.3)[-level], centre=0.0, scale=1e-5, reach=7 * SPREAD),
            rules.panels(edges, (5, 4)[-level]),
            log_density=log_density,
        )
        keep = log_weights > log_weights.max() - 40.0
        logit, middle, gap = points[keep].T
        c = middle - gap / (1 + np.exp(-logit))
        return Nodes(np.stack([logit, c + gap, c], axis=1), log_weights[keep])

    def population(points, t, data):
        """The offset has the density ∝ N(m; 0, 2²)² and the loss ½ m²."""
        offset = -0.5 * jnp.log1p(0.5 * t * SPREAD**2)
        return offset - t * along(points[:, 0], points[:, 1], points[:, 2])

    def apart(w):
        return jnp.sum((w["b"] - w["c"]) ** 2, axis=-1) >= APART**2

    return Model(
        name="mixture-2-plane",
        family="normal mixture",
        density=density,
        simulate=simulate,
        dim=5,
        exact=coefficients.normal_mixture(2, 1, dimension=2),
        optimum={"a": np.array(0.5), "b": np.zeros(2), "c": np.zeros(2)},
        phases={
            "merged": lambda w: ~apart(w),
            "first dead": lambda w: apart(w) & (w["a"] < 0.5),
            "second dead": lambda w: apart(w) & (w["a"] >= 0.5),
        },
        symmetries={"weight, where the components agree": free_where("a", agree("b", "c"))},
        discrete_symmetries={"swap of the components": exchanged("b", "c", weight="a")},
        excess_loss=excess_loss,
        population=Integral(nodes, population, route="3-D rule, the offset of the line in closed form"),
        description="y ~ a N(b, I) + (1 − a) N(c, I), y in the plane",
        prior="a ~ U(0, 1), b, c ~ N(0, 2² I)",
        truth="y ~ N(0, I)",
        note="In one dimension a spare component merges, in three or more it dies; in the plane both cost the same, "
        "and the tie shows as m = 2.",
    )
