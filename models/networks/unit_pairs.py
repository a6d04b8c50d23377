"""What networks share whose units are silent at no inner weight: two units cancel, or both outer weights are 0.

Two inner weights b ~ N(0, I) are taken as s, r = (b_1 ± b_2)/√2 with r > 0, and the outer weights as (a_1 ± a_2)/√2,
which are N(0, I) too: the features of the second, (φ_1 − φ_2)/√2, are of the order of r and known to all digits, so
that nothing cancels on the ridge where the units agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from singular.models.base import Data, Nodes
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.networks.hidden_layer import CROSSING, FAR

SIDE = np.concatenate([np.arange(0.5, 3.1, 0.5), [4.0, 5.0, 6.5, 8.0, 9.5]])
"""Panel edges of a weight that has no scale but the prior's, out to nine and a half of its standard deviations."""
FINEST = 2.0**-27
"""Width of the panel next to r = 0 for infinite data; about n^(−1/2) else."""
REACH = 60.0
"""Nodes whose log weight is less than the largest by more than this are left out."""

Sums = Callable[[Any, Mapping[str, Any]], tuple[Any, Any]]
"""(nodes (N, …), data) -> ΦᵀΦ (N, k, k) and Φᵀy (N, k) of the features of the outer weights, as these are turned."""


def one_unit_nodes(order: int) -> Nodes:
    """Return panels for one inner weight b ~ N(0, 1) of both signs."""
    rule = rules.panels(np.concatenate([-SIDE[::-1], [0.0], SIDE]), order)
    return Nodes(rule.points[:, None], rule.log_weights + rules.log_normal_density(rule.points))


def pair_nodes(order: int, data: Data, others: int = 1) -> Nodes:
    """Return nodes (s, r), r > 0 graded towards 0: s ~ N(0, 1), r the length of ``others`` such variables.

    For two units r = |b_1 − b_2|/√2. Of H units, s = Σ_h b_h/√H and r, with H − 1 degrees of freedom, are the mean and
    the spread of the inner weights.
    """
    finest = 0.5 / math.sqrt(len(data["x"]) + 4.0) if data else FINEST
    spread = rules.panels(np.concatenate([rules.graded_edges(finest, CROSSING), FAR, FAR[-1] + SIDE[1:4:2]]), order)
    constant = math.log(2) * (1 - others / 2) - math.lgamma(others / 2)

    def log_density(s, r):
        return rules.log_normal_density(s) + (others - 1) * np.log(r) - 0.5 * r**2 + constant

    along = rules.panels(np.concatenate([-SIDE[::-1], [0.0], SIDE]), order)
    points, log_weights = rules.tensor(along, spread, log_density=log_density)
    keep = log_weights > log_weights.max() - REACH
    return Nodes(points[keep], log_weights[keep])


def log_likelihood(sums: Sums) -> Callable[..., Any]:
    """Return (points, β, data) -> log ∫ N(a; 0, I) p(y | a, b)^β da, (N,)."""

    def collapsed(points, beta, data):
        gram, moment = sums(points, data)
        return log_gaussian_block(gram, moment, beta) + log_noise(data["y"], beta)

    return collapsed


def pair_phases(inner: str) -> Mapping[str, Callable[..., Any]]:
    """Return the two parts of the optimal set of two units with truth 0, by which of its sheets is nearer.

    ``silent``: |a_1 − a_2| < |b_1 − b_2|, about a = 0; ``cancelling``: the rest, about b_1 = b_2, a_1 = −a_2.
    """

    def silent(w):
        a, b = w["a"], w[inner]
        return abs(a[..., 0] - a[..., 1]) < abs(b[..., 0] - b[..., 1])

    return {"silent": silent, "cancelling": lambda w: ~silent(w)}


def pair_regions(sums: Sums) -> Mapping[str, Callable[..., Any]]:
    """Return the posterior probabilities of `pair_phases` at the nodes (s, r): (a_1 − a_2)/√2 is normal given those."""

    def silent(points, beta, data):
        gram, moment = sums(points, data)
        first, both = 1 + beta * gram[:, 0, 0], beta * gram[:, 0, 1]
        precision = 1 + beta * gram[:, 1, 1] - both**2 / first
        mean = (beta * moment[:, 1] - both * beta * moment[:, 0] / first) / precision
        width, root = points[:, 1], jnp.sqrt(precision)
        return ndtr((width - mean) * root) - ndtr((-width - mean) * root)

    return {"silent": silent, "cancelling": lambda *given: 1 - silent(*given)}
