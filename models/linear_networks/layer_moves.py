"""Moves of linear networks y ~ N(W_L ⋯ W_1 x, σ² I), every weight ~ N(0, s²).

Each layer is drawn from its exact conditional, and each pair of neighbours moves along the orbit of GL(r) between them,
which the likelihood does not see.

At inverse temperature β the conditional of a layer is that of a regression with noise variance σ²/β. Along the orbit
(B, A) → (B G⁻¹, G A) the density is the prior's alone, with respect to Haar measure: |det G|^(columns of A − rows of B)
is the Jacobian. G is made of a random rotation, a scaling of each unit and shears of pairs of units, each a generalised
Gibbs step on a one-parameter group.

Liu & Sabatti (2000), Biometrika 87, 353-369: generalised Gibbs sampling on orbits of a group, with Haar measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from singular.models.scaling_move import log_scalings
from singular.models.small_product import product
from singular.models.structure import Move, Sums, Values

TURNS = 3
"""Random rotations in one orbit move, each with its scalings and shears."""


def layer_moves(sites: Sequence[str], widths: Sequence[int], scale: float = 1.0) -> dict[str, Move]:
    """Return the moves of a linear network: for each hidden layer its orbit, then each layer from its conditional.

    Parameters
    ----------
    sites : sequence of str
        From the inputs outwards: W_1, …, W_L, W_s of shape widths[s] × widths[s − 1].
    widths : sequence of int
    scale : float
        s, standard deviation of every weight's prior.
    """
    moves = {}
    for inner, outer in pairwise(sites):
        moves[f"orbit of {outer} and {inner}"] = Move((), partial(_orbit, outer, inner, scale))
    for place, site in enumerate(sites):
        moves[f"{site} given the others"] = Move((site,), partial(_layer, tuple(sites), place, scale))
    return moves


def _layer(sites: tuple[str, ...], place: int, scale: float, key: Any, w: Values, beta: Any, sums: Sums) -> dict:
    """Draw W_k given the others: L W_k R fits YᵀX, and its prior precision is 1/s² in every entry.

    With LᵀL = U diag(d) Uᵀ and R XᵀX Rᵀ = V diag(e) Vᵀ the entries of Uᵀ W_k V are independent, of precision
    1/s² + β d_i e_j/σ².
    """
    left, right = jnp.eye(sums.y.shape[1]), jnp.asarray(sums.x).T
    for site in sites[:place]:
        right = product(w[site], right)
    for site in reversed(sites[place + 1 :]):
        left = product(left, w[site])
    strength = beta / sums.noise**2
    rows, u = jnp.linalg.eigh(product(left.T, left))
    columns, v = jnp.linalg.eigh(product(right, right.T))
    precision = scale**-2 + strength * jnp.maximum(rows, 0.0)[:, None] * jnp.maximum(columns, 0.0)
    seen = product(product(left.T, jnp.asarray(sums.y).T), right.T)
    moment = strength * product(product(u.T, seen), v)
    noise = jax.random.normal(key, moment.shape, moment.dtype)
    drawn = product(product(u, moment / precision + noise / jnp.sqrt(precision)), v.T)
    return {sites[place]: drawn}


def _orbit(outer: str, inner: str, scale: float, key: Any, w: Values, beta: Any, sums: Any) -> dict:
    """Move (B, A) along (B G⁻¹, G A)."""
    start = (w[outer] / scale, w[inner] / scale)
    b, a = jax.lax.fori_loop(0, TURNS, lambda turn, both: _turned(jax.random.fold_in(key, turn), *both), start)
    return {outer: b * scale, inner: a * scale}


def _turned(key: Any, b: Any, a: Any) -> tuple[Any, Any]:
    """Turn by a uniform rotation, which the prior does not see; then scale each unit, then shear each ordered pair."""
    units = a.shape[0]
    rotate, stretch, shear = jax.random.split(key, 3)
    q = jax.random.orthogonal(rotate, units, dtype=a.dtype)
    b, a = product(b, q.T), product(q, a)
    log_scale = log_scalings(stretch, jnp.sum(a**2, axis=1), jnp.sum(b**2, axis=0), a.shape[1] - b.shape[0])
    a, b = a * jnp.exp(log_scale)[:, None], b * jnp.exp(-log_scale)
    return (b, a) if units == 1 else _sheared(shear, b, a)


def _sheared(key: Any, b: Any, a: Any) -> tuple[Any, Any]:
    """Add t times row j of A to row i, and take t times column i of B from column j, for every pair i ≠ j in turn.

    Such steps have determinant 1, and the prior is quadratic in t: t is normal. Where row j and column i are 0 no t
    changes anything, and none is taken.
    """
    first, second = (jnp.asarray(index) for index in np.nonzero(~np.eye(a.shape[0], dtype=bool)))
    noise = jax.random.normal(key, first.shape, a.dtype)

    def shear(pair, both):
        b, a = both
        i, j = first[pair], second[pair]
        precision = a[j] @ a[j] + b[:, i] @ b[:, i]
        safe = jnp.where(precision > 0, precision, 1.0)
        t = (b[:, j] @ b[:, i] - a[i] @ a[j]) / safe + noise[pair] / jnp.sqrt(safe)
        return b.at[:, j].add(-t * b[:, i]), a.at[i].add(t * a[j])

    return jax.lax.fori_loop(0, first.size, shear, (b, a))
