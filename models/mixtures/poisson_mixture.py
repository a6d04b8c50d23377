"""A mixture of two Poisson distributions, fitted to one."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from scipy.special import ndtr
from scipy.stats import poisson

from singular.errors import InputError
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.mixtures.ratios import divergence, pair_log_weights
from singular.models.mixtures.weight_rules import log_odds, logits_of
from singular.models.symmetries import agree, exchanged, free_where

LARGEST = 63
"""Largest count that the oracle takes."""

TWICE = math.log(2.0)
"""Components whose means differ by a factor below 2 count as merged."""


@family
def poisson_mixture(true_mean: float = 2.0) -> Model:
    """Return y ~ a Poisson(b) + (1 − a) Poisson(c), a ~ U(0, 1), b, c ~ Gamma(2, 1), truth Poisson(true_mean).

    λ = 3/4, m = 1, d = 3. The oracle takes the log odds of a, the log of the mean a b + (1 − a) c and log b − log c;
    the data enter by how often each count occurs.

    Parameters
    ----------
    true_mean : float
        Above 0 and at most 10.

    Raises
    ------
    InputError
        If the mean is out of range.
    """
    if not isinstance(true_mean, int | float) or isinstance(true_mean, bool) or not 0 < true_mean <= 10:
        raise InputError(f"true_mean={true_mean!r}: allowed is a number above 0 and at most 10")
    mu = float(true_mean)
    counts = np.arange(LARGEST + 1.0)
    probabilities = poisson.pmf(counts, mu)
    cuts = poisson.cdf(counts, mu)

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        b = numpyro.sample("b", dist.Gamma(2.0, 1.0))
        c = numpyro.sample("c", dist.Gamma(2.0, 1.0))
        choice = dist.Categorical(logits=jnp.stack([jnp.log(a), jnp.log1p(-a)]))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MixtureSameFamily(choice, dist.Poisson(jnp.stack([b, c]))), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": np.searchsorted(cuts, ndtr(standard_normals(key, n, 1)[:, 0])).astype(np.float64)}

    def rule(weight: rules.Rule, log_mean: rules.Rule, log_factor: rules.Rule) -> Nodes:
        """Return points (logit a, log b, log c) with b > c, at twice their weight."""

        def place(logit, middle, factor):
            log_c = middle - np.logaddexp(-np.logaddexp(0.0, logit), factor - np.logaddexp(0.0, -logit))
            return log_c + factor, log_c

        def log_density(logit, middle, factor):
            log_b, log_c = place(logit, middle, factor)
            return 2 * log_b - np.exp(log_b) + 2 * log_c - np.exp(log_c) + math.log(2.0)  # in log b, log c

        points, log_weights = rules.tensor(weight, log_mean, log_factor, log_density=log_density)
        keep = log_weights > log_weights.max() - 45.0
        logit, middle, factor = points[keep].T
        return Nodes(np.stack([logit, *place(logit, middle, factor)], axis=1), log_weights[keep])

    def nodes(data: Data, level: int) -> Nodes:
        y = data["y"]
        if y.max() > LARGEST:
            raise InputError(f"y has a count of {y.max():g}: the oracle takes counts of at most {LARGEST}")
        centre = math.log((y.sum() + 1) / (len(y) + 1))
        scale = 1 / math.sqrt(y.sum() + 1)
        edges = [0.0, 0.5 * TWICE, TWICE, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0, 16.0, 20.0]
        return rule(
            logits_of((0.07, 0.08)[-level]),
            rules.whole_line((0.2, 0.22)[-level], centre, scale, reach=18.0),
            rules.panels(edges, (9, 8)[-level]),
        )

    def population_nodes(data: Data, level: int) -> Nodes:
        edges = np.concatenate([rules.graded_edges(2.0**-12, 1.0), [1.5, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0]])
        return rule(
            log_odds((0.4, 0.5)[-level], extent=24.0),
            rules.whole_line((0.25, 0.3)[-level], math.log(mu), 1e-4, reach=18.0),
            rules.panels(edges, (5, 4)[-level]),
        )

    def log_likelihood(points, beta, data):
        histogram = jnp.sum(data["y"][:, None] == counts, axis=0)
        logit, log_b, log_c = (points[:, i, None] for i in range(3))
        first = counts * log_b - jnp.exp(log_b) - jnp.logaddexp(0.0, -logit)
        second = counts * log_c - jnp.exp(log_c) - jnp.logaddexp(0.0, logit)
        return beta * jnp.sum(histogram * (jnp.logaddexp(first, second) - gammaln(counts + 1)), axis=1)

    def at_logs(logit, log_b, log_c):
        logs = jnp.stack([log_b, log_c], axis=-1)[..., None, :]
        log_ratios = counts[:, None] * (logs - math.log(mu)) - mu * jnp.expm1(logs - math.log(mu))
        return divergence(pair_log_weights(logit), log_ratios, probabilities)

    def excess_loss(w):
        return at_logs(jnp.log(w["a"]) - jnp.log1p(-w["a"]), jnp.log(w["b"]), jnp.log(w["c"]))

    def far(w):
        return abs(jnp.log(w["b"]) - jnp.log(w["c"])) >= TWICE

    def merged(points, beta, data):
        return (points[:, 1] - points[:, 2] < TWICE).astype(float)

    def dead(points, beta, data):
        return 0.5 * (points[:, 1] - points[:, 2] >= TWICE)

    return Model(
        name="poisson-mixture-2" if mu == 2 else f"poisson-mixture-2-mean-{mu:g}",
        family="Poisson mixture",
        density=density,
        simulate=simulate,
        dim=3,
        exact=coefficients.poisson_mixture(2),
        optimum={"a": np.array(0.5), "b": np.array(mu), "c": np.array(mu)},
        phases={
            "merged": lambda w: ~far(w),
            "first dead": lambda w: far(w) & (w["a"] < 0.5),
            "second dead": lambda w: far(w) & (w["a"] >= 0.5),
        },
        symmetries={"weight, where the components agree": free_where("a", agree("b", "c"))},
        discrete_symmetries={"swap of the components": exchanged("b", "c", weight="a")},
        excess_loss=excess_loss,
        integral=Integral(
            nodes,
            log_likelihood,
            route="3-D: panels in the log factor, double exponential in the weight and the log mean",
            regions={"merged": merged, "first dead": dead, "second dead": dead},
        ),
        population=Integral(
            population_nodes,
            lambda points, t, data: -t * at_logs(points[:, 0], points[:, 1], points[:, 2]),
            route="3-D: panels in the log factor, trapezoid in the log odds and the log mean",
        ),
        description="y ~ a Poisson(b) + (1 − a) Poisson(c)",
        prior="a ~ U(0, 1), b, c ~ Gamma(2, 1)",
        truth=f"y ~ Poisson({mu:g})",
        note="Overdispersion that is not there. The mean is held to n^(−1/2); what the second component adds to the "
        "variance, a (1 − a)(b − c)², is held only through its size.",
    )
