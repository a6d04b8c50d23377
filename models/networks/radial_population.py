"""Closed forms of ∫ N(a; 0, I) exp(−t K(a, c)) da for at most two radial units, written so that nothing cancels.

With x ~ N(0, 1), E φ(c) φ(c′) = exp(−(c² + c′²)/3 + c c′/3)/√3. Let d be the distances of the centres from any point;
then minors of the Gram matrix are products of positive factors q² and of minors of exp(d d′/3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

SERIES = 14
"""Largest power of d d′/3 in the series of a minor of three units, for |d| ≤ 1: an error of 1e-15 of the first term."""


def silent(hidden: int) -> Callable[..., Any]:
    """Return (points, t, data) -> log ∫ for truth 0: points c (N, 1), or s, r = (c_1 ± c_2)/√2 (N, 2)."""

    def one(points, t, data):
        return -0.5 * jnp.log1p(t * _square(points[:, 0]))

    def two(points, t, data):
        s, r = points[:, 0], points[:, 1]
        trace = _square((s + r) / math.sqrt(2)) + _square((s - r) / math.sqrt(2))
        minor = -jnp.exp(-(s**2 + r**2) / 3) * jnp.expm1(-2 * r**2 / 3) / 3
        return -0.5 * jnp.log1p(t * trace + t**2 * minor)

    return one if hidden == 1 else two


def beside(hidden: int, outer: float, centre: float) -> Callable[..., Any]:
    """Return (points, t, data) -> log ∫ for the truth of one unit (outer, centre): points are the centres (N, H).

    −½ log P − ½ t outer² Q/P with P = det(I + t G) and Q/P the part of the truth that ridge regression leaves: both
    are polynomials in t of minors, those of Q with the true unit as a further row.
    """

    def collapsed(points, t, data):
        d = points - centre
        scale = jnp.exp(-(2 * points**2 - 2 * centre * points + centre**2) / 3) / math.sqrt(3)  # q², E φ(c)² at d = 0
        own = math.exp(-(centre**2) / 3) / math.sqrt(3)
        alone = scale * jnp.expm1(d**2 / 3) * own
        whole = 1 + t * jnp.sum(scale * jnp.exp(d**2 / 3), axis=1)
        left = own + t * jnp.sum(alone, axis=1)
        if hidden == 2:
            product = scale[:, 0] * scale[:, 1]
            apart = d[:, 0] - d[:, 1]
            whole = whole + t**2 * product * jnp.exp(2 * d[:, 0] * d[:, 1] / 3) * jnp.expm1(apart**2 / 3)
            left = left + t**2 * product * own * _minor(d[:, 0], d[:, 1])
        return -0.5 * jnp.log(whole) - 0.5 * t * outer**2 * left / whole

    return collapsed


def _square(c):
    """Return E φ(c)²."""
    return jnp.exp(-(c**2) / 3) / math.sqrt(3)


def _minor(u, v):
    """Return E(u²) E(v²) − E(u v)², E(z) = exp(z/3) − 1: by Cauchy and Binet where u and v are small."""
    far = jnp.maximum(jnp.abs(u), jnp.abs(v)) > 1.0
    direct = jnp.expm1(u**2 / 3) * jnp.expm1(v**2 / 3) - jnp.expm1(u * v / 3) ** 2
    u, v = jnp.where(far, 0.0, u), jnp.where(far, 0.0, v)
    total = jnp.zeros_like(u)
    gap, common = v - u, (u * v) ** 2
    quotient = [jnp.zeros_like(u)]  # (v^q − u^q)/(v − u)
    for q in range(1, SERIES):
        quotient.append(quotient[-1] * v + u ** (q - 1))
    for j in range(1, SERIES // 2 + 1):
        for k in range(j + 1, SERIES - j + 1):
            factor = 3.0 ** -(j + k) / math.factorial(j) / math.factorial(k)
            total = total + factor * common**j * quotient[k - j] ** 2
    return jnp.where(far, direct, gap**2 * total)
