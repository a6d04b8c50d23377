"""Reduced-rank regression and factor analysis by their sufficient statistics: the same nll at a cost without n.

The likelihood enters as a ``numpyro.factor`` and has all its normalising constants, so that nll, F, WBIC and BIC are
those of the rows. Only WAIC and leave-one-out need the rows themselves.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data


def regression_sums(data: Data) -> Data:
    """Return xᵀx, yᵀx, |y|² and n as arrays: n is data like the others, no part of the program."""
    x, y = data["x"], data["y"]
    return {"xx": x.T @ x, "yx": y.T @ x, "yy": np.sum(y**2), "count": np.array(float(len(y)))}


def factor_sums(data: Data) -> Data:
    """Return yᵀy and n as arrays."""
    return {"yy": data["y"].T @ data["y"], "count": np.array(float(len(data["y"])))}


def reduced_rank_by_sums(hidden: int):
    """Return the density of ``models.reduced_rank`` with ``hidden`` units, for `regression_sums`."""

    def density(xx, yx, yy, count):
        outputs, inputs = yx.shape
        a = jnp.asarray(numpyro.sample("A", dist.Normal(0.0, 1.0).expand([hidden, inputs]).to_event(2)))
        b = jnp.asarray(numpyro.sample("B", dist.Normal(0.0, 1.0).expand([outputs, hidden]).to_event(2)))
        c = jnp.matmul(b, a)
        squares = yy - 2 * jnp.sum(c * yx) + jnp.sum(jnp.matmul(c, xx) * c)
        numpyro.factor("y", -0.5 * squares - 0.5 * count * outputs * math.log(2 * math.pi))

    return density


def factor_analysis_by_sums(factors: int):
    """Return the density of ``models.factor_analysis`` with ``factors`` factors, or none, for `factor_sums`.

    With W = Ψ^(−½) Λ and S = Ψ^(−½) yᵀy Ψ^(−½): log det Σ = log det Ψ + log det M and
    tr Σ⁻¹ yᵀy = tr S − tr M⁻¹ Wᵀ S W, M = I + Wᵀ W.
    """

    def density(yy, count):
        observed = yy.shape[0]
        loadings = None
        if factors:
            loadings = numpyro.sample("loadings", dist.Normal(0.0, 1.0).expand([observed, factors]).to_event(2))
        log_variances = jnp.asarray(
            numpyro.sample("log_variances", dist.Normal(0.0, 1.0).expand([observed]).to_event(1))
        )
        scale = jnp.exp(-log_variances / 2)
        scatter = yy * scale[:, None] * scale
        log_determinant, squares = jnp.sum(log_variances), jnp.trace(scatter)
        if loadings is not None:
            w = jnp.asarray(loadings) * scale[:, None]
            lower = jnp.linalg.cholesky(jnp.eye(factors) + jnp.matmul(w.T, w))
            half = jax.scipy.linalg.solve_triangular(lower, w.T, lower=True)
            log_determinant = log_determinant + 2 * jnp.sum(jnp.log(jnp.diagonal(lower)))
            squares = squares - jnp.sum(jnp.matmul(half, scatter) * half)
        constant = observed * math.log(2 * math.pi)
        numpyro.factor("y", -0.5 * (squares + count * (log_determinant + constant)))

    return density
