"""Free energies of the polygons by Laplace's method: to order one for large n, and at a finite n with soft edges.

At size s = n/σ² without noise of data, the evidence of a polygon is the integral of φ(w) exp(−s K(w)), K half the mean
squared error. A polygon with all labels is many copies of one circle (the rotations of W): c!/c = 120 circles of
hexagons; 6 · 5!/5 = 144 of pentagons, one for each feature that is left out and each order of the others. Across a
circle the integral is normal. The pentagon leaves three directions flat, the column and the bias of the feature that is
left out, wherever these switch nothing on; that volume counts with the prior's mass in it.
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import norm

from singular.analysis.phase_law import PhaseLaw, crossing
from singular.analysis.studies.superposition_points import (
    FEATURES,
    HEXAGON,
    LAWS,
    PENTAGON,
    WEIGHTS,
    critical_point,
    critical_table,
    loss,
)
from singular.posteriors.precision import x64

CIRCLES = {"6-gon": 120, "5-gon": 144, "5+-gon": 144}
LAMBDA = {"6-gon": 8.5, "5-gon": 7.0, "5+-gon": 8.5}
LOG_2PI = math.log(2 * math.pi)
LEFT_OUT = FEATURES - 1
FREE = np.array([i for i in range(3 * FEATURES) if i % FEATURES != LEFT_OUT])
"""Coordinates of the five features that the pentagon represents."""
DEAD = np.array([LEFT_OUT, FEATURES + LEFT_OUT, WEIGHTS + LEFT_OUT])
"""Column and bias of the feature that is left out."""
TURNS, RADII, BIASES = 5, 12, 8
"""Nodes of Gauss and Legendre in a tenth of the pentagon and in each piece of the bias."""
PIECES = {"5-gon": ((-6.0, -1.0), (-1.0, 0.0)), "5+-gon": ((0.0, 0.3), (0.3, 1.5))}
NEWTON = 15
LENGTHS = (1.0, 0.5, 0.25, 0.1, 0.01, 0.0)
"""Shares of a Newton step that are tried; the lowest is taken."""
SETTLED = 1e-2
"""Newton decrement, nats, from which a node counts as not settled."""
UNSETTLED = 0.01
"""Share of the mass on such nodes from which the number is flagged."""


def laws() -> dict[str, PhaseLaw]:
    """Return n K + λ log n + constant of the hexagon and of both pentagons as s → ∞, with every constant.

    −log [circles · 2π ‖W‖ · φ(w*) (2π/s)^λ det'(H)^(−1/2) · V], H the Hessian of K over the directions that are felt, V
    the prior's mass of the flat directions (1 for the others).
    """
    known = critical_table().set_index("phase")["loss"]
    found = {}
    with x64():
        for name, circles in CIRCLES.items():
            z = critical_point(name)
            flat = name == PENTAGON
            keep = FREE if flat else np.arange(3 * FEATURES)
            spectrum = np.linalg.eigvalsh(_curvature(z, keep))[1:]
            log_mass = (
                math.log(circles * 2 * math.pi * np.linalg.norm(z[:WEIGHTS])) - 0.5 * keep.size * LOG_2PI
                - 0.5 * float(np.sum(z[keep] ** 2)) + LAMBDA[name] * LOG_2PI - 0.5 * float(np.log(spectrum).sum())
                + (math.log(flat_mass()) if flat else 0.0)
            )  # fmt: skip
            found[name] = PhaseLaw(0.5 * float(known[name]), LAMBDA[name], 1, -log_mass)
    return found


def flat_mass(nodes: int = 200) -> float:
    """Return the prior's mass of the column v and bias a of a sixth feature that leave the pentagon's loss as it is.

    v · w_j ≤ −b for each corner, so that its input switches no output on, and a ≤ −max(0, v · w_j, |v|²), so that its
    own output stays off: a polar rule over a tenth of the dual pentagon.
    """
    z = critical_point(PENTAGON)
    length, bias = z[0], z[WEIGHTS]
    angle, by_angle = _rule(nodes, 0.0, math.pi / 5)  # from a corner's direction to the middle of a side
    part, by_part = _rule(nodes, 0.0, 1.0)
    reach = -bias / (length * np.cos(angle))[:, None]
    radius = part * reach
    height = np.maximum(radius * length * np.cos(angle)[:, None], radius**2)
    inside = np.exp(-0.5 * radius**2) / (2 * math.pi) * norm.cdf(-height) * radius * reach
    return float(10 * by_angle @ inside @ by_part)


def published(half: bool) -> dict[str, PhaseLaw]:
    """Return the laws with which Chen et al. (2023) foretell the crossing: n L + λ log n + ½ |w*|².

    Of the constant they keep −log φ(w*), without its normalisation, and L is the mean squared error, not half of it.

    Parameters
    ----------
    half : bool
        Take half of it: the loss of unit noise.
    """
    table = critical_table().set_index("phase")
    scale = 0.5 if half else 1.0
    return {
        name: PhaseLaw(scale * float(table["loss"][name]), LAMBDA[name], 1, float(table["squares"][name]))
        for name in (HEXAGON, PENTAGON)
    }


def crossings() -> pd.DataFrame:
    """Return where the hexagon passes the pentagon for good by each law, NaN if the pentagon never leads."""
    full, theirs, half = laws(), published(False), published(True)
    plain = {name: PhaseLaw(law.loss, law.coefficient) for name, law in full.items()}
    both = {name: PhaseLaw(law.loss, law.coefficient) for name, law in theirs.items()}
    told = dict(zip(LAWS, (plain, both, theirs, half, full), strict=True))
    rows = [(name, crossing(law[PENTAGON], law[HEXAGON], least=_leads(law))) for name, law in told.items()]
    return pd.DataFrame([(name, math.nan if n is None else n) for name, n in rows], columns=["law", "n"])


def _leads(law: dict[str, PhaseLaw]) -> float:
    """Return the size at which the pentagon leads by the most: n ΔK + Δλ log n has one turning point."""
    return max(3.0, (law[HEXAGON].coefficient - law[PENTAGON].coefficient) / (law[PENTAGON].loss - law[HEXAGON].loss))


class Mass(NamedTuple):
    """Log evidence of each polygon, nats, and the share of pentagons on nodes where Newton's method has not settled."""

    log_mass: dict[str, float]
    unsettled: float


def hexagon_mass(size: float) -> float:
    """Return the log evidence of the hexagon at a finite size: a normal at the mode, across the rotations."""
    with x64():
        whole = np.arange(3 * FEATURES)
        z = _settle(critical_point(HEXAGON), whole, size)
        tangent = _tangent(z)
        curvature = _log_determinant(size * _curvature(z, whole) + np.eye(whole.size), tangent)
        hexagon = _peak(z, size) + math.log(CIRCLES[HEXAGON] * 2 * math.pi * np.linalg.norm(z[:WEIGHTS]))
        hexagon += 0.5 * (whole.size - 1) * LOG_2PI - 0.5 * curvature
    return float(hexagon)


def at_size(size: float) -> Mass:
    """Return the log evidence of hexagon and pentagons at a finite size s, Laplace's method with soft edges.

    Hexagon: a normal at the mode of s K + ½ |w|² over all that is not rotation. Pentagons: for each column (inside the
    pentagon) and bias of the feature that is left out, a normal at the mode of the other fifteen coordinates; over
    these three, quadrature. So the edges of the flat part are as soft as they are at this s, and the
    pentagon gives way.
    """
    with x64():
        start = _settle(critical_point(PENTAGON), FREE, size)
        nodes, weights, names = _nodes(start)
        tangent = _tangent(start)[FREE]
        ends, decrement, half_log = (np.asarray(a) for a in _relaxed()(start, nodes, tangent, size))
        turned = np.abs(_tangents(ends)[:, FREE] @ tangent)
        log_mass = np.array([_peak(end, size) for end in ends]) - half_log + np.log(turned * weights)
        log_mass += math.log(CIRCLES[PENTAGON] * 2 * math.pi) + 0.5 * (FREE.size - 1) * LOG_2PI
    masses = {name: float(logsumexp(log_mass[names == name])) for name in PIECES}
    bad = ~(decrement < SETTLED)
    unsettled = float(np.exp(logsumexp(log_mass[bad]) - logsumexp(log_mass))) if bad.any() else 0.0
    return Mass({HEXAGON: hexagon_mass(size), **masses}, unsettled)


def _rule(nodes: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    x, weights = np.polynomial.legendre.leggauss(nodes)
    return low + (high - low) * (x + 1) / 2, weights * (high - low) / 2


def _nodes(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return column and bias of the left-out feature (node, 3), their weights, and which pentagon each is of."""
    side = float(np.hypot(z[0], z[FEATURES])) * math.cos(math.pi / 5)
    angle, by_angle = _rule(TURNS, 0.0, math.pi / 5)
    part, by_part = _rule(RADII, 0.0, 1.0)
    nodes, weights, names = [], [], []
    for name, pieces in PIECES.items():
        for low, high in pieces:
            bias, by_bias = _rule(BIASES, low, high)
            a, r, b = np.meshgrid(angle, part, bias, indexing="ij")
            reach = side / np.cos(math.pi / 5 - a)
            radius = r * reach
            nodes.append(np.stack([radius * np.cos(a), radius * np.sin(a), b], axis=-1).reshape(-1, 3))
            weights.append((10 * by_angle[:, None, None] * by_part[:, None] * by_bias * radius * reach).ravel())
            names += [name] * len(nodes[-1])
    return np.concatenate(nodes), np.concatenate(weights), np.array(names)


def _tangents(z: np.ndarray) -> np.ndarray:
    """Return how points (…, 18) move when W turns."""
    first, second = z[..., :FEATURES], z[..., FEATURES:WEIGHTS]
    return np.concatenate([-second, first, np.zeros_like(z[..., WEIGHTS:])], axis=-1)


def _tangent(z: np.ndarray) -> np.ndarray:
    """Return the unit vector of a rotation; a column that is left out, at 0, has no part in it."""
    direction = _tangents(z)
    return direction / np.linalg.norm(direction)


def _peak(z: np.ndarray, size: float) -> float:
    """Return log φ(w) − s K(w)."""
    return -0.5 * float(np.sum(z**2)) - 0.5 * z.size * LOG_2PI - 0.5 * size * float(_loss()(z))


@cache
def _loss():
    return jax.jit(loss)


@cache
def _derivatives():
    return jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))


def _curvature(z: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return 0.5 * np.asarray(_derivatives()[1](z))[np.ix_(keep, keep)]


def _log_determinant(matrix: np.ndarray, tangent: np.ndarray) -> float:
    """Return the log determinant across a direction."""
    across = np.eye(tangent.size) - np.outer(tangent, tangent)
    return float(np.linalg.slogdet(across @ matrix @ across + np.outer(tangent, tangent))[1])


def _settle(z: np.ndarray, keep: np.ndarray, size: float) -> np.ndarray:
    """Return the mode of the posterior over the coordinates ``keep``, by Newton's method from a critical point."""
    z = z.copy()
    for _ in range(4 * NEWTON):
        slope = 0.5 * size * np.asarray(_derivatives()[0](z))[keep] + z[keep]
        tangent = _tangent(z)[keep]
        across = np.eye(keep.size) - np.outer(tangent, tangent)
        matrix = across @ (size * _curvature(z, keep) + np.eye(keep.size)) @ across + np.outer(tangent, tangent)
        z[keep] -= np.linalg.solve(matrix, across @ slope)
    return z


@cache
def _relaxed():
    """Return (start, nodes, tangent, size) -> points with fifteen coordinates at their mode, decrement, ½ log det."""
    free, dead = jnp.asarray(FREE), jnp.asarray(DEAD)

    def energy(values, node, size):
        z = jnp.zeros(3 * FEATURES).at[free].set(values).at[dead].set(node)
        return 0.5 * size * loss(z) + 0.5 * jnp.sum(values**2)

    def one(start, tangent, size, node):
        across = jnp.eye(FREE.size) - jnp.outer(tangent, tangent)
        value = partial(energy, node=node, size=size)

        def newton(values):
            matrix = across @ jax.hessian(value)(values) @ across + jnp.outer(tangent, tangent)
            spectrum, vectors = jnp.linalg.eigh(matrix)
            slope = vectors.T @ (across @ jax.grad(value)(values))
            return vectors @ (slope / jnp.maximum(jnp.abs(spectrum), 1.0)), spectrum, slope

        def step(_, values):
            trial = values - jnp.asarray(LENGTHS)[:, None] * newton(values)[0]
            return trial[jnp.argmin(jax.vmap(value)(trial))]

        end = jax.lax.fori_loop(0, NEWTON, step, start[free])
        _, spectrum, slope = newton(end)
        positive = spectrum[0] > 0
        decrement = jnp.where(positive, 0.5 * jnp.sum(slope**2 / jnp.abs(spectrum)), jnp.inf)
        point = jnp.zeros(3 * FEATURES).at[free].set(end).at[dead].set(node)
        return point, decrement, 0.5 * jnp.sum(jnp.log(jnp.maximum(jnp.abs(spectrum), 1.0)))

    def every(start, nodes, tangent, size):
        return jax.lax.map(partial(one, start, tangent, size), nodes)

    return jax.jit(every)
