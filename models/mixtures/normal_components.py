"""Normal components of unit variance: the log likelihood of data, and the divergence from a true mixture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import ndtri, xlogy

from singular.models.base import Data
from singular.models.draws import standard_normals
from singular.models.mixtures.ratios import divergence, log_sum_exp

SPREAD = 2.0
"""Prior standard deviation of a component's mean."""

REACH = 9.0
"""The divergence is summed over y from −REACH to REACH about the true means: the rest weighs 1e-18."""

FINENESS = 1.0 / 16.0
"""Step of that sum, a trapezoid rule. Its error is of the order of exp(−2 π² / (step × distance of the means)):
1e-13 for means 10 apart."""

FACTORS = 1000
"""Factors of at most 2 that a product in float64 may hold."""


def observe(log_weights: Any, means: Any, y: Any, n: int) -> None:
    """Add the observed site ``y`` of a NumPyro model: n draws from the mixture, labels summed out.

    Parameters
    ----------
    log_weights : (H,)
        Logs of the weights, up to one constant.
    means : (H,)
    y : (n,) or None
    n : int
        Number of observations where ``y`` is None.
    """
    components = dist.MixtureSameFamily(dist.Categorical(logits=log_weights), dist.Normal(means, 1.0))
    with numpyro.plate("observations", n if y is None else y.shape[0]):
        numpyro.sample("y", components, obs=y)


def simulate_normals(true_means: Sequence[float] | np.ndarray = (0.0,)):
    """Return a simulator of a mixture of N(μ_k, 1) of equal weights: which one, then where, row by row."""
    centres = np.asarray(true_means, dtype=float)

    def simulate(key, n: int) -> Data:
        if len(centres) == 1:
            return {"y": centres[0] + standard_normals(key, n, 1)[:, 0]}
        noise, chooser = standard_normals(key, n, 2).T
        cuts = ndtri(np.arange(1, len(centres)) / len(centres))
        return {"y": centres[np.searchsorted(cuts, chooser)] + noise}

    return simulate


def pair_log_likelihood(logit: Any, b: Any, c: Any, y: Any) -> Any:
    """Return Σ_i log(a N(y_i; b, 1) + (1 − a) N(y_i; c, 1)), (N,), in nats, for ``logit`` = log(a / (1 − a)).

    One exponential for each parameter and observation: the factors 1 + exp(−|d_i|) are multiplied before
    the logarithm is taken.
    """
    offset = logit - 0.5 * (b**2 - c**2)
    total = len(y) * -(jnp.logaddexp(0.0, logit) + 0.5 * math.log(2 * math.pi))
    total = total - 0.5 * jnp.sum((y - c[:, None]) ** 2, axis=1)
    for part in (y[i : i + FACTORS] for i in range(0, len(y), FACTORS)):
        d = offset[:, None] + (b - c)[:, None] * part
        total = total + jnp.sum(jnp.maximum(d, 0.0), axis=1) + jnp.log(jnp.prod(1 + jnp.exp(-jnp.abs(d)), axis=1))
    return total


def excess_over_one(log_weights: Any, means: Any) -> Any:
    """Return KL(N(0, 1) ‖ Σ_j a_j N(b_j, 1)), nats, for log weights and means of shape (..., H).

    The density ratio is 1 + Σ_j a_j (exp(b_j y − b_j²/2) − 1), so that nothing cancels near K = 0.
    """
    y, weights = _grid((0.0,))
    log_ratios = means[..., None, :] * y[:, None] - 0.5 * means[..., None, :] ** 2
    return divergence(log_weights, log_ratios, weights)


def excess_over_mixture(log_weights: Any, means: Any, true_means: Sequence[float] | np.ndarray) -> Any:
    """Return KL(mixture of N(μ_k, 1) of equal weights ‖ Σ_j a_j N(b_j, 1)), nats, for shapes (..., H)."""
    y, weights = _grid(true_means)
    constant = float(np.sum(xlogy(weights, weights))) - math.log(FINENESS) * float(np.sum(weights))
    logs = log_weights[..., None, :] - 0.5 * (y[:, None] - means[..., None, :]) ** 2 - 0.5 * math.log(2 * math.pi)
    return constant - jnp.sum(weights * log_sum_exp(logs), axis=-1)


def _grid(true_means: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes y, and step × q(y)."""
    centres = np.asarray(true_means, dtype=float)
    y = np.arange(centres.min() - REACH, centres.max() + REACH + FINENESS / 2, FINENESS)
    density = np.exp(-0.5 * (y[:, None] - centres) ** 2).mean(axis=1) / math.sqrt(2 * math.pi)
    return y, FINENESS * density
