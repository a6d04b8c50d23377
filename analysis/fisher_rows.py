"""The factor of the expected Fisher information of an observed distribution: rows R with I = RᵀR."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.lax import stop_gradient
from jax.scipy.linalg import solve_triangular
from numpyro.distributions.discrete import ZeroInflatedLogits, ZeroInflatedProbs

MOST_OUTCOMES = 4096
"""Outcomes of one observation up to which they are all gone through."""
MONTE_CARLO = 4000
"""Simulated observations, over all of a site's, where nothing exact is known."""
COUNTED = 12.0
"""Standard deviations above the largest rate at which the counts of a Poisson distribution are cut off."""


class Recipe(NamedTuple):
    """How the information of one observed site is had.

    ``route`` is ``normal``, ``gaussian``, ``poisson``, ``outcomes`` or ``simulated``; ``outcomes`` (S, …) all that
    one observation can be; ``draws`` how often each is simulated; ``seen`` how often each element of the distribution
    is observed.
    """

    route: str
    outcomes: np.ndarray | None
    draws: int
    seen: np.ndarray


def recipe_of(fn: Any) -> Recipe:
    """Return how to take the information of a NumPyro distribution, seen with concrete parameters."""
    base, seen = _bare(fn)
    if isinstance(base, dist.Normal):
        return Recipe("normal", None, 0, seen)
    if isinstance(base, dist.MultivariateNormal | dist.LowRankMultivariateNormal):
        return Recipe("gaussian", None, 0, seen)
    if type(base) is dist.Poisson:
        return Recipe("poisson", None, 0, seen)
    outcomes = _outcomes(base)
    if outcomes is not None:
        return Recipe("outcomes", outcomes, 0, seen)
    return Recipe("simulated", None, math.ceil(MONTE_CARLO / max(1, seen.size)), seen)


def whitened(fn: Any, recipe: Recipe, key: Any) -> Any:
    """Return h, (N,), such that JᵀJ is the information if J is the Jacobian of h where ``fn`` stands now.

    Normal: mean/σ and √2 log σ, σ held; many normals: L⁻¹μ and L⁻¹ΣL⁻ᵀ/√2, Σ = LLᵀ held; Poisson: 2√rate; finitely
    many outcomes: 2√p of each, ∂(2√p) being √p times the score; else log p of simulated observations over √S, (S, …)
    flattened.
    """
    base = _base(fn)
    if recipe.route == "normal":
        scale = jnp.broadcast_to(base.scale, base.batch_shape)
        loc = jnp.broadcast_to(base.loc, base.batch_shape) / stop_gradient(scale)
        rows = jnp.stack([loc, math.sqrt(2.0) * jnp.log(scale)])
    elif recipe.route == "gaussian":
        rows = _gaussian(base)
    elif recipe.route == "poisson":
        rows = 2 * jnp.sqrt(base.rate)[None]
    else:
        if recipe.outcomes is not None:
            shape = (-1, *(1,) * len(base.batch_shape), *base.event_shape)
            log_p = base.log_prob(jnp.asarray(recipe.outcomes).reshape(shape))
            # ∂(2√p) = √p ∂log p, written so that p = 0 has no infinite slope
            rows = 2 * jnp.exp(stop_gradient(log_p) / 2) * (1 + (log_p - stop_gradient(log_p)) / 2)
        else:
            drawn = stop_gradient(base.sample(key, (recipe.draws,)))
            rows = base.log_prob(drawn) / math.sqrt(recipe.draws)
    return (rows * np.sqrt(recipe.seen)).reshape(-1)


def missing_probability(fn: Any, recipe: Recipe) -> float:
    """Return the largest probability that an observation is none of the recipe's outcomes."""
    if recipe.outcomes is None:
        return 0.0
    base = _base(fn)
    shape = (-1, *(1,) * len(base.batch_shape), *base.event_shape)
    log_p = base.log_prob(jnp.asarray(recipe.outcomes).reshape(shape))
    return float(np.max(1 - np.exp(np.asarray(log_p)).sum(axis=0)))


def _gaussian(base: Any) -> Any:
    """Return (p + p², batch)."""
    covariance = base.covariance_matrix
    root = stop_gradient(jnp.linalg.cholesky(covariance))
    p = covariance.shape[-1]
    loc = jnp.broadcast_to(base.loc, (*base.batch_shape, p))
    half = solve_triangular(root, covariance, lower=True)
    both = solve_triangular(root, jnp.swapaxes(half, -1, -2), lower=True) / math.sqrt(2.0)
    both = jnp.broadcast_to(both, (*base.batch_shape, p, p)).reshape(*base.batch_shape, p * p)
    rows = jnp.concatenate([solve_triangular(root, loc[..., None], lower=True)[..., 0], both], axis=-1)
    return jnp.moveaxis(rows, -1, 0)


def _bare(fn: Any) -> tuple[Any, np.ndarray]:
    """Return the distribution that independent, expanded and masked ones are made of, and how often each of its
    elements is seen, an array of its batch shape: masked observations are not, copies in a plate are one element.
    """
    seen: Any = np.ones(fn.batch_shape)
    while True:
        if isinstance(fn, dist.MaskedDistribution):
            seen = seen * np.broadcast_to(np.asarray(fn._mask, dtype=float), fn.batch_shape)
        elif isinstance(fn, dist.ExpandedDistribution):
            shape = fn.base_dist.batch_shape
            seen = seen.sum(axis=tuple(range(seen.ndim - len(shape))))
            wide = tuple(i for i, size in enumerate(shape) if size != seen.shape[i])
            seen = seen.sum(axis=wide, keepdims=True)
        elif isinstance(fn, dist.Independent):
            shape = fn.base_dist.batch_shape
            seen = np.broadcast_to(seen.reshape(*seen.shape, *(1,) * (len(shape) - seen.ndim)), shape)
        else:
            return fn, seen
        fn = fn.base_dist


def _base(fn: Any) -> Any:
    while isinstance(fn, dist.MaskedDistribution | dist.ExpandedDistribution | dist.Independent):
        fn = fn.base_dist
    return fn


def _outcomes(fn: Any) -> np.ndarray | None:
    """Return all values of one observation, (S, …), or None if there are too many or they are not known."""
    if isinstance(fn, dist.MaskedDistribution | dist.ExpandedDistribution):
        return _outcomes(fn.base_dist)
    if isinstance(fn, dist.Independent):
        one = _outcomes(fn.base_dist)
        if one is None or one.ndim > 1 or len(one) ** math.prod(fn.event_shape) > MOST_OUTCOMES:
            return None
        every = np.array(list(itertools.product(one, repeat=math.prod(fn.event_shape))))
        return every.reshape(-1, *fn.event_shape)
    if isinstance(fn, dist.MixtureSameFamily):
        return _outcomes(fn.component_distribution)
    if isinstance(fn, dist.MixtureGeneral):
        parts = [_outcomes(component) for component in fn.component_distributions]
        if any(part is None for part in parts):
            return None
        return max((part for part in parts if part is not None), key=len)
    if isinstance(fn, ZeroInflatedProbs | ZeroInflatedLogits):
        return _outcomes(fn.base_dist)
    if type(fn) is dist.Poisson:
        largest = float(np.max(np.asarray(fn.rate)))
        least = largest + COUNTED * math.sqrt(largest) + 2 * COUNTED
        return np.arange(2 ** math.ceil(math.log2(least)))
    if hasattr(fn, "total_count") and len(fn.event_shape) == 1:
        return _counts(np.asarray(fn.total_count), fn.event_shape[0])
    if not fn.has_enumerate_support or fn.event_shape:
        return None
    try:
        return np.asarray(fn.enumerate_support(expand=False)).reshape(-1)
    except NotImplementedError:  # binomials of unequal totals
        return None


def _counts(total: np.ndarray, categories: int) -> np.ndarray | None:
    """Return all counts of one multinomial observation."""
    if total.size == 0 or total.min() != total.max():
        return None
    number = int(total.flat[0])
    if math.comb(number + categories - 1, categories - 1) > MOST_OUTCOMES:
        return None
    first = itertools.product(range(number + 1), repeat=categories - 1)
    return np.array([(*counts, number - sum(counts)) for counts in first if sum(counts) <= number])
