"""What networks of one hidden layer share: y ~ N(Σ_h a_h φ(b_h x), 1), linear in a once b is given."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from singular.models.base import Nodes
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_gaussian_block, log_noise

CROSSING = 0.5
"""Half the side of the square around a = b = 0 that the phases of one unit call the crossing."""
FAR = (0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0)
"""Panel edges from the crossing out to nine prior standard deviations."""
NEAR = 0.5
"""How far a unit may be from the true one, in what is inside it, to count as sharing it."""

Feature = Callable[[Any, Any], Any]
"""φ(b, x) for inner weights (..., H) and inputs (Q,): (..., H, Q)."""


def log_likelihood(feature: Feature) -> Callable[..., Any]:
    """Return (points, β, data) -> log ∫ N(a; 0, I) p(y | a, b)^β da at inner weights (N, H), (N,)."""

    def collapsed(points, beta, data):
        x, y = data["x"], data["y"]
        features = feature(points, x)
        gram = jnp.einsum("Nhi,Nki->Nhk", features, features)
        return log_gaussian_block(gram, features @ y, beta) + log_noise(y, beta)

    return collapsed


def log_population(feature: Feature, x: np.ndarray, weights: np.ndarray, truth: np.ndarray) -> Callable[..., Any]:
    """Return (points, t, data) -> log ∫ N(a; 0, I) exp(−t K(a, b)) da.

    Parameters
    ----------
    feature : Feature
    x, weights : (Q,)
        A rule for the mean over inputs.
    truth : (Q,)
        The true regression function at x.
    """
    roots = np.sqrt(weights)
    power = float(np.sum(weights * truth**2))

    def collapsed(points, t, data):
        features = feature(points, x) * roots
        gram = jnp.einsum("Nhi,Nki->Nhk", features, features)
        return log_gaussian_block(gram, features @ (roots * truth), t) - 0.5 * t * power

    return collapsed


def excess_loss(feature: Feature, x: np.ndarray, weights: np.ndarray, truth: np.ndarray) -> Callable[..., Any]:
    """Return w -> ½ E_x (Σ_h a_h φ(b_h x) − truth)² by the rule (x, weights) for the mean over inputs."""

    def excess(w):
        gap = jnp.einsum("...h,...hq->...q", w["a"], feature(w["b"], x)) - truth
        return 0.5 * jnp.sum(weights * gap**2, axis=-1)

    return excess


def normal_inputs(step: float = 0.05, reach: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    """Return x > 0 and weights of the trapezoid rule for E g(x), x ~ N(0, 1), of an even g with g(0) = 0.

    Spectrally accurate: with the default step E tanh(b x) tanh(c x) is exact to 1e-11 for |b|, |c| ≤ 5
    and to 3e-9 for |b|, |c| ≤ 9.
    """
    x = step * np.arange(1, round(reach / step) + 1)
    return x, 2 * step * np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)


def one_unit_nodes(order: int, both_signs: bool = False, reach: tuple[float, ...] = ()) -> Nodes:
    """Return panels for one inner weight b ~ N(0, 1), edged where the phases of one unit change.

    Parameters
    ----------
    order : int
        Nodes of each panel.
    both_signs : bool
        Whether b < 0 has its own nodes, or is folded onto b > 0.
    reach : tuple of float
        More panel edges, beyond the ninth prior standard deviation.
    """
    edges = np.concatenate([rules.graded_edges(2.0**-26, CROSSING), FAR, reach])
    rule = rules.panels(edges, order)
    log_weights = rule.log_weights + rules.log_normal_density(rule.points)
    if not both_signs:
        return Nodes(rule.points[:, None], log_weights + math.log(2.0))
    return Nodes(np.concatenate([-rule.points[::-1], rule.points])[:, None],
                 np.concatenate([log_weights[::-1], log_weights]))  # fmt: skip


def symmetric_nodes(points: np.ndarray, log_weights: np.ndarray, units: int) -> Nodes:
    """Return the product of one rule with itself for an integrand that permutations leave alone.

    Of the nodes that are permutations of each other one is kept, with the weight of all of them.

    Parameters
    ----------
    points, log_weights : (N,)
        The rule of one coordinate, prior density included.
    units : int
        Number of coordinates.
    """
    index = np.indices((len(points),) * units).reshape(units, -1).T
    index = index[(np.diff(index, axis=1) >= 0).all(axis=1)]
    sums = log_weights[index].sum(axis=1) + _log_arrangements(index)
    keep = sums > sums.max() - 50.0
    return Nodes(points[index[keep]], sums[keep])


def _log_arrangements(index: np.ndarray) -> np.ndarray:
    """Return the log number of distinct permutations of each sorted row."""
    units = index.shape[1]
    equal = np.diff(index, axis=1) == 0
    values = np.full(len(index), math.log(math.factorial(units)))
    for pattern in itertools.product([False, True], repeat=units - 1):
        if any(pattern):
            runs = Counter(np.cumsum([0, *(not same for same in pattern)]).tolist())
            repeats = math.prod(math.factorial(run) for run in runs.values())
            values[(equal == np.array(pattern)).all(axis=1)] -= math.log(repeats)
    return values


def one_unit_phases() -> Mapping[str, Callable[..., Any]]:
    """Return the parts of a φ(b x) = 0: both weights small, the output weight nearer to 0, the input weight nearer."""

    def sizes(w):
        return abs(w["a"][..., 0]), abs(w["b"][..., 0])

    def crossing(w):
        a, b = sizes(w)
        return (a < CROSSING) & (b < CROSSING)

    def output_off(w):
        a, b = sizes(w)
        return (a < b) & ~crossing(w)

    def input_off(w):
        a, b = sizes(w)
        return (a >= b) & ~crossing(w)

    return {"crossing": crossing, "output-off": output_off, "input-off": input_off}


def one_unit_regions(feature: Feature) -> Mapping[str, Callable[..., Any]]:
    """Return the posterior probabilities of `one_unit_phases` given b: a normal distribution of a."""

    def within(points, beta, data, half_width):
        features = feature(points, data["x"])[:, 0]
        precision = 1 + beta * jnp.sum(features**2, axis=1)
        mean, scale = beta * (features @ data["y"]) / precision, precision**-0.5
        return ndtr((half_width - mean) / scale) - ndtr((-half_width - mean) / scale)

    def size(points):
        return jnp.abs(points[:, 0])

    def crossing(points, beta, data):
        return jnp.where(size(points) < CROSSING, within(points, beta, data, CROSSING), 0.0)

    def output_off(points, beta, data):
        return jnp.where(size(points) < CROSSING, 0.0, within(points, beta, data, size(points)))

    def input_off(points, beta, data):
        return 1 - within(points, beta, data, jnp.maximum(size(points), CROSSING))

    return {"crossing": crossing, "output-off": output_off, "input-off": input_off}


def sharing(site: str, distance: Callable[[Any], Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the phases ``shared``, all units within `NEAR` of the true one, and ``spare``, and their shares.

    Parameters
    ----------
    site : str
        What is inside the units: (..., H).
    distance : array -> array
        Of what is inside from that of the true unit.
    """

    def shared(w):
        return (distance(w[site]) < NEAR).all(axis=-1)

    def share(points, beta, data):
        return jnp.all(distance(points) < NEAR, axis=1).astype(points.dtype)

    return (
        {"shared": shared, "spare": lambda w: ~shared(w)},
        {"shared": share, "spare": lambda points, beta, data: 1 - share(points, beta, data)},
    )
