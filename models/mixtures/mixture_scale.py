"""A normal mixture with free means and free variances, fitted to one normal: λ known only from above."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Model, family
from singular.models.coefficients import location_scale_mixture
from singular.models.mixtures.normal_components import FINENESS, REACH, SPREAD, simulate_normals
from singular.models.symmetries import SAME, free_where

SHAPE, RATE = 3.0, 2.0
"""Inverse gamma prior of a variance: mean 1, and E[1/variance] finite, so that the prior's mean loss is."""

DIFFERENT = 0.5
"""Components differ if their means do by more than this, or the logs of their variances."""


@family
def location_scale_pair() -> Model:
    """Return y ~ a N(b, u) + (1 − a) N(c, v) with variances u, v free, fitted to N(0, 1); d = 5.

    a ~ U(0, 1), means N(0, 2²), variances InverseGamma(3, 2). λ ≤ 3/2: one component takes the truth's mean and
    variance and the other's weight is 0. The divergence is a trapezoid sum over |y| ≤ 9 with step 1/16, good to
    1e-10 for standard deviations above 0.15.
    """
    y = np.arange(-REACH, REACH + FINENESS / 2, FINENESS)
    weights = FINENESS * np.exp(-0.5 * y**2) / math.sqrt(2 * math.pi)

    def log_density(log_odds, means, variances, value):
        """Return the log of the mixture's density over the normal constant; two components on the last axis."""
        logs = jnp.stack([-jnp.logaddexp(0.0, -log_odds), -jnp.logaddexp(0.0, log_odds)], axis=-1)
        terms = logs - 0.5 * jnp.log(variances) - 0.5 * (value - means) ** 2 / variances
        return jnp.logaddexp(terms[..., 0], terms[..., 1])

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        means = numpyro.sample("means", dist.Normal(0.0, SPREAD).expand([2]).to_event(1))
        variances = numpyro.sample("variances", dist.InverseGamma(SHAPE, RATE).expand([2]).to_event(1))
        choice = dist.Categorical(logits=jnp.stack([jnp.log(a), jnp.log1p(-a)]))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MixtureSameFamily(choice, dist.Normal(means, jnp.sqrt(variances))), obs=y)

    def excess_loss(w):
        log_odds = (jnp.log(w["a"]) - jnp.log1p(-w["a"]))[..., None]
        means, variances = w["means"][..., None, :], w["variances"][..., None, :]
        gap = -0.5 * y**2 - log_density(log_odds, means, variances, y[:, None])
        return jnp.sum(weights * gap, axis=-1)

    def different(w):
        means, scales = w["means"], jnp.log(w["variances"])
        apart = abs(means[..., 0] - means[..., 1]) > DIFFERENT
        return apart | (abs(scales[..., 0] - scales[..., 1]) > DIFFERENT)

    return Model(
        name="mixture-2-scale",
        family="normal mixture, free variances",
        density=density,
        simulate=simulate_normals(),
        dim=5,
        bound=location_scale_mixture(2),
        optimum={"a": np.array(0.5), "means": np.zeros(2), "variances": np.ones(2)},
        phases={
            "merged": lambda w: ~different(w),
            "first dead": lambda w: different(w) & (w["a"] < 0.5),
            "second dead": lambda w: different(w) & (w["a"] >= 0.5),
        },
        symmetries={"weight, where the components agree": free_where("a", _agree)},
        discrete_symmetries={"swap of the components": _swapped},
        excess_loss=excess_loss,
        description="y ~ a N(b, u) + (1 − a) N(c, v)",
        prior="a ~ U(0, 1), b, c ~ N(0, 2²), u, v ~ InverseGamma(3, 2)",
        truth="y ~ N(0, 1)",
        note="A change of variance looks like a change of mean to second order, so that components may cancel against "
        "each other and the reduction that settles mixtures of known variance fails. No exact λ is claimed.",
    )


def _agree(w):
    gaps = [abs(w[site][0] - w[site][1]) for site in ("means", "variances")]
    return (gaps[0] < SAME) & (gaps[1] < SAME)


def _swapped(w):
    return {"a": 1 - w["a"], "means": w["means"][..., ::-1], "variances": w["variances"][..., ::-1]}
