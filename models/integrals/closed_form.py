"""What integrals done in closed form have in common."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from singular.models.base import Data, Nodes


def one_node(data: Data, level: int) -> Nodes:
    """Return the rule of an integral of which nothing is left: one node without coordinates, weight 1."""
    return Nodes(np.zeros((1, 0)), np.zeros(1))


def log_gaussian_population(curvatures: np.ndarray, truth: np.ndarray, size: Any) -> Any:
    """Return log ∫ N(w; 0, I) exp(−½ t (w − w0)ᵀ H (w − w0)) dw in the eigenbasis of H, nats.

    Written so that nothing cancels, whatever t is.

    Parameters
    ----------
    curvatures : (d,) float
        Eigenvalues of H, at least 0.
    truth : (d,) float
        w0 in the eigenbasis.
    size : float
        t ≥ 0.
    """
    growth = size * curvatures
    return -0.5 * jnp.sum(jnp.log1p(growth) + growth / (1 + growth) * truth**2)


def stirling_remainder(z: Any) -> Any:
    """Return log Γ(z) − [(z − ½) log z − z + ½ log 2π] for z > 0, to about 1e-15 absolute.

    The bracket holds all that is large; a difference of log Γ written with it does not cancel.
    """
    far = jnp.maximum(z, 30.0)
    series = 1 / (12 * far) - 1 / (360 * far**3) + 1 / (1260 * far**5)
    near = jnp.minimum(z, 30.0)
    direct = gammaln(near) - ((near - 0.5) * jnp.log(near) - near + 0.5 * math.log(2 * math.pi))
    return jnp.where(z > 30.0, series, direct)
