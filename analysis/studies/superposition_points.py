"""The polygons of the toy model of superposition: the exact critical points, and which polygon a draw is.

A draw is told by its picture in the hidden plane. The columns of W on the corners of their convex hull are the corners
of the polygon; those inside it belong to features that are not represented. No length is asked for, so there is no
threshold. A feature that is not represented has an output that is off for all inputs (b < 0) or guesses the mean of its
input (b > 0): each of these puts a + to the name. If the origin is outside the hull, it is no polygon: ``rest``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from singular.analysis.phases import Predicate
from singular.models.networks.superposition_loss import mean_squared_error, polygon
from singular.posteriors.precision import x64

FEATURES = 6
HIDDEN = 2
WEIGHTS = HIDDEN * FEATURES
LONG = 0.5
"""Length of a column of W from which the rule by length counts it."""
HULL, LENGTH = "hull", "length"
HEXAGON, PENTAGON = "6-gon", "5-gon"
ANY_PENTAGON = "any 5-gon"
POINTS = {"6-gon": (6, 0), "5-gon": (5, 0), "5+-gon": (5, 1), "4-gon": (4, 0), "4+-gon": (4, 1), "4++-gon": (4, 2)}
"""Name -> corners, and features that are not represented with b > 0."""
LAWS = ("n ΔK = Δλ log n", "n ΔL = Δλ log n", "½ |w|² kept, L", "½ |w|² kept, K", "every constant, n → ∞")
"""Ways to foretell the crossing: with the loss of unit noise (K) or twice that (L), and which constants are kept."""
PUBLISHED = {"6-gon": 0.04819, "5-gon": 0.06874, "5+-gon": 0.06180, "4+-gon": 0.10417}
"""Losses of Chen, Lau, Mendel, Wei and Murfet (2023), arXiv 2310.06301."""
OFF = -1.0
"""b of a feature whose output is off: any number below 0 gives the same loss."""
STEPS, RATE = 3000, 0.01
"""Of the descent from a draw."""
SAME = 3e-4
"""Losses nearer than this are of one critical point; the nearest two differ by 0.0069."""


def critical_point(name: str, off: float = OFF) -> np.ndarray:
    """Return (W, b) of a regular polygon with c = 6, flat: 12 weights, row by row, then 6 biases.

    Length and bias solve the equations of Chen et al. (2023), theorem 3.2: Newton's method, in `polygon`; length 1 and
    bias 0 for the square. A feature that guesses has b = E x_i = 1/(2c).
    """
    corners, guesses = POINTS[name]
    length, bias = (1.0, 0.0) if corners == 4 else polygon(corners)
    turns = 2 * math.pi * np.arange(corners) / corners
    w, b = np.zeros((HIDDEN, FEATURES)), np.full(FEATURES, off)
    w[:, :corners] = length * np.stack([np.cos(turns), np.sin(turns)])
    b[:corners] = bias
    b[corners : corners + guesses] = 1 / (2 * FEATURES)
    return np.concatenate([w.ravel(), b])


def loss(z: Any) -> Any:
    """Return the mean squared error over all inputs of points (…, 18), traceable."""
    return mean_squared_error(z[..., :WEIGHTS].reshape(*z.shape[:-1], HIDDEN, FEATURES), z[..., WEIGHTS:])


def critical_table() -> pd.DataFrame:
    """Return for each critical point its loss, largest slope, half the rank of the Hessian, and ½ |w|².

    ``squares`` leaves out the biases of features that are off. ``least`` is the smallest eigenvalue of the Hessian:
    below 0 it is a saddle. The rank says λ only where the loss is smooth, which at the square it is not.
    """
    rows = []
    slope_of, curvature_of = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))
    with x64():
        for name, (corners, guesses) in POINTS.items():
            z = critical_point(name)
            slope = float(np.abs(slope_of(z)).max())
            spectrum = np.linalg.eigvalsh(np.asarray(curvature_of(z)))
            rank = int((np.abs(spectrum) > 1e-6).sum())
            counted = np.concatenate([z[:WEIGHTS], z[WEIGHTS : WEIGHTS + corners + guesses]])
            squares = 0.5 * float(np.sum(counted**2))
            rows.append((name, float(loss(z)), slope, rank / 2, float(spectrum.min()), squares))
    return pd.DataFrame(rows, columns=["phase", "loss", "slope", "half_rank", "least", "squares"])


def rules() -> Mapping[str, Mapping[str, Predicate]]:
    """Return the two divisions by name: by the convex hull, and by the length of the columns as in the catalogue."""
    hull = {name: partial(_is_polygon, *told) for name, told in POINTS.items()}
    hull["3-gon"] = partial(_is_polygon, 3, None)
    length = {HEXAGON: partial(_has_long, 6), ANY_PENTAGON: partial(_has_long, 5)}
    return {HULL: hull, LENGTH: length}


def pentagons() -> Mapping[str, Predicate]:
    """Return the division by the hull with the 5-gons of both signs in one, which odds are taken of."""
    return {HEXAGON: partial(_is_polygon, 6, None), ANY_PENTAGON: partial(_is_polygon, 5, None)}


def told_apart(parameters: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corners of the hull, columns inside it with b > 0, and whether the origin is inside, each (…)."""
    w, b = np.asarray(parameters["W"]), np.asarray(parameters["b"])
    corner = corners_of(w)
    return corner.sum(axis=-1), (~corner & (b > 0)).sum(axis=-1), _widest_gap(w) < math.pi


def corners_of(w: np.ndarray) -> np.ndarray:
    """Return which columns of W (…, 2, c) are corners of their hull, (…, c): all others lie on one side of them."""
    return np.stack([_widest_gap(np.delete(w, i, -1) - w[..., i, None]) > math.pi for i in range(w.shape[-1])], -1)


def descend(z: np.ndarray) -> np.ndarray:
    """Return the loss that gradient descent (Adam) on the noise-free loss arrives at from points (…, 18)."""
    import optax

    tool = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

    @jax.jit
    def run(points):
        slope = jax.vmap(jax.grad(loss))

        def step(carry, _):
            here, memory = carry
            change, memory = tool.update(slope(here), memory)
            return (optax.apply_updates(here, change), memory), None

        (end, _), _ = jax.lax.scan(step, (points, tool.init(points)), None, length=STEPS)
        return loss(end)

    with x64():
        return np.asarray(run(jnp.asarray(z)))


def nearest_point(losses: np.ndarray) -> np.ndarray:
    """Return the name of the critical point of each loss, ``other`` where it is of none of them."""
    known = critical_table().set_index("phase")["loss"]
    gaps = np.abs(np.asarray(losses)[:, None] - known.to_numpy()[None])
    return np.where(gaps.min(axis=1) < SAME, known.index.to_numpy()[gaps.argmin(axis=1)], "other")


def _widest_gap(vectors: np.ndarray) -> np.ndarray:
    """Return the widest angle between neighbouring directions, (…) of (…, 2, vectors)."""
    angles = np.sort(np.arctan2(vectors[..., 1, :], vectors[..., 0, :]), axis=-1)
    return np.diff(angles, axis=-1, append=angles[..., :1] + 2 * math.pi).max(axis=-1)


def _is_polygon(corners: int, guesses: int | None, parameters: Mapping[str, Any]) -> np.ndarray:
    found, positive, around = told_apart(parameters)
    return (found == corners) & around & (True if guesses is None else positive == guesses)


def _has_long(columns: int, parameters: Mapping[str, Any]) -> np.ndarray:
    return ((np.asarray(parameters["W"]) ** 2).sum(axis=-2) > LONG**2).sum(axis=-1) == columns
