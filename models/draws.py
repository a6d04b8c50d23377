"""Data are drawn in float64 by NumPy, whatever JAX's precision is, and row by row."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def standard_normals(key: Any, n: int, columns: int) -> np.ndarray:
    """Draw an (n, columns) float64 array of independent standard normals.

    Rows are drawn one after the other, so the first rows for a larger n are those of a smaller n: a
    study over n watches one data set grow.

    Parameters
    ----------
    key : JAX key
        Typed (``jax.random.key``) or raw (``jax.random.PRNGKey``).
    n, columns : int
        Number of observations and of variables.

    Examples
    --------
    >>> key = jax.random.key(0)
    >>> bool((standard_normals(key, 5, 2) == standard_normals(key, 9, 2)[:5]).all())
    True
    """
    return _generator(key).standard_normal((n, columns))


def _generator(key: Any) -> np.random.Generator:
    raw = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    return np.random.default_rng(np.asarray(raw, dtype=np.uint32))
