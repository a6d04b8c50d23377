"""The closed form that removes linear weights: a Gaussian block under a Gaussian prior."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

WRITTEN_OUT = 4
"""Largest block whose elimination is written out: faster there than a batch of factorisations, and beyond it would take
seconds to compile."""


def log_gaussian_block(gram: Any, moment: Any, beta: Any) -> Any:
    """Return log ∫ N(a; 0, I) exp(β (aᵀ h − aᵀ G a / 2)) da, in nats.

    = −½ log |I + β G| + ½ β² hᵀ (I + β G)⁻¹ h, differentiable in β, at β = 0 too. Up to the size `WRITTEN_OUT` by an
    elimination that is elementwise over the batch, beyond by Cholesky's factor.

    Parameters
    ----------
    gram : (..., k, k)
        G = Φᵀ Φ, symmetric positive semi-definite.
    moment : (..., k) or (..., k, r)
        h = Φᵀ y; with a last axis of r independent outputs, each with its own a, the logs are summed.
    beta : float
        Inverse temperature.

    Returns
    -------
    (...)
    """
    size = gram.shape[-1]
    moments = moment[..., None] if moment.ndim == gram.ndim - 1 else moment
    if size > WRITTEN_OUT:
        return _by_factor(jnp.asarray(gram), jnp.asarray(moments), beta)
    outputs = moments.shape[-1]
    rows = [[beta * gram[..., i, j] + float(i == j) for j in range(size)] for i in range(size)]
    right = [beta * moments[..., i, :] for i in range(size)]
    log_determinant = 0.0
    quadratic = 0.0
    for i in range(size):
        pivot = rows[i][i]
        log_determinant = log_determinant + jnp.log(pivot)
        quadratic = quadratic + jnp.sum(right[i] ** 2, axis=-1) / pivot
        for j in range(i + 1, size):
            ratio = rows[j][i] / pivot
            right[j] = right[j] - ratio[..., None] * right[i]
            for k in range(i + 1, size):
                rows[j][k] = rows[j][k] - ratio * rows[i][k]
    return 0.5 * (quadratic - outputs * log_determinant)


def _by_factor(gram: Any, moments: Any, beta: Any) -> Any:
    root = jnp.linalg.cholesky(jnp.eye(gram.shape[-1]) + beta * gram)
    half = jax.scipy.linalg.solve_triangular(root, beta * moments, lower=True)
    log_root = jnp.sum(jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)), axis=-1)
    return 0.5 * jnp.sum(half**2, axis=(-2, -1)) - moments.shape[-1] * log_root


def log_noise(y: Any, beta: Any) -> Any:
    """Return β log N(y; 0, I), the part of a unit-noise likelihood that no weight enters, in nats."""
    return -0.5 * beta * (y.size * math.log(2 * math.pi) + jnp.sum(y**2))
