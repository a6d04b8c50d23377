"""Three layers between two inputs and two outputs, in the population: the smallest network without a bottleneck."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from singular.models.base import Data, Integral, Nodes
from singular.models.integrals import rules
from singular.models.linear_networks import linear_scales as scales


def three_layers_of_two(hidden: int) -> Integral:
    """Return log Z(t) = log E exp(−½ t ‖W_3 W_2 W_1‖²) for widths 2, 2, hidden, 2 and truth 0.

    Given P = W_2 W_1, the rows of W_3 leave |I + t P Pᵀ|^(−1). With norms R_i and shapes δ_i = 2 σ₁ σ₂/R_i² of
    the two matrices, e_i = √(1 − δ_i²), p = R_1 R_2 and the angle φ between them, uniform,

    |I + t P Pᵀ| = 1 + ½ t p² (1 + e_1 e_2 cos φ) + t² p⁴ δ_1² δ_2²/16,

    whose inverse has a mean over φ in closed form: 1/√((A − B)(A + B)). Norms and shapes are independent; three
    dimensions remain.

    Parameters
    ----------
    hidden : int
        Width of the second hidden layer, at least 2.
    """

    def nodes(data: Data, level: int) -> Nodes:
        norm = scales.chi_product([4, 2 * hidden], (0.2, 0.25)[-level], smallest=1e-6)
        shape = rules.unit_interval((0.06, 0.075)[-level], extent=2.9)
        grids = np.meshgrid(norm.points, shape.points, shape.points, indexing="ij")
        second = shape.log_weights + np.log(hidden - 1) + (hidden - 2) * np.log(shape.points)
        log_weights = norm.log_weights[:, None, None] + shape.log_weights[:, None] + second
        keep = log_weights > log_weights.max() - 80.0
        return Nodes(np.stack([g[keep] for g in grids], axis=-1), log_weights[keep])

    def log_likelihood(points, t, data):
        spread = 0.5 * t * points[:, 0] ** 2
        one, two = points[:, 1] ** 2, points[:, 2] ** 2
        both = jnp.sqrt((1 - one) * (1 - two))
        apart = (one + two - one * two) / (1 + both)  # 1 − e_1 e_2 without its cancellation
        level = 1 + 0.25 * spread**2 * one * two
        return -0.5 * (jnp.log(level + spread * apart) + jnp.log(level + spread * (1 + both)))

    return Integral(nodes, log_likelihood, "W3 and an angle in closed form, 3-D rule over norms and shapes")
