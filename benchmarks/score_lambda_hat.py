"""λ̂ = nβ (E[L_n] − L_n(w*)) as lambda_hat has it, written anew in a few lines; nothing of it is installed.

Read in the public repository danmackinlay/lambda_hat, in several stored versions: ``analysis.py`` (the formula, and an
error sd/√ESS), ``samplers/sgld.py`` (the sampler), ``posterior.py`` (β = β₀/log n) and ``config.py`` (its numbers).

In the words of this package: its step is our ε, w ← w − (ε/2)(nβ ∇L + γ(w − w*)) + √ε ξ; its β is our β = 1/log n and
multiplies nL_n; its γ is our γ, 1 unless a prior radius r is given, when it is d/r². It differs from devinterp in four
points: β does not depend on the batch; the loss at w* is that of all data; chains start at w* + 0.01 ξ; and the loss
that is averaged is that of all data, every tenth step. Batches are drawn with replacement. Its loss for regression is
the mean squared error without the half, so a λ̂ of its own has twice our loss at unit variance; here ours is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from arviz_stats.base import array_stats
from score_devinterp_problem import Subject, by_site, mean_loss
from score_devinterp_settings import Setting, n_beta

EVERY = 10
"""Steps from one recorded loss to the next."""
SIZES = ({"method": "bulk"}, {"method": "tail", "prob": (0.05, 0.95)})
"""Effective sample sizes of which it takes the smaller."""
START = 0.01
"""Standard deviation of where chains start, about w*."""


def lambda_hat(losses: np.ndarray, loss_at_optimum: float, factor: float) -> tuple[float, float]:
    """Return λ̂ = nβ (mean L_n − L_n(w*)) and its claimed standard error, sd/√ESS.

    Parameters
    ----------
    losses : (chain, draw) float
        Mean loss over all data at each draw.
    loss_at_optimum : float
        L_n(w*).
    factor : float
        nβ.

    Returns
    -------
    tuple of float
        Dimensionless. ESS is the smaller of ArviZ's bulk and tail.
    """
    values = factor * (np.asarray(losses, dtype=np.float64) - loss_at_optimum)
    bulk, tail = (array_stats.ess(values, chain_axis=0, draw_axis=1, **kind) for kind in SIZES)
    size = min(float(bulk), float(tail))
    return float(values.mean()), float(values.std() / math.sqrt(size))


def sampled_losses(
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    centre: jax.Array,
    n: int,
    setting: Setting,
    factor: float,
    key: jax.Array,
) -> np.ndarray:
    """Return L_n of all data along SGLD chains, (chain, draw), after the burn-in.

    Parameters
    ----------
    loss : callable
        (w, rows) → mean loss over these rows.
    centre : (d,) float
        w*.
    n : int
        Rows in all.
    setting : Setting
    factor : float
        nβ.
    key : jax.Array
    """
    every_row = jnp.arange(n)
    gradient = jax.grad(loss)

    def step(w, key):
        for_rows, for_noise = jax.random.split(key)
        rows = every_row if setting.batch is None else jax.random.randint(for_rows, (setting.batch,), 0, n)
        drift = factor * gradient(w, rows) + setting.gamma * (w - centre)
        noise = jax.random.normal(for_noise, w.shape, w.dtype)
        return w - 0.5 * setting.step * drift + math.sqrt(setting.step) * noise, None

    def record(w, key):
        w, _ = jax.lax.scan(step, w, jax.random.split(key, EVERY))
        return w, loss(w, every_row)

    def chain(key):
        first, rest = jax.random.split(key)
        start = centre + START * jax.random.normal(first, centre.shape, centre.dtype)
        records = (setting.burn_in + setting.draws) // EVERY
        return jax.lax.scan(record, start, jax.random.split(rest, records))[1]

    found = jax.jit(jax.vmap(chain))(jax.random.split(key, setting.chains))
    return np.asarray(found)[:, setting.burn_in // EVERY :]


def estimate(subject: Subject, setting: Setting, seed: int) -> tuple[float, float, str]:
    """Return the estimate, its claimed standard error, and why there is none if so; in 32 bit, as it has it."""
    x, y = jnp.asarray(subject.x, jnp.float32), jnp.asarray(subject.y, jnp.float32)
    flat = np.concatenate([subject.optimum[site["name"]].ravel() for site in subject.about["sites"]])
    centre, factor = jnp.asarray(flat, jnp.float32), n_beta(setting, subject.n)

    def loss(w, rows):
        return mean_loss(subject.family, by_site(w, subject.about), x[rows], y[rows], jnp.tanh)

    losses = sampled_losses(loss, centre, subject.n, setting, factor, jax.random.key(seed))
    if not np.isfinite(losses).all():
        return math.nan, math.nan, "a loss is not finite"
    return *lambda_hat(losses, float(loss(centre, jnp.arange(subject.n))), factor), ""
