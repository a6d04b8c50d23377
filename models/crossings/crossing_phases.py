"""The named parts of the optimal set of a monomial, and their exact masses given what is left for quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

CROSSING = 0.5
"""Half the side of the square or cube around the crossing, in prior standard deviations."""

Regions = dict[str, Callable[..., Any]]


def phases_of(powers: tuple[int, ...]) -> Regions:
    """Return the phases of y ~ N(Π w_i^k_i x, 1) as functions of the parameters, see `monomial`."""
    if powers == (1, 1, 1):

        def small(w):
            return sum((abs(w[site]) < CROSSING) * 1 for site in ("w1", "w2", "w3"))

        return {"corner": lambda w: small(w) == 3, "edge": lambda w: small(w) == 2, "face": lambda w: small(w) < 2}
    if len(powers) != 2:
        return {}

    def size(w):
        return abs(w["w1"]), abs(w["w2"])

    def crossing(w):
        first, second = size(w)
        return (first < CROSSING) & (second < CROSSING)

    def first_larger(w):
        first, second = size(w)
        return first >= second

    if powers == (1, 1):
        return {
            "crossing": crossing,
            "w1-axis": lambda w: first_larger(w) & ~crossing(w),
            "w2-axis": lambda w: ~first_larger(w) & ~crossing(w),
        }
    return {"w1=0": lambda w: ~first_larger(w), "w2=0": first_larger}


def regions_of(powers: tuple[int, ...], within: Callable[..., Any]) -> Regions:
    """Return the probability of each phase given the parameters left for quadrature.

    Parameters
    ----------
    powers : tuple of int
        The exponents.
    within : (points, beta, data, half_width) -> (N,)
        Posterior probability that the parameter integrated in closed form is smaller than ``half_width``.
    """

    def other(points):
        return points[:, 0]

    if powers == (1, 1):

        def crossing(points, beta, data):
            return jnp.where(other(points) < CROSSING, within(points, beta, data, CROSSING), 0.0)

        def w1_axis(points, beta, data):
            return 1 - within(points, beta, data, jnp.maximum(other(points), CROSSING))

        def w2_axis(points, beta, data):
            return jnp.where(other(points) < CROSSING, 0.0, within(points, beta, data, other(points)))

        return {"crossing": crossing, "w1-axis": w1_axis, "w2-axis": w2_axis}

    if len(powers) == 2 and 1 in powers:

        def pivot_smaller(points, beta, data):
            return within(points, beta, data, other(points))

        def pivot_larger(points, beta, data):
            return 1 - within(points, beta, data, other(points))

        return dict(zip(("w1=0", "w2=0") if powers[0] == 1 else ("w2=0", "w1=0"),
                        (pivot_smaller, pivot_larger), strict=True))  # fmt: skip

    if powers == (1, 1, 1):

        def small(points):
            return jnp.sum(points < CROSSING, axis=1)

        def corner(points, beta, data):
            return jnp.where(small(points) == 2, within(points, beta, data, CROSSING), 0.0)

        def edge(points, beta, data):
            inside = within(points, beta, data, CROSSING)
            return jnp.select([small(points) == 2, small(points) == 1], [1 - inside, inside], 0.0)

        def face(points, beta, data):
            inside = within(points, beta, data, CROSSING)
            return jnp.select([small(points) == 2, small(points) == 1], [0.0, 1 - inside], 1.0)

        return {"corner": corner, "edge": edge, "face": face}

    if len(powers) == 2 and powers[0] != powers[1]:

        def first_smaller(points, beta, data):
            return jnp.where(points[:, 0] < points[:, 1], 1.0, 0.0)

        def first_larger(points, beta, data):
            return jnp.where(points[:, 0] >= points[:, 1], 1.0, 0.0)

        return {"w1=0": first_smaller, "w2=0": first_larger}

    if len(powers) == 2:

        def half(points, beta, data):
            return jnp.full(points.shape[0], 0.5)

        return {"w1=0": half, "w2=0": half}
    return {}
