"""A sum of poles fitted to log Z: the leading one of any order, further ones of order one or two.

Z(t) = t^(−λ) (c_{m−1} L^{m−1} + … + c_0 + Σ_j a_j(L) t^(−δ_j)), L = log t. The coefficients are linear given the
exponents and are eliminated, so that the search is over λ and the δ_j alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

NEAREST = 0.05
"""The least δ: two poles that are nearer are taken for one of higher order."""
FARTHEST = 4.0
UNNOTICED = 1 / 16
"""How near a pole may lie without being seen; three tanh units have one 1/15 away."""
GAPS = (0.1, 0.5)
"""Distances from pole to pole from which the fits start."""


@dataclass(frozen=True)
class PoleCurve:
    """A fitted log Z: exponents (λ, δ_1, …), coefficients of the basis, and where both are counted from."""

    order: int
    poles: tuple[int, ...]
    exponents: tuple[float, ...]
    coefficients: np.ndarray
    origin: tuple[float, float]

    def basis(self, x: np.ndarray) -> np.ndarray:
        return _basis(x - self.origin[0], self.order, self.poles, self.exponents[1:])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return self.origin[1] - self.exponents[0] * (x - self.origin[0]) + np.log(self.basis(x) @ self.coefficients)

    def share(self, x: float) -> float:
        """Return the leading term's share of Z at x, for m ≥ 2; 1 for m = 1, which has no logarithm."""
        terms = self.basis(np.array([x]))[0] * self.coefficients
        return 1.0 if self.order == 1 else float(terms[self.order - 1] / terms.sum())

    def rounding(self, x: np.ndarray, noise: np.ndarray) -> float:
        """Return what the stated errors do to λ at worst, the shifts being held: Σ |∂λ/∂log Z_i| error_i.

        One more pole may be there, `UNNOTICED` away, which the errors hide: its weight is left free too.
        """
        hidden = np.exp(-UNNOTICED * (x[:, None] - self.origin[0]))
        basis = self.basis(x)
        terms = np.concatenate([basis, hidden], axis=1) / (basis @ self.coefficients)[:, None]
        columns = np.concatenate([self.origin[0] - x[:, None], terms], axis=1)
        size = np.linalg.norm(columns, axis=0)
        return float(np.sum(np.abs(np.linalg.pinv(columns / size / noise[:, None])[0]))) / float(size[0])


def _basis(x: np.ndarray, order: int, poles: Sequence[int], shifts: Iterable[float]) -> np.ndarray:
    """Return L^k for k < m, and t^(−δ_j) L^k for k < order of the further pole, without the common t^(−λ)."""
    leading = [x**k for k in range(order)]
    further = [np.exp(-d * x) * x**k for p, d in zip(poles, shifts, strict=True) for k in range(p)]
    return np.stack(leading + further, axis=1)


def fit_poles(
    x, y, noise, order: int, poles: tuple[int, ...], exponents: tuple[float, ...] | None = None
) -> PoleCurve | None:
    """Return the least-squares fit: the coefficients are linear given the exponents, and are eliminated.

    It starts from ``exponents`` (λ, δ_1, …), or else from several.
    """
    origin = (float(x[0]), float(y[0]))
    length, height = x - origin[0], y - origin[1]

    def weighted(theta):
        """The basis over Z and over the stated error, so that a residual is an error of log Z in units of it."""
        basis = _basis(length, order, poles, np.cumsum(theta[1:]))
        return basis * (np.exp(-theta[0] * length - height) / noise)[:, None]

    def solve(theta):
        matrix = weighted(theta)
        size = np.linalg.norm(matrix, axis=0)
        return np.linalg.lstsq(matrix / size, 1 / noise, rcond=None)[0] / size

    def residual(theta):
        return weighted(theta) @ solve(theta) - 1 / noise

    # the local slope of a curve with m is λ − (m − 1)/L
    slope = -float((y[-1] - y[-3]) / (x[-1] - x[-3]))
    lower = np.array([0.0, *[NEAREST] * len(poles)])
    upper = np.array([slope + 2.0, *[FARTHEST] * len(poles)])
    if exponents is not None:
        starts = [np.array([exponents[0], *np.diff([0.0, *exponents[1:]])])]
    else:
        starts = [
            np.array([max(slope, 1e-3) + (order - 1) / x[-1], *[gap] * len(poles)]) for gap in GAPS[: 1 + len(poles)]
        ]
    best = None
    for start in starts:
        start = np.clip(start, lower + 1e-9, upper - 1e-9)
        found = least_squares(residual, start, bounds=(lower, upper), xtol=1e-13, ftol=1e-13, gtol=1e-13, max_nfev=60)
        if best is None or found.cost < best.cost:
            best = found
    if best is None:
        return None
    coefficients = solve(best.x)
    if coefficients[order - 1] <= 0:
        return None
    exponents = (float(best.x[0]), *(float(s) for s in np.cumsum(best.x[1:])))
    return PoleCurve(order, poles, exponents, coefficients, origin)
