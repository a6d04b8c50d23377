"""λ and m read off the decay of an exactly known integral, without any formula for them.

log Z(t) = −λ L + log (c_{m−1} L^{m−1} + … + c_0 + Σ_j a_j(L) t^{−δ_j}),  L = log t:

the leading pole, of order m, and the next poles at λ + δ_j, of order one or two, which can be so near that their share
dies slowly. Every m is given the same number of terms. A fit is made without the last decades of the curve and scored
on all of it, in units of the stated errors: so a richer fit is not the better one for being richer.
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
POLES = ((), (1,), (2,), (1, 1), (2, 1), (1, 1, 1))
"""Orders of the further poles, nearest first, that are tried."""
TERMS = 5
"""Most terms of a fit, those of the leading pole and of the further ones together."""
NEAREST = 0.05
"""The least δ: two poles that are nearer are taken for one of higher order."""
FARTHEST = 4.0
GAPS = (0.1, 0.5)
"""Distances from pole to pole from which the fits start."""
UNSEEN = math.log(1e3)
"""How much of the curve, in log t, a fit has to foretell: three decades."""
WINDOWS = 3
"""Numbers of smallest t from which the curve is taken, the last one four decades before the unseen part."""
MARGIN = 3.0
"""A higher m must score this many times better than a lower one to be preferred."""
FINEST = 1e-9
"""No stated error of log Z is taken to be smaller."""
NEGLIGIBLE = 0.01
"""The share of Z below which a leading logarithm is not there."""
KEPT = 10.0
"""Fits of the winning m that score up to this many times worse than its best count in the error of λ."""


@dataclass(frozen=True)
class Evidence:
    """How one multiplicity fares.

    Attributes
    ----------
    multiplicity : int
    value : float
        λ of the best fit with this m, refitted to the whole of its window.
    score : float
        Root mean square of (fit − log Z) / stated error over the window, the fit being made to all but the last three
        decades; where stated errors are less than `FINEST`, they are taken as that.
    residual : float
        Largest |fit − log Z| of the refit over the last three decades, nats.
    share : float
        Share of Z at the largest t that its term with L^(m−1) has: near 0 where m is too large.
    shifts : tuple of float
        δ_j of the refit, in order.
    """

    multiplicity: int
    value: float
    score: float
    residual: float
    share: float
    shifts: tuple[float, ...]


@dataclass(frozen=True)
class Asymptotics:
    """λ and m of a curve, and what speaks for that m.

    Attributes
    ----------
    value, error : float
        λ, and the largest of: the difference between fits (numbers of poles, windows) that hold about as
        well, the difference that the last three decades make, and what errors in log Z can do. It is a range,
        not a standard deviation.
    multiplicity : int
        The smallest m whose score is at most `MARGIN` times the best, or 1.
    margin : float
        How many times worse the next lower m scores; infinite for m = 1.
    decided : bool
        Whether no other m is left: every lower one scores more than `MARGIN` times worse, and so does every
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
    value: float
    shifts: tuple[float, ...]
    score: float
    residual: float
    moved: float
    rounding: float
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
    noise = np.maximum(_widest(np.broadcast_to(np.asarray(errors, dtype=np.float64), y.shape)), FINEST)
    if t.ndim != 1 or t.shape != y.shape or not (np.isfinite(y).all() and np.isfinite(noise).all()):
        raise InputError(f"sizes of shape {t.shape} and log_z of shape {y.shape}: allowed are equal, finite sequences")
    if t.size < 24 or not (np.all(np.diff(t) > 0) and t[0] > 1 and t[-1] / t[0] >= 1e8):
        raise InputError("sizes: allowed are at least 24 increasing t > 1 over at least eight decades")
    x = np.log(t)
    starts = [x[0] + s for s in np.linspace(0.0, max(0.0, x[-1] - x[0] - UNSEEN - math.log(1e4)), WINDOWS)]
    allowed = [(order, poles) for order, poles in product(orders, POLES) if order + sum(poles) <= TERMS]
    tried = (_scored(x, y, noise, order, poles, start) for (order, poles), start in product(allowed, starts))
    fits = [fit for fit in tried if fit is not None]
    if not fits:
        raise InputError("log_z decays like no power of t")
    best = {order: min((f for f in fits if f.order == order), key=_miss) for order in sorted({f.order for f in fits})}
    least = min(_miss(f) for f in best.values())
    winner = min(order for order, f in best.items() if _miss(f) <= MARGIN * least)
    chosen = best[winner]
    peers = [f for f in fits if f.order == winner and _miss(f) <= KEPT * _miss(chosen)]
    spread = max(abs(f.value - chosen.value) for f in peers)
    higher = [f for f in best.values() if f.order > winner]
    return Asymptotics(
        value=chosen.value,
        error=max(spread, chosen.moved, chosen.rounding * _miss(chosen)),
        multiplicity=winner,
        margin=min((_miss(f) for f in best.values() if f.order < winner), default=math.inf) / _miss(chosen),
        decided=all(_miss(f) > MARGIN * _miss(chosen) or f.share < NEGLIGIBLE for f in higher),
        decades=float(math.log10(t[-1] / t[0])),
        evidence=tuple(Evidence(f.order, f.value, f.score, f.residual, f.share, f.shifts) for f in best.values()),
    )


def _widest(errors: np.ndarray) -> np.ndarray:
    """Return the largest of each error and its two neighbours on either side: two rules can agree by chance."""
    padded = np.pad(errors, 2, mode="edge")
    return np.max([padded[i : i + errors.size] for i in range(5)], axis=0)


def _miss(fit: _Fit) -> float:
    """Return the score, a fit within the stated errors being as good as any."""
    return max(fit.score, 1.0)


def _scored(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, order: int, poles: tuple[int, ...], start: float
) -> _Fit | None:
    """Fit from ``start`` to the unseen part, score it, and refit to all; None if no such fit exists."""
    window = x >= start - 1e-9
    x, y, noise = x[window], y[window], noise[window]
    seen = x <= x[-1] - UNSEEN
    if seen.sum() < 2 + order + sum(poles) + len(poles):
        return None
    early, whole = _fit(x[seen], y[seen], noise[seen], order, poles), _fit(x, y, noise, order, poles)
    if early is None or whole is None:
        return None
    score = float(np.sqrt(np.mean(((early(x) - y) / noise) ** 2)))
    if not math.isfinite(score):
        return None
    return _Fit(
        order=order,
        value=whole.exponents[0],
        shifts=whole.exponents[1:],
        score=score,
        residual=float(np.max(np.abs(whole(x) - y)[~seen])),
        moved=abs(whole.exponents[0] - early.exponents[0]),
        rounding=whole.rounding(x, noise),
        share=whole.share(float(x[-1])),
    )


@dataclass(frozen=True)
class _Curve:
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
        """Return what the stated errors do to λ at worst, the shifts being held: Σ |∂λ/∂log Z_i| error_i."""
        basis = self.basis(x)
        columns = np.concatenate([self.origin[0] - x[:, None], basis / (basis @ self.coefficients)[:, None]], axis=1)
        size = np.linalg.norm(columns, axis=0)
        return float(np.sum(np.abs(np.linalg.pinv(columns / size / noise[:, None])[0]))) / float(size[0])


def _basis(x: np.ndarray, order: int, poles: Sequence[int], shifts: Sequence[float]) -> np.ndarray:
    """Return L^k for k < m, and t^(−δ_j) L^k for k < order of the further pole, without the common t^(−λ)."""
    leading = [x**k for k in range(order)]
    further = [np.exp(-d * x) * x**k for p, d in zip(poles, shifts, strict=True) for k in range(p)]
    return np.stack(leading + further, axis=1)


def _fit(x: np.ndarray, y: np.ndarray, noise: np.ndarray, order: int, poles: tuple[int, ...]) -> _Curve | None:
    """Return the least-squares fit: the coefficients are linear given the exponents, and are eliminated."""
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
    best = None
    for gap in GAPS if poles else (0.0,):
        start = np.array([max(slope, 1e-3) + (order - 1) / x[-1], *[gap] * len(poles)])
        lower = np.array([0.0, *[NEAREST] * len(poles)])
        upper = np.array([slope + 2.0, *[FARTHEST] * len(poles)])
        found = least_squares(residual, start, bounds=(lower, upper), xtol=1e-13, ftol=1e-13, gtol=1e-13, max_nfev=60)
        if best is None or found.cost < best.cost:
            best = found
    if best is None:
        return None
    coefficients = solve(best.x)
    if coefficients[order - 1] <= 0:
        return None
    exponents = (float(best.x[0]), *(float(s) for s in np.cumsum(best.x[1:])))
    return _Curve(order, poles, exponents, coefficients, origin)
