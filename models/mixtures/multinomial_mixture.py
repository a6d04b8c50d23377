"""A mixture of two multinomial distributions, fitted to one."""

from __future__ import annotations

from itertools import product

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import ndtr
from scipy.stats import multinomial

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Model, family
from singular.models.draws import standard_normals
from singular.models.mixtures.ratios import divergence, pair_log_weights
from singular.models.symmetries import agree, exchanged, free_where

APART = 0.25
"""Largest difference of a category's probability from which the components count as apart."""


@family
def multinomial_mixture(categories: int = 3, trials: int = 4) -> Model:
    """Return counts from a Mult(T, b) + (1 − a) Mult(T, c), a ~ U(0, 1), b, c ~ Dirichlet(1, …, 1), truth uniform.

    One observation is the counts of T trials over the categories. With N = categories − 1 parameters a component,
    λ = (N + min(1, N/2)) / 2, and m = 2 if N = 2.

    Parameters
    ----------
    categories : int
        2 to 6.
    trials : int
        T, 2 to 12.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    k = whole("categories", categories, least=2, most=6)
    whole("trials", trials, least=2, most=12)
    true = np.full(k, 1 / k)
    outcomes = np.array([c for c in product(range(trials + 1), repeat=k) if sum(c) == trials], dtype=float)
    probabilities = multinomial.pmf(outcomes, trials, true)

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        b = numpyro.sample("b", dist.Dirichlet(jnp.ones(k)))
        c = numpyro.sample("c", dist.Dirichlet(jnp.ones(k)))
        choice = dist.Categorical(logits=jnp.stack([jnp.log(a), jnp.log1p(-a)]))
        components = [dist.Multinomial(trials, probs=p) for p in (b, c)]
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MixtureGeneral(choice, components), obs=y)

    def simulate(key, n: int) -> Data:
        which = np.floor(k * ndtr(standard_normals(key, n, trials)))
        return {"y": np.sum(which[:, :, None] == np.arange(k), axis=1).astype(np.float64)}

    def excess_loss(w):
        logs = jnp.log(jnp.stack([w["b"], w["c"]], axis=-2))[..., None, :, :] - np.log(true)
        log_ratios = jnp.sum(outcomes[:, None, :] * logs, axis=-1)
        return divergence(pair_log_weights(jnp.log(w["a"]) - jnp.log1p(-w["a"])), log_ratios, probabilities)

    def far(w):
        return abs(w["b"] - w["c"]).max(axis=-1) >= APART

    return Model(
        name=f"multinomial-mixture-2-categories-{k}",
        family="multinomial mixture",
        density=density,
        simulate=simulate,
        dim=2 * k - 1,
        exact=coefficients.multinomial_mixture(2, 1, trials, k),
        optimum={"a": np.array(0.5), "b": true, "c": true},
        phases={
            "merged": lambda w: ~far(w),
            "first dead": lambda w: far(w) & (w["a"] < 0.5),
            "second dead": lambda w: far(w) & (w["a"] >= 0.5),
        },
        symmetries={"weight, where the components agree": free_where("a", agree("b", "c"))},
        discrete_symmetries={"swap of the components": exchanged("b", "c", weight="a")},
        excess_loss=excess_loss,
        description=f"y ~ a Mult({trials}, b) + (1 − a) Mult({trials}, c)",
        prior="a ~ U(0, 1), b, c ~ Dirichlet(1, …, 1)",
        truth=f"y ~ Mult({trials}, uniform over {k} categories)",
        note="Two spare parameters in the spare component make its death as cheap as its merging with the other: the "
        "tie gives m = 2 at three categories. With more categories death is cheaper, and λ = N/2 + 1/2.",
    )
