"""The probability that a normal vector is shorter than a given length, in one or two dimensions."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e, ndtr

ORDER = 40
REACH = 9.0
"""Standard deviations on either side of the mean's length that hold all of the mass."""


def probability_of_smaller(mean: Any, precision: Any, length: Any) -> Any:
    """Return P(|B| < length) for B ~ N(mean, I / precision).

    In one dimension by the normal distribution function; in two, where |B| has Rice's density, by Gauss-Legendre
    over the part of [0, length] that holds any mass, to 1e-12.

    Parameters
    ----------
    mean : (N, 1) or (N, 2)
    precision, length : (N,)

    Returns
    -------
    (N,)
    """
    scale = jnp.sqrt(precision)
    centre = jnp.sqrt(jnp.sum(mean**2, axis=1)) * scale
    bound = length * scale
    if mean.shape[1] == 1:
        return ndtr(bound - centre) - ndtr(-bound - centre)
    base, weights = np.polynomial.legendre.leggauss(ORDER)
    low = jnp.maximum(centre - REACH, 0.0)
    high = jnp.minimum(bound, centre + REACH)
    half = 0.5 * jnp.maximum(high - low, 0.0)
    rho = low[:, None] + half[:, None] * (base + 1)
    rice = rho * jnp.exp(-0.5 * (rho - centre[:, None]) ** 2) * i0e(rho * centre[:, None])
    return jnp.minimum(half * jnp.sum(rice * weights, axis=1), 1.0)
