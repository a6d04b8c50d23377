"""The move along a scaling: what one factor of a unit gains the other loses, and the likelihood does not see it."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from singular.models.structure import Move, Values

TRIES = 4
"""Independence steps for each scaling."""


def unit_scalings(outer: str, inner: str) -> Move:
    """Return (outer_h, inner_h) → (outer_h e^−t, inner_h e^t), each unit its own t, of N(0, 1) sites (H,)."""
    return Move((), partial(_scaled, outer, inner))


def _scaled(outer: str, inner: str, key: Any, w: Values, beta: Any, sums: Any) -> dict[str, Any]:
    t = log_scalings(key, w[inner] ** 2, w[outer] ** 2, 0)
    return {outer: w[outer] * jnp.exp(-t), inner: w[inner] * jnp.exp(t)}


def log_scalings(key: Any, inner: Any, outer: Any, surplus: int) -> Any:
    """Return t of each unit, of density ∝ exp(surplus t − (inner e^2t + outer e^−2t)/2): Metropolis steps from t = 0.

    Proposals come from a logistic distribution about the mode, whose tails are heavier.

    Parameters
    ----------
    key : JAX key
    inner, outer : (H,)
        Squares of what grows by e^t and of what shrinks, in units of the prior's variance.
    surplus : int
        Dimensions that grow less those that shrink: the Jacobian of the scaling.
    """
    root = jnp.sqrt(surplus**2 + 4 * inner * outer)
    # the mode has e^2t = (surplus + root)/(2 inner), without cancellation of the two
    numerator = surplus + root if surplus >= 0 else 4 * inner * outer / (root - surplus)
    mode = 0.5 * jnp.log(numerator / (2 * inner))
    width = 1 / jnp.sqrt(2 * root)

    def log_weight(t):
        target = surplus * t - 0.5 * (inner * jnp.exp(2 * t) + outer * jnp.exp(-2 * t))
        return target - jax.scipy.stats.logistic.logpdf((t - mode) / width)

    def attempt(number, t):
        propose, accept = jax.random.split(jax.random.fold_in(key, number))
        new = mode + width * jax.random.logistic(propose, t.shape, t.dtype)
        better = jnp.log(jax.random.uniform(accept, t.shape, t.dtype)) < log_weight(new) - log_weight(t)
        return jnp.where(better, new, t)

    return jax.lax.fori_loop(0, TRIES, attempt, jnp.zeros_like(inner))
