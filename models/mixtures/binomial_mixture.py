"""A mixture of two binomial distributions, fitted to one."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import expit, log_expit, logit, ndtr
from scipy.stats import binom

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.mixtures.ratios import divergence, log_sum_exp, pair_log_weights
from singular.models.mixtures.weight_rules import log_odds, logits_of
from singular.models.symmetries import agree, exchanged, free_where

APART = 1.0
"""Difference of the two logits from which the components count as apart."""

TRUE = 0.5
"""The true probability."""


@family
def binomial_mixture(trials: int = 4) -> Model:
    """Return y ~ a Bin(T, b) + (1 − a) Bin(T, c), a, b, c ~ U(0, 1), truth Bin(T, 1/2): λ = 3/4, m = 1, d = 3.

    The oracle takes the logits of a and of c and the difference of the logits of b and c; the data enter by how
    often each count occurs. Phases: ``merged`` (the logits differ by less than 1), else by the smaller weight.

    Parameters
    ----------
    trials : int
        T, from 2 (with one trial only the mean is identified) to 50.

    Raises
    ------
    InputError
        If the trials are out of range.
    """
    whole("trials", trials, least=2, most=50)
    counts = np.arange(trials + 1.0)
    probabilities = binom.pmf(counts, trials, TRUE)
    log_choose = np.log(probabilities) + trials * math.log(2.0)
    cuts = binom.cdf(counts, trials, TRUE)[:-1]

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        b = numpyro.sample("b", dist.Uniform(0.0, 1.0))
        c = numpyro.sample("c", dist.Uniform(0.0, 1.0))
        choice = dist.Categorical(logits=jnp.stack([jnp.log(a), jnp.log1p(-a)]))
        components = [dist.Binomial(trials, probs=p) for p in (b, c)]
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MixtureGeneral(choice, components), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": np.searchsorted(cuts, ndtr(standard_normals(key, n, 1)[:, 0])).astype(np.float64)}

    def rule(weight: rules.Rule, gap: rules.Rule, steps: rules.Rule, mean: float, width: float) -> Nodes:
        """Return points (logit a, logit b, logit c) with b > c, at twice their weight.

        The inner rule, in logit c, is dense where a b + (1 − a) c is ``mean`` to within ``width``.
        """
        u, theta = (g.ravel()[:, None] for g in np.meshgrid(weight.points, gap.points, indexing="ij"))
        outer = np.add.outer(weight.log_weights, gap.log_weights).ravel()[:, None] + math.log(2.0)
        centre = _balanced(u, theta, mean)
        rates = expit(u) * _spread(centre + theta) + expit(-u) * _spread(centre)
        scale = np.minimum(1.0, width / rates)
        v = centre + scale * np.sinh(steps.points)
        log_prior = log_expit(v) + log_expit(-v) + log_expit(v + theta) + log_expit(-v - theta)
        log_weights = outer + np.log(scale) + steps.log_weights + log_prior
        keep = log_weights > log_weights.max() - 45.0
        return Nodes(np.stack([np.broadcast_to(u, v.shape), v + theta, v], axis=-1)[keep], log_weights[keep])

    def even_steps(step: float, extent: float) -> rules.Rule:
        s = np.arange(-math.floor(extent / step), math.floor(extent / step) + 1) * step
        return rules.Rule(s, np.log(step * np.cosh(s)))

    def nodes(data: Data, level: int) -> Nodes:
        y = data["y"]
        mean = (y.sum() + 1) / (trials * len(y) + 2)
        width = math.sqrt(mean * (1 - mean) / (trials * len(y) + 1))
        edges = [0.0, 0.5 * APART, APART, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0, 13.0, 19.0, 27.0, 38.0]
        return rule(
            logits_of((0.08, 0.09)[-level]),
            rules.panels(edges, (9, 8)[-level]),
            even_steps((0.2, 0.22)[-level], math.asinh(40.0 / width)),
            mean,
            width,
        )

    def population_nodes(data: Data, level: int) -> Nodes:
        edges = np.concatenate([rules.graded_edges(2.0**-10, 2.0), [3.0, 4.5, 7.0, 12.0, 20.0]])
        return rule(
            log_odds((0.4, 0.5)[-level], extent=24.0),
            rules.panels(edges, (5, 4)[-level]),
            even_steps((0.25, 0.3)[-level], math.asinh(40.0 / 1e-4)),
            TRUE,
            1e-4,
        )

    def terms(points):
        logits = points[:, None, 1:]
        hit, miss = -jnp.logaddexp(0.0, -logits), -jnp.logaddexp(0.0, logits)
        return counts[:, None] * hit + (trials - counts)[:, None] * miss

    def log_likelihood(points, beta, data):
        histogram = jnp.sum(data["y"][:, None] == counts, axis=0)
        logs = log_sum_exp(pair_log_weights(points[:, 0])[:, None, :] + terms(points))
        return beta * jnp.sum(histogram * (logs + log_choose), axis=1)

    def population(points, t, data):
        log_ratios = terms(points) + trials * math.log(2.0)
        return -t * divergence(pair_log_weights(points[:, 0]), log_ratios, probabilities)

    def excess_loss(w):
        b, c = w["b"], w["c"]
        log_odds_of = jnp.log(w["a"]) - jnp.log1p(-w["a"])
        hit = jnp.stack([jnp.log(b), jnp.log(c)], axis=-1)[..., None, :] + math.log(2.0)
        miss = jnp.stack([jnp.log1p(-b), jnp.log1p(-c)], axis=-1)[..., None, :] + math.log(2.0)
        log_ratios = counts[:, None] * hit + (trials - counts)[:, None] * miss
        return divergence(pair_log_weights(log_odds_of), log_ratios, probabilities)

    def far(w):
        log_odds_ratio = jnp.log(w["b"]) - jnp.log1p(-w["b"]) - jnp.log(w["c"]) + jnp.log1p(-w["c"])
        return abs(log_odds_ratio) >= APART

    def dead(points, beta, data):
        return 0.5 * (points[:, 1] - points[:, 2] >= APART)

    return Model(
        name="binomial-mixture-2" if trials == 4 else f"binomial-mixture-2-trials-{trials}",
        family="binomial mixture",
        density=density,
        simulate=simulate,
        dim=3,
        exact=coefficients.binomial_mixture(2, 1, trials),
        optimum={"a": np.array(0.5), "b": np.array(TRUE), "c": np.array(TRUE)},
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
            route="3-D: panels in the log odds ratio, double exponential in the weight and the mean",
            regions={
                "merged": lambda points, beta, data: (points[:, 1] - points[:, 2] < APART).astype(float),
                "first dead": dead,
                "second dead": dead,
            },
        ),
        population=Integral(
            population_nodes,
            population,
            route="3-D: panels in the log odds ratio, trapezoid in the others",
        ),
        description=f"y ~ a Bin({trials}, b) + (1 − a) Bin({trials}, c)",
        prior="a, b, c ~ U(0, 1)",
        truth=f"y ~ Bin({trials}, 1/2)",
        note="All the data say is how often each count occurred, so that the oracle costs nothing in n. With two "
        "trials the model fits any overdispersed distribution of three counts; the coefficient is the same.",
    )


def _spread(x: np.ndarray) -> np.ndarray:
    return expit(x) * expit(-x)


def _balanced(u: np.ndarray, theta: np.ndarray, mean: float) -> np.ndarray:
    """Return the logit of c at which the mean is ``mean``, by bisection."""
    low, high = logit(mean) - theta, np.full_like(theta, logit(mean))
    for _ in range(50):
        middle = (low + high) / 2
        above = expit(u) * expit(middle + theta) + expit(-u) * expit(middle) > mean
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
