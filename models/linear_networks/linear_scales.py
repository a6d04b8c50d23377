"""Norms and directions of Gaussian matrices: the coordinates in which linear networks are integrated.

A row of a layer with N(0, 1) weights has a norm that is χ and a direction that is uniform, and the two are
independent. So a linear network that is one unit wide somewhere is a product of independent χ variables
(`chi_product`) times a Gaussian vector, and a matrix of two columns a norm, a shape and an angle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from singular.models.integrals import rules
from singular.models.integrals.rules import Rule

HIGHEST = 2.6
"""Largest log of one χ variable; the mass beyond is below 1e-35."""


def chi_product(degrees: Sequence[int], step: float, smallest: float = 1e-6) -> Rule:
    """Return a rule for the product p of independent χ variables, whose weights hold its density.

    The trapezoid rule in log p. The density of log p is the convolution of those of the factors, done by the
    same rule on the same grid; both converge exponentially in 1/step, to 1e-11 at a step of 0.15 for a few
    degrees of freedom.

    Parameters
    ----------
    degrees : sequence of int
        Degrees of freedom, each at least 1.
    step : float
        Spacing of log p.
    smallest : float
        The rule resolves integrands that change on this scale of p, and reaches below it as far as the density
        has mass there to 15 digits of what is above.
    """
    lowest = math.log(smallest) - 36.0 / min(degrees)
    density, first = np.ones(1), 0
    for k in degrees:
        steps = np.arange(math.floor(lowest / step), math.floor(HIGHEST / step) + 1)
        v = steps * step
        log_density = k * v - 0.5 * np.exp(2 * v) - (0.5 * k - 1) * math.log(2) - math.lgamma(0.5 * k)
        density, first = np.convolve(density, np.exp(log_density) * step), first + steps[0]
    log_p = (first + np.arange(len(density))) * step
    keep = (log_p >= lowest) & (density > 0)
    return Rule(np.exp(log_p[keep]), np.log(density[keep]))


def half_circle(sharpness: float, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors (N, 2), one of each pair ±u, uniformly, and log weights that sum to one.

    The trapezoid rule of a periodic function.

    Parameters
    ----------
    sharpness : float
        1 / the angular width of the narrowest peak, radians⁻¹.
    spacing : float
        In units of that width: 0.8 gives 13 digits for a normal peak, 1.0 gives 8.
    """
    count = math.ceil(math.pi * math.hypot(sharpness, 4.0) / spacing)
    angle = math.pi * (np.arange(count) + 0.5) / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), np.full(count, -math.log(count))


def angles_from_axis(finest: float, order: int) -> Rule:
    """Return a rule on (0, π/2), of total weight one, with panels down to ``finest`` at 0."""
    rule = rules.panels(rules.graded_edges(finest, math.pi / 2), order)
    return Rule(rule.points, rule.log_weights - math.log(math.pi / 2))


def half_sphere(axis: np.ndarray, finest: float, order: int, around: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors (N, 3), one of each pair ±u, and log weights that sum to one, refined about an axis.

    Parameters
    ----------
    axis : (3, 3)
        Orthonormal columns, the first of them the axis.
    finest : float
        Innermost panel of the angle from the axis, radians.
    order, around : int
        Gauss-Legendre nodes a panel, and trapezoid nodes around the axis.
    """
    polar = angles_from_axis(finest, order)
    turn = 2 * math.pi * (np.arange(around) + 0.5) / around
    theta, phi = (c.ravel() for c in np.meshgrid(polar.points, turn, indexing="ij"))
    local = np.stack([np.cos(theta), np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)], axis=1)
    log_weights = np.repeat(polar.log_weights, around) + np.log(np.sin(theta) * math.pi / 2) - math.log(around)
    return local @ axis.T, log_weights


def shapes(rows: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the two singular values of a Gaussian rows × 2 matrix of norm one, (N, 2), and log weights.

    With σ₁² + σ₂² = 1, 2 σ₁ σ₂ has density (rows − 1) δ^(rows − 2) on (0, 1), by the joint density of the
    eigenvalues of a Wishart matrix (Muirhead 1982, theorem 3.2.18).

    Parameters
    ----------
    rows : int
        At least 2.
    step : float
        Of the tanh-sinh rule for δ.
    """
    rule = rules.unit_interval(step, extent=3.0)
    larger = 0.5 * (1 + np.sqrt(1 - np.minimum(rule.points, 1.0) ** 2))
    singular = np.stack([np.sqrt(larger), 0.5 * rule.points / np.sqrt(larger)], axis=1)
    return singular, rule.log_weights + math.log(rows - 1) + (rows - 2) * np.log(rule.points)
