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

from singular.analysis.poles import fit_poles
from singular.errors import InputError

ORDERS = (1, 2, 3, 4, 5)
"""Multiplicities that are tried."""
POLES = ((), (1,), (2,), (1, 1), (2, 1), (1, 1, 1))
"""Orders of the further poles, nearest first, that are tried."""
TERMS = 5
"""Most terms of a fit, those of the leading pole and of the further ones together."""
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
        λ, and the sum of: the largest difference between fits (numbers of poles, windows) that hold about as well, the
        difference that the last three decades make, what errors in log Z can do, and, if m is not decided, what
        another m makes of λ. It is a range, not a standard deviation.
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
class _Trial:
    order: int
    poles: tuple[int, ...]
    start: float
    score: float
    exponents: tuple[float, ...]


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
    trials = [
        trial
        for (order, poles), start in product(allowed, starts)
        if (trial := _trial(x, y, noise, order, poles, start))
    ]
    best: dict[int, _Fit] = {}
    for order in sorted({trial.order for trial in trials}):
        ranked = sorted((t for t in trials if t.order == order), key=_miss)
        fit = next((fit for t in ranked if (fit := _refitted(x, y, noise, t))), None)
        if fit is not None:
            best[order] = fit
    if not best:
        raise InputError("log_z decays like no power of t")
    least = min(_miss(f) for f in best.values())
    winner = min(order for order, f in best.items() if _miss(f) <= MARGIN * least)
    chosen = best[winner]
    near = [t for t in trials if t.order == winner and _miss(t) <= KEPT * _miss(chosen)]
    peers = [fit for t in near if (fit := _refitted(x, y, noise, t))]
    spread = max((abs(f.value - chosen.value) for f in peers), default=0.0)
    higher = [f for f in best.values() if f.order > winner]
    left = [f for f in higher if _miss(f) <= MARGIN * _miss(chosen) and f.share >= NEGLIGIBLE]
    other = max((abs(f.value - chosen.value) for f in left), default=0.0)
    return Asymptotics(
        value=chosen.value,
        error=spread + chosen.moved + chosen.rounding * _miss(chosen) + other,
        multiplicity=winner,
        margin=min((_miss(f) for f in best.values() if f.order < winner), default=math.inf) / _miss(chosen),
        decided=not left,
        decades=float(math.log10(t[-1] / t[0])),
        evidence=tuple(Evidence(f.order, f.value, f.score, f.residual, f.share, f.shifts) for f in best.values()),
    )


def _widest(errors: np.ndarray) -> np.ndarray:
    """Return the largest of each error and its two neighbours on either side: two rules can agree by chance."""
    padded = np.pad(errors, 2, mode="edge")
    return np.max([padded[i : i + errors.size] for i in range(5)], axis=0)


def _miss(fit: _Fit | _Trial) -> float:
    """Return the score, a fit within the stated errors being as good as any."""
    return max(fit.score, 1.0)


def _trial(x, y, noise, order: int, poles: tuple[int, ...], start: float) -> _Trial | None:
    """Fit from ``start`` to the unseen part and score that on all; None if no such fit exists."""
    x, y, noise = (a[x >= start - 1e-9] for a in (x, y, noise))
    seen = x <= x[-1] - UNSEEN
    if seen.sum() < 2 + order + sum(poles) + len(poles):
        return None
    curve = fit_poles(x[seen], y[seen], noise[seen], order, poles)
    if curve is None:
        return None
    score = float(np.sqrt(np.mean(((curve(x) - y) / noise) ** 2)))
    return _Trial(order, poles, start, score, curve.exponents) if math.isfinite(score) else None


def _refitted(x, y, noise, trial: _Trial) -> _Fit | None:
    """Fit a trial's terms to the whole of its window."""
    x, y, noise = (a[x >= trial.start - 1e-9] for a in (x, y, noise))
    curve = fit_poles(x, y, noise, trial.order, trial.poles, trial.exponents)
    if curve is None:
        return None
    return _Fit(
        order=trial.order,
        value=curve.exponents[0],
        shifts=curve.exponents[1:],
        score=trial.score,
        residual=float(np.max(np.abs(curve(x) - y)[x > x[-1] - UNSEEN])),
        moved=abs(curve.exponents[0] - trial.exponents[0]),
        rounding=curve.rounding(x, noise),
        share=curve.share(float(x[-1])),
    )
