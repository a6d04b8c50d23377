"""The divergence of a mixture from one true distribution, by density ratios, so that nothing cancels near 0."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def divergence(log_weights: Any, log_ratios: Any, probabilities: Any) -> Any:
    """Return −Σ_y q(y) log Σ_j a_j exp(r_j(y)), the Kullback–Leibler divergence from q, in nats.

    The sum inside is 1 + Σ_j a_j (exp(r_j) − 1), taken as such wherever it exceeds 1/2: K is then accurate to
    about 1e-16 / √K of itself.

    Parameters
    ----------
    log_weights : (..., H)
        Logs of weights that add up to one.
    log_ratios : (..., Y, H)
        r_j(y), the log of a component's density over that of the truth.
    probabilities : (Y,)
        q(y), or a quadrature weight times it.
    """
    logs = log_weights[..., None, :]
    gain = jnp.sum(jnp.exp(logs) * jnp.expm1(log_ratios), axis=-1)
    near = gain > -0.5
    far = log_sum_exp(logs + jnp.where(near[..., None], 0.0, log_ratios))
    return -jnp.sum(probabilities * jnp.where(near, jnp.log1p(jnp.where(near, gain, 0.0)), far), axis=-1)


def log_sum_exp(logs: Any) -> Any:
    """Return log Σ exp over the last axis, which holds at least one finite value."""
    top = jnp.max(logs, axis=-1, keepdims=True)
    return top[..., 0] + jnp.log(jnp.sum(jnp.exp(logs - top), axis=-1))


def pair_log_weights(log_odds: Any) -> Any:
    """Return log a and log(1 − a), stacked last, from log(a / (1 − a))."""
    return jnp.stack([-jnp.logaddexp(0.0, -log_odds), -jnp.logaddexp(0.0, log_odds)], axis=-1)
