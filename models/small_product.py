"""Products of small matrices, written out: a compiler calls a library for each product of four by four and more.

The call takes longer than the arithmetic, and the sums written out are compiled together with what is around them.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

MOST = 1024
"""Products of pairs of numbers, at most. Up to three times as many would still gain; from four times on they lose."""


def product(left: Any, right: Any) -> Any:
    """Return the matrix product of two JAX arrays, sums written out where they are small.

    Parameters
    ----------
    left, right : (a, b), (b, c)

    Returns
    -------
    (a, c)

    Examples
    --------
    >>> product(jnp.eye(2), jnp.full((2, 1), 3.0)).tolist()
    [[3.0], [3.0]]
    """
    left, right = jnp.asarray(left), jnp.asarray(right)
    if left.shape[0] * right.size > MOST:
        return left @ right
    return jnp.sum(left[:, :, None] * right[None], axis=1)
