"""Exact distribution functions, small values included: products of powers of χ² variables, their sums, quadratic forms.

All of it on the scale of log y. There the densities are analytic and die out on both sides, and the trapezoid rule
converges exponentially; every term is positive, so that a probability of 1e-20 keeps its digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammainc, gammaln

STEP = 0.2
"""Of the trapezoid rule: the integrands are analytic within π/2 of the real line, which leaves exp(−π²/STEP)."""
CUT = 36.0
"""−log of what is left out at either end, relative to the answer."""
ROWS = 64
"""Values of y at a time, since sums within sums take memory."""
MOST_TERMS = 20_000
"""Of the series of a quadratic form."""

Factor = tuple[int, int]
"""(ν, k): the k-th power of a χ² variable of ν degrees of freedom."""


@dataclass(frozen=True)
class Law:
    """The distribution of a positive variable T.

    Attributes
    ----------
    below : y (…) -> (…)
        Pr(T < y).
    density : y (…) -> (…), or None
        Of log T, at log y; None for a sum, whose density nothing asks for.
    rate : float
        Pr(T < y) ~ y^rate but for logarithms.
    """

    below: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray] | None
    rate: float


def product_law(factors: Sequence[Factor]) -> Law:
    """Return the law of Π C_i^k_i, the C_i independent χ² variables of ν_i degrees of freedom.

    log C has the density c^(ν/2) exp(−c/2) / (2^(ν/2) Γ(ν/2)), c = e^s. The densities of the k_i log C_i are convolved
    on one grid, all but the last, whose own distribution function (or density) the grid is then summed with.

    Examples
    --------
    >>> bool(abs(product_law([(2, 1)]).below(np.array(2e-9)) / -np.expm1(-1e-9) - 1) < 1e-14)
    True
    """
    *others, (last, power) = sorted(factors)
    rate = min(nu / (2 * k) for nu, k in factors)

    def summed(y: np.ndarray, outer: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        t = np.log(y)
        if not others:
            return outer(t / power)
        reach = CUT + rate * max(0.0, -float(t.min()))
        grid, weights = reduce(_convolved, (_on_grid(*factor, reach) for factor in others))
        flat = t.reshape(-1)
        rows = [weights @ outer((one - grid) / power) for one in flat]
        return np.array(rows).reshape(t.shape)

    return Law(
        lambda y: summed(y, lambda s: log_chi2_below(s, last)),
        lambda y: summed(y, lambda s: log_chi2_density(s, last) / power),
        rate,
    )


def sum_law(laws: Sequence[Law]) -> Law:
    """Return the law of a sum of independent variables, all but the first with a density; its own has none.

    Pr(T + R < y) = ∫ f(log x) Pr(R < y − x) d log x with x = y / (1 + e^−v), over v by the trapezoid rule.
    """
    return reduce(_added, laws)


def quadratic_below(y: np.ndarray, weights: ArrayLike, shifts: ArrayLike) -> np.ndarray:
    """Return Pr(Σ_i weights_i (z_i − shifts_i)² < y), z standard normal.

    A mixture of χ² laws of d, d + 2, … degrees of freedom in y / min weights, with positive weights.

    References
    ----------
    Ruben (1962), Ann. Math. Statist. 33, 542-570: the distribution of a definite quadratic form, series with β the
    smallest weight.

    Examples
    --------
    >>> bool(abs(quadratic_below(np.array([1e-9]), [1.0, 1.0], [0.0, 0.0])[0] / -np.expm1(-0.5e-9) - 1) < 1e-14)
    True
    """
    scale, squares = np.asarray(weights, dtype=float), np.asarray(shifts, dtype=float) ** 2
    least, size = scale.min(), scale.size
    gaps = 1 - least / scale
    mix = [float(np.exp(-0.5 * squares.sum()) * np.prod(np.sqrt(least / scale)))]
    terms: list[float] = []
    half = np.asarray(y, dtype=float) / (2 * least)
    total = mix[0] * gammainc(size / 2, half)
    for k in range(1, MOST_TERMS):
        terms.append(float(np.sum(gaps**k + k * least * squares / scale * gaps ** (k - 1))))
        mix.append(float(np.dot(terms[::-1], mix)) / (2 * k))
        share = gammainc(size / 2 + k, half)
        total = total + mix[-1] * share
        # the shares fall with k, so that what is left of the mixture bounds what is left out
        if np.all(max(0.0, 1 - sum(mix)) * share <= 1e-15 * total) or np.all(share == 0.0):
            return total
    raise ArithmeticError(f"the series of the quadratic form did not converge in {MOST_TERMS} terms")


def log_chi2_density(s: np.ndarray, nu: int) -> np.ndarray:
    """Return the density of log C at s, C a χ² variable."""
    return np.exp(nu / 2 * (s - np.log(2.0)) - 0.5 * np.exp(np.minimum(s, 50.0)) - gammaln(nu / 2))


def log_chi2_below(s: np.ndarray, nu: int) -> np.ndarray:
    """Return Pr(log C < s), C a χ² variable."""
    return gammainc(nu / 2, 0.5 * np.exp(np.minimum(s, 50.0)))


def _on_grid(nu: int, power: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return multiples of `STEP`, and the density of ``power`` · log C times the step there."""
    low, high = -2 * reach / nu, np.log(2 * reach + 4 * nu)
    grid = STEP * np.arange(np.floor(power * low / STEP), np.ceil(power * high / STEP) + 1)
    return grid, log_chi2_density(grid / power, nu) * STEP / power


def _convolved(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]):
    (first, weights), (second, other_weights) = one, other
    both = np.convolve(weights, other_weights)  # no Fourier transform: it would drown the small values in rounding
    return first[0] + second[0] + STEP * np.arange(both.size), both


def _added(rest: Law, one: Law) -> Law:
    assert one.density is not None
    of_log = one.density
    v = STEP * np.arange(np.floor(-CUT / one.rate / STEP), np.ceil(CUT / rest.rate / STEP) + 1)

    def below(y: np.ndarray) -> np.ndarray:
        y = np.asarray(y, dtype=float)
        blocks = np.array_split(y.reshape(-1, 1), max(1, y.size // ROWS))
        parts = [np.sum(of_log(b * expit(v)) * expit(-v) * rest.below(b * expit(-v)), axis=1) for b in blocks]
        return np.concatenate(parts).reshape(y.shape) * STEP

    return Law(below, None, rest.rate + one.rate)
