"""Where parameters are before data or training: a Gaussian or a uniform box, as prior and as starts alike.

Coordinates are the eigenvectors of the Hessian and the minimum of the loss lies at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from singular.analysis.law_inputs import per_direction

NODES = 128
REACH = 45.0
"""Nats: where the density of a tempered box is below e⁻⁴⁵ of its greatest value, it is left out."""


@dataclass(frozen=True)
class Gaussian:
    """Normal in each direction, N(δ_i, 1/τ_i).

    Attributes
    ----------
    precision : float or (d,) float
        τ_i, above 0; infinite where all starts agree.
    offset : float or (d,) float
        δ_i, from the minimum.
    """

    precision: float | np.ndarray = 1.0
    offset: float | np.ndarray = 0.0

    def moments(self, dim: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the variance, (d,) each."""
        tau = per_direction("precision", self.precision, dim, positive=True)
        return per_direction("offset", self.offset, dim), 1 / tau

    def moved(self, factor: np.ndarray) -> Gaussian:
        """Return the law of factor · w."""
        mean, variance = self.moments(factor.size)
        with np.errstate(divide="ignore", over="ignore"):
            return Gaussian(1 / (variance * factor**2), mean * factor)

    def tempered(self, stiffness: np.ndarray) -> Tempered:
        """Return the law ∝ exp(−½ Σ k_i w_i²) φ(w), k_i the ``stiffness``."""
        mean, variance = self.moments(stiffness.size)
        weight = stiffness * variance
        share = np.where(np.isinf(weight), 1.0, weight / (1 + weight))
        centre = mean / (1 + weight)
        spread = np.where(weight > 0, share / np.where(stiffness > 0, stiffness, 1.0), variance)
        pull = stiffness * centre * mean
        return Tempered(
            mean=centre,
            variance=spread,
            energy=0.5 * (share + stiffness * centre**2),
            energy_variance=0.5 * share**2 + share * stiffness * centre**2,
            free_energy=0.5 * (np.log1p(weight) + pull),
        )


@dataclass(frozen=True)
class Box:
    """Uniform in each direction, on [δ_i − A_i, δ_i + A_i].

    Attributes
    ----------
    half_width : float or (d,) float
        A_i, above 0.
    offset : float or (d,) float
        δ_i, from the minimum.
    """

    half_width: float | np.ndarray = 1.0
    offset: float | np.ndarray = 0.0

    def moments(self, dim: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the variance, (d,) each."""
        width = per_direction("half_width", self.half_width, dim, positive=True)
        return per_direction("offset", self.offset, dim), width**2 / 3

    def moved(self, factor: np.ndarray) -> Box:
        """Return the law of factor · w; a width is at least 1e-150, where squares end."""
        mean, variance = self.moments(factor.size)
        width = np.sqrt(3 * variance) * np.abs(factor)
        return Box(np.maximum(width, 1e-150), mean * factor)

    def tempered(self, stiffness: np.ndarray) -> Tempered:
        """Return the law ∝ exp(−½ Σ k_i w_i²) φ(w), by Gauss–Legendre quadrature to about 1e-13.

        About the minimum the energy is the closed form ½ − z e^(−z²/2)/(√(2π) erf(z/√2)), z = A √k.
        """
        mean, variance = self.moments(stiffness.size)
        width = np.sqrt(3 * variance)
        low, high = mean - width, mean + width
        best = np.clip(0.0, low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            fall = 2 * REACH / stiffness
            room = np.where(stiffness > 0, fall / (np.sqrt(best**2 + fall) + np.abs(best)), np.inf)
        below, above = np.minimum(best - low, room), np.minimum(high - best, room)
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        # from the point of least energy, so that a minimum far outside the box costs no digits
        step = 0.5 * (above - below)[:, None] + 0.5 * (above + below)[:, None] * nodes
        half = 0.5 * stiffness[:, None]
        rise = half * step * (2 * best[:, None] + step)
        mass = weights * np.exp(-rise)
        total = mass.sum(axis=1)
        mass /= total[:, None]
        shift, mean_rise = np.sum(mass * step, axis=1), np.sum(mass * rise, axis=1)
        least = 0.5 * stiffness * best**2
        inside = 0.25 * (above + below) / width * total
        return Tempered(
            mean=best + shift,
            variance=np.sum(mass * (step - shift[:, None]) ** 2, axis=1),
            energy=least + mean_rise,
            energy_variance=np.sum(mass * (rise - mean_rise[:, None]) ** 2, axis=1),
            free_energy=least - np.log(inside),
        )


@dataclass(frozen=True)
class Tempered:
    """A tempered start, direction by direction; (d,) each, energies ½ k_i w_i² in nats."""

    mean: np.ndarray
    variance: np.ndarray
    energy: np.ndarray
    energy_variance: np.ndarray
    free_energy: np.ndarray


Start = Gaussian | Box
