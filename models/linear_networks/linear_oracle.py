"""Exact evidence of linear networks y ~ N(W_L ⋯ W_1 x, I) with N(0, 1) weights, whatever the data.

Three kinds of network reduce to an integral over few coordinates, the rest having a closed form:

- ``column``: one unit wide at the inputs or somewhere inside. W_L ⋯ W_1 = b p uᵀ with p a product of χ
  variables, u a uniform direction and b Gaussian, which is integrated.
- ``row``: one output. W_L ⋯ W_1 = p g with g Gaussian, which is integrated.
- ``pair``: two layers, two inputs. W_1 is a norm, a shape and an angle up to rotation of its rows; W_2 is integrated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from singular.models.base import Data, Integral, Nodes
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.linear_networks import linear_scales as scales

STEP, COARSE_STEP = 0.15, 0.185
"""Spacing in the log of a product of χ variables."""
FINEST = 2.0**-21
"""Finest angle and scale of a population integral: 1/√t at the largest t it holds for, about 1e12."""


def kind_of(widths: Sequence[int]) -> str | None:
    """Return ``"column"``, ``"row"`` or ``"pair"``, or None if no low-dimensional integral is known."""
    inputs, *hidden, outputs = widths
    if inputs == 1 or (1 in hidden and inputs <= 3):
        return "column"
    if outputs == 1:
        return "row"
    return "pair" if len(hidden) == 1 and inputs == 2 and hidden[0] >= 2 else None


def integrals(widths: Sequence[int], truth: np.ndarray) -> tuple[Integral | None, Integral | None]:
    """Return the finite-n integral and the population integral of a linear network, or None for both.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden widths, outputs.
    truth : (outputs, inputs)
        The true matrix C. In the population, K = ½ ‖W_L ⋯ W_1 − C‖² less its least value (x ~ N(0, I)).
    """
    kind = kind_of(widths)
    if kind is None:
        return None, None
    build = {"column": _column, "row": _row, "pair": _pair}[kind]
    return build(list(widths), truth)


def _factors(widths: list[int]) -> list[int]:
    """Return the degrees of freedom of the χ variables of a network that is one unit wide somewhere."""
    inputs, *hidden, _ = widths
    if inputs == 1:
        return hidden
    rest = list(hidden)
    rest.remove(1)
    return [inputs, *rest]


def _column(widths: list[int], truth: np.ndarray) -> tuple[Integral, Integral]:
    inputs, outputs = widths[0], widths[-1]
    degrees = _factors(widths)

    def nodes(data: Data, level: int) -> Nodes:
        x = data["x"].reshape(-1, inputs)
        step = (STEP, COARSE_STEP)[-level] if inputs == 3 else (0.1, 0.125)[-level]  # phase masses need the finer one
        norm = scales.chi_product(degrees, step, smallest=0.1 / math.sqrt(rules.observations(x) + 1.0))
        directions, log_share = _directions(x, data["y"].reshape(len(x), -1), level)
        points = norm.points[:, None, None] * directions
        return _kept(points.reshape(-1, inputs), (norm.log_weights[:, None] + log_share).ravel())

    def log_likelihood(points, beta, data):
        x, y = data["x"].reshape(-1, inputs), data["y"].reshape(-1, outputs)
        gram = jnp.einsum("Ni,ij,Nj->N", points, x.T @ x, points)
        return log_gaussian_block(gram[:, None, None], (points @ (x.T @ y))[:, None, :], beta) + log_noise(y, beta)

    strengths = _strengths(truth, inputs)

    def population_nodes(data: Data, level: int) -> Nodes:
        norm = scales.chi_product(degrees, (STEP, COARSE_STEP)[-level], smallest=FINEST)
        if inputs == 1 or not strengths.any():
            directions, log_share = np.eye(1, inputs), np.zeros(1)
        elif inputs == 2:
            angle = scales.angles_from_axis(FINEST, (12, 9)[-level])
            directions = np.stack([np.cos(angle.points), np.sin(angle.points)], axis=1)
            log_share = angle.log_weights
        else:
            directions, log_share = scales.half_sphere(np.eye(3), FINEST, (8, 6)[-level], around=(24, 16)[-level])
        columns = [
            np.repeat(norm.points, len(directions))[:, None],
            np.tile(directions, (len(norm.points), 1)),
        ]
        return Nodes(np.concatenate(columns, axis=1), (norm.log_weights[:, None] + log_share).ravel())

    def population(points, t, data):
        spread, u = t * points[:, 0] ** 2, points[:, 1:]
        lost = u[:, 1:] ** 2 @ jnp.asarray(strengths[0] - strengths[1:])
        return -0.5 * outputs * jnp.log1p(spread) - 0.5 * t * (lost + u**2 @ jnp.asarray(strengths) / (1 + spread))

    rest = {1: "1-D rule", 2: "2-D rule over norm and angle", 3: "3-D rule over norm and direction"}
    last = "last layer in closed form, "
    return (
        Integral(nodes, log_likelihood, last + rest[inputs]),
        Integral(population_nodes, population, last + rest[inputs if strengths.any() else 1]),
    )


def _row(widths: list[int], truth: np.ndarray) -> tuple[Integral, Integral]:
    inputs, *hidden, _ = widths

    def nodes(data: Data, level: int) -> Nodes:
        smallest = FINEST if not data else 0.1 / math.sqrt(rules.observations(data["x"]) + 1.0)
        norm = scales.chi_product(hidden, (STEP, COARSE_STEP)[-level], smallest)
        return Nodes(norm.points[:, None], norm.log_weights)

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"].reshape(-1)
        gram = points[:, :, None] ** 2 * (x.T @ x)
        return log_gaussian_block(gram, points * (x.T @ y), beta) + log_noise(y, beta)

    square = float(np.sum(truth**2))

    def population(points, t, data):
        spread = t * points[:, 0] ** 2
        return -0.5 * inputs * jnp.log1p(spread) - 0.5 * t * square / (1 + spread)

    route = "first layer in closed form, 1-D rule"
    return Integral(nodes, log_likelihood, route), Integral(nodes, population, route)


def _pair(widths: list[int], truth: np.ndarray) -> tuple[Integral, Integral]:
    _, hidden, outputs = widths

    def nodes(data: Data, level: int) -> Nodes:
        x = data["x"]
        smallest = 0.1 / math.sqrt(rules.observations(x) + 1.0)
        norm = scales.chi_product([2 * hidden], (STEP, COARSE_STEP)[-level], smallest)
        shape, log_shape = scales.shapes(hidden, (0.08, 0.1)[-level])
        directions, log_share = _directions(x, data["y"], level)
        across = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
        rows = shape[:, None, :, None] * np.stack([directions, across], axis=1)
        points = (norm.points[:, None, None, None, None] * rows).reshape(-1, 4)
        return _kept(points, (norm.log_weights[:, None, None] + log_shape[:, None] + log_share).ravel())

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        a = points.reshape(-1, 2, 2)
        gram = jnp.einsum("Nhi,ij,Nkj->Nhk", a, x.T @ x, a)
        return log_gaussian_block(gram, a @ (x.T @ y), beta) + log_noise(y, beta)

    strengths = _strengths(truth, 2)

    def population_nodes(data: Data, level: int) -> Nodes:
        norm = scales.chi_product([2 * hidden], (STEP, COARSE_STEP)[-level], smallest=FINEST)
        shape, log_shape = scales.shapes(hidden, (0.03, 0.036)[-level])
        turned, log_share = np.zeros(1), np.zeros(1)
        if strengths.any():
            shape, log_shape = scales.shapes(hidden, (0.06, 0.075)[-level])
            angle = scales.angles_from_axis(FINEST, (6, 5)[-level])
            turned, log_share = angle.points, angle.log_weights
        squares = norm.points[:, None, None, None] ** 2 * shape[:, None, :] ** 2
        squares, sines = np.broadcast_arrays(squares, (np.sin(turned) ** 2)[:, None])
        points = np.concatenate([squares, sines[..., :1]], axis=-1).reshape(-1, 3)
        return _kept(points, (norm.log_weights[:, None, None] + log_shape[:, None] + log_share).ravel(), 90.0)

    def population(points, t, data):
        one, two, sine = t * points[:, 0], t * points[:, 1], points[:, 2]
        first = strengths[0] * (1 - sine) + strengths[1] * sine
        second = strengths[0] * sine + strengths[1] * (1 - sine)
        return -0.5 * outputs * (jnp.log1p(one) + jnp.log1p(two)) - 0.5 * t * (first / (1 + one) + second / (1 + two))

    route = "B in closed form, 3-D rule over norm, shape and angle of A"
    flat = route if strengths.any() else "B in closed form, 2-D rule over norm and shape of A"
    return Integral(nodes, log_likelihood, route), Integral(population_nodes, population, flat)


def _strengths(truth: np.ndarray, inputs: int) -> np.ndarray:
    """Return the squared singular values of the truth, as many as there are inputs, the largest first."""
    values = np.linalg.svd(truth, compute_uv=False) ** 2
    values[values < 1e-24] = 0.0
    return np.concatenate([values, np.zeros(max(0, inputs - len(values)))])


def _directions(x: np.ndarray, y: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Return directions of the inputs, up to sign, fine enough for the posterior at β = 1, and log weights."""
    if x.shape[1] == 1:
        return np.ones((1, 1)), np.zeros(1)
    fitted, *_ = np.linalg.lstsq(x, y)
    sharpness = np.linalg.norm(x @ fitted, 2) * np.sqrt(np.linalg.cond(x.T @ x))
    if x.shape[1] == 2:
        return scales.half_circle(float(sharpness), (0.8, 1.0)[-level])
    frame = np.linalg.svd(fitted)[0]
    return scales.half_sphere(frame, 0.5 / (1 + sharpness), (12, 9)[-level], around=(40, 28)[-level])


def _kept(points: np.ndarray, log_weights: np.ndarray, depth: float = 55.0) -> Nodes:
    """Drop nodes whose weight is e^−depth of the largest, which no likelihood makes up for."""
    keep = log_weights > log_weights.max() - depth
    return Nodes(points[keep], log_weights[keep])
