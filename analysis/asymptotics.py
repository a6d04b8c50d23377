"""λ and m read off the decay of an exactly known integral, without any formula for them.

log Z(t) = −λ L + log (c_{m−1} L^{m−1} + … + c_0 + Σ_j a_j t^{−δ_j}),  L = log t:

the leading pole, of order m, and the next poles at λ + δ_j, which can be so near that their share dies slowly.
Every m is given the same freedom. A fit is scored by how well it foretells the far end of the curve, which
it has not seen, so that a richer fit is not the better one for being richer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import least_squares

from singular.errors import InputError

ORDERS = (1, 2, 3, 4, 5)
"""Multiplicities that are tried."""
CORRECTIONS = (0, 1, 2)
"""Numbers of further poles that are tried."""
NEAREST = 0.05
"""The least δ: two poles that are nearer are taken for one of higher order."""
FARTHEST = 4.0
STARTS = ((), (0.1,), (0.5,), (0.1, 0.4), (0.5, 0.5))
"""Gaps between neighbouring poles from which the fits start."""
FORETOLD = math.log(1e3)
"""How much of the curve, in log t, is foretold from the rest: three decades."""
WINDOWS = 3
"""Numbers of smallest t from which the curve is taken, the last one four decades before the foretold part."""
MARGIN = 3.0
"""A higher m must foretell this many times better than a lower one to be preferred."""
NEGLIGIBLE = 0.01
"""The share of Z below which a leading logarithm is not there."""
KEPT = 10.0
"""Fits of the winning m that foretell up to this many times worse than its best count in the error of λ."""


@dataclass(frozen=True)
class Evidence:
    """How one multiplicity fares.

    Attributes
    ----------
    multiplicity : int
    value : float
        λ of the best fit with this m, refitted to the whole of its window.
    foretold : float
        Root mean square error of log Z over the last three decades, foretold from before, nats.
    residual : float
        Root mean square residual of the refit, nats.
    share : float
        Share of Z at the largest t that its term with L^(m−1) has: near 0 where m is too large.
    shifts : tuple of float
        δ_j of the refit, in order.
    """

    multiplicity: int
    value: float
    foretold: float
    residual: float
    share: float
    shifts: tuple[float, ...]


@dataclass(frozen=True)
class Asymptotics:
    """λ and m of a curve, and what speaks for that m.

    Attributes
    ----------
    value, error : float
        λ, and the largest of: the difference between fits (numbers of poles, windows) that foretell about as
        well, the difference that the last three decades make, and what errors in log Z can do. It is a range,
        not a standard deviation.
    multiplicity : int
        The smallest m that foretells the far end within a factor `MARGIN` of the best.
    margin : float
        How many times worse the next lower m foretells; infinite for m = 1.
    decided : bool
        Whether no other m is left: every lower one foretells more than `MARGIN` times worse, and so does every
        higher one, or its leading term has less than `NEGLIGIBLE` of Z and so it is the same curve.
    decades : float
        Length of the curve, log10 of the largest t over the smallest.
    evidence : tuple of Evidence
        One for each m that could be fitted, in order.
    """

    value: float
    error: float
    multiplicity: int
    margin: float
    decided: bool
    decades: float
    evidence: tuple[Evidence, ...]

    def of(self, multiplicity: int) -> Evidence | None:
        """Return the evidence for this m, None if it could not be fitted."""
        return next((e for e in self.evidence if e.multiplicity == multiplicity), None)


@dataclass(frozen=True)
class _Fit:
    order: int
    window: np.ndarray
    value: float
    shifts: tuple[float, ...]
    residual: float
    foretold: float
    moved: float
    share: float


def decay(
    sizes: Sequence[float] | np.ndarray,
    log_z: Sequence[float] | np.ndarray,
    errors: Sequence[float] | np.ndarray | float = 0.0,
    orders: Sequence[int] = ORDERS,
) -> Asymptotics:
    """Return λ and m of Z(t) ~ C t^(−λ) (log t)^(m−1) from exact values of log Z on a grid of t.

    Parameters
    ----------
    sizes : (k,) float
        t > 1, increasing, over at least eight decades.
    log_z : (k,) float
        log Z(t), nats.
    errors : (k,) float or float
        Absolute error of each, nats.
    orders : sequence of int
        The m to compare.

    Returns
    -------
    Asymptotics

    Raises
    ------
    InputError
        If the shapes disagree, a value is not finite, or the grid is too short or too coarse.

    Examples
    --------
    >>> t = np.logspace(1, 13, 49)
    >>> fit = decay(t, -0.5 * np.log(t) + np.log(np.log(t) + 2))
    >>> round(fit.value, 6), fit.multiplicity
    (0.5, 2)
    """
    t, y = np.asarray(sizes, dtype=np.float64), np.asarray(log_z, dtype=np.float64)
    noise = np.broadcast_to(np.asarray(errors, dtype=np.float64), y.shape)
    if t.ndim != 1 or t.shape != y.shape or not (np.isfinite(y).all() and np.isfinite(noise).all()):
        raise InputError(f"sizes of shape {t.shape} and log_z of shape {y.shape}: allowed are equal, finite sequences")
    if t.size < 24 or not (np.all(np.diff(t) > 0) and t[0] > 1 and t[-1] / t[0] >= 1e8):
        raise InputError("sizes: allowed are at least 24 increasing t > 1 over at least eight decades")
    x = np.log(t)
    starts = [x[0] + s for s in np.linspace(0.0, max(0.0, x[-1] - x[0] - FORETOLD - math.log(1e4)), WINDOWS)]
    fits = []
    for order, count, start in product(orders, CORRECTIONS, starts):
        fit = _scored(x, y, order, count, start)
        if fit is not None:
            fits.append(fit)
    if not fits:
        raise InputError("log_z decays like no power of t")
    floor = max(float(np.max(noise[x > x[-1] - FORETOLD])), 1e-12)

    def miss(fit: _Fit) -> float:
        return max(fit.foretold, floor)

    best = {order: min((f for f in fits if f.order == order), key=miss) for order in sorted({f.order for f in fits})}
    least = min(miss(f) for f in best.values())
    winner = min(order for order, f in best.items() if miss(f) <= MARGIN * least)
    chosen = best[winner]
    peers = [f for f in fits if f.order == winner and miss(f) <= KEPT * miss(chosen)]
    spread = max(abs(f.value - chosen.value) for f in peers)
    rounding = _sensitivity(chosen) * floor
    others = [f for f in best.values() if f.order > winner]
    return Asymptotics(
        value=chosen.value,
        error=max(spread, chosen.moved, rounding),
        multiplicity=winner,
        margin=min((miss(f) for f in best.values() if f.order < winner), default=math.inf) / miss(chosen),
        decided=all(miss(f) > MARGIN * miss(chosen) or f.share < NEGLIGIBLE for f in others),
        decades=float(math.log10(t[-1] / t[0])),
        evidence=tuple(Evidence(f.order, f.value, f.foretold, f.residual, f.share, f.shifts) for f in best.values()),
    )


def _scored(x: np.ndarray, y: np.ndarray, order: int, count: int, start: float) -> _Fit | None:
    """Fit from ``start`` up to the foretold part, foretell it, and refit to all; None if no such fit exists."""
    window = x >= start - 1e-9
    x, y = x[window], y[window]
    seen = x <= x[-1] - FORETOLD
    if seen.sum() < 2 + order + 2 * count:
        return None
    early, whole = _fit(x[seen], y[seen], order, count), _fit(x, y, order, count)
    if early is None or whole is None:
        return None
    foretold, residual = early(x[~seen]) - y[~seen], whole(x) - y
    if not np.isfinite(foretold).all():
        return None
    root = [float(np.sqrt(np.mean(r**2))) for r in (residual, foretold)]
    moved = abs(whole.exponents[0] - early.exponents[0])
    return _Fit(order, x, whole.exponents[0], whole.exponents[1:], *root, moved, whole.share(float(x[-1])))


@dataclass(frozen=True)
class _Curve:
    """A fitted log Z: exponents (λ, δ_1, …), coefficients of the basis, and where both are counted from."""

    order: int
    exponents: tuple[float, ...]
    coefficients: np.ndarray
    origin: tuple[float, float]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        basis = _basis(x - self.origin[0], self.order, self.exponents[1:])
        with np.errstate(invalid="ignore"):
            return self.origin[1] - self.exponents[0] * (x - self.origin[0]) + np.log(basis @ self.coefficients)

    def share(self, x: float) -> float:
        """Return the leading term's share of Z at x, for m ≥ 2; 1 for m = 1, which has no logarithm."""
        terms = _basis(np.array([x - self.origin[0]]), self.order, self.exponents[1:])[0] * self.coefficients
        return 1.0 if self.order == 1 else float(terms[self.order - 1] / terms.sum())


def _basis(x: np.ndarray, order: int, shifts: Sequence[float]) -> np.ndarray:
    """Return L^k for k < m and t^(−δ_j), without the common t^(−λ)."""
    return np.stack([x**k for k in range(order)] + [np.exp(-shift * x) for shift in shifts], axis=1)


def _fit(x: np.ndarray, y: np.ndarray, order: int, count: int) -> _Curve | None:
    """Return the least-squares fit: the coefficients are linear given the exponents, and are eliminated."""
    origin = (float(x[0]), float(y[0]))
    length, height = x - origin[0], y - origin[1]

    def weighted(theta):
        """The basis divided by the data, so that a residual is a relative error of Z."""
        shifts = np.cumsum(theta[1:])
        return _basis(length, order, shifts) * np.exp(-theta[0] * length - height)[:, None]

    def solve(theta):
        matrix = weighted(theta)
        size = np.linalg.norm(matrix, axis=0)
        return np.linalg.lstsq(matrix / size, np.ones_like(length), rcond=None)[0] / size

    def residual(theta):
        return weighted(theta) @ solve(theta) - 1

    # the local slope of a curve with m is λ − (m − 1)/L
    slope = -float((y[-1] - y[-3]) / (x[-1] - x[-3]))
    best = None
    for gaps in (g for g in STARTS if len(g) == count):
        start = np.array([max(slope, 1e-3) + (order - 1) / x[-1], *gaps])
        lower = np.array([0.0, *[NEAREST] * count])
        upper = np.array([slope + 2.0, *[FARTHEST] * count])
        found = least_squares(residual, start, bounds=(lower, upper), xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=100)
        if best is None or found.cost < best.cost:
            best = found
    if best is None:
        return None
    coefficients = solve(best.x)
    if coefficients[order - 1] <= 0:
        return None
    exponents = (float(best.x[0]), *(float(s) for s in np.cumsum(best.x[1:])))
    return _Curve(order, exponents, coefficients, origin)


def _sensitivity(fit: _Fit) -> float:
    """Return what errors of one nat in log Z, as bad as they can be, do to λ: twice one over the window's length."""
    return 2.0 * fit.order / float(fit.window[-1] - fit.window[0])
