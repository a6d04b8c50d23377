"""λ and m read off a measured volume: V(ε) ~ C ε^λ (−log ε)^(m−1), with noise.

log V = −λ L + (m − 1) log (L + b) + c + a e^(−δ L),  L = −log ε.

The same m − 1 logarithms with one constant b stand for a polynomial, since noise does not show more. Every m is given
b (none for m = 1) and one further term, whose δ is one of `SHIFTS`: a next pole nearer than the least of them looks
like a logarithm to noisy data, and m rests on there being none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from singular.analysis.volume import DISAGREE, Volume
from singular.errors import InputError

ORDERS = (1, 2, 3, 4)
SHIFTS = (0.25, 0.5, 1.0)
"""Distances δ from λ to the next pole that are tried, beside none."""
LEAST = 6 * math.log(10)
"""Least length of a curve, in L: six decades. Beyond, it is used as long as the replicates agree (`DISAGREE`)."""
OFFSETS = np.linspace(-3.0, 5.0, 33)
"""Values of b: the scale of ε, within factors of e^−3 and e^5."""
STARTS = (0.1, 0.3, 0.5)
"""Share of the curve, in L, left out at its large ε: the first of these that fits; the later ones are alternatives."""
POOR = 2.0
"""χ² for each increment from which a curve does not fit: more of its large ε is left out."""
SIGMAS = 3.0
DECIDED = SIGMAS**2
"""χ² by which an m must beat all others to be decided, and by which one is excluded: three standard deviations."""
NEIGHBOURS = 7
"""Levels on either side over which the variance of an increment is averaged."""


@dataclass(frozen=True)
class Growth:
    """λ and m of a volume.

    Attributes
    ----------
    value, mcse : float
        λ with that m, and its standard error from the replicates.
    systematic : float
        The largest difference that another range of ε, or another choice of the further term, makes beyond its
        noise; and a third of what an m makes that is not excluded, since m can be that far off at three errors.
    multiplicity : int
        The least m that is not excluded: whose χ² is within `DECIDED` of the best.
    lead : float
        χ² by which it beats the best other m; negative where a larger one fits better, but not by enough.
    decided : bool
        Whether the lead is more than `DECIDED`.
    chi_squared : m -> float
        Least χ² with each m, over ``increments`` increments of the curve.
    values : m -> float
        λ with each m.
    increments : int
    decades : float
        Length of the curve, log10.
    """

    value: float
    mcse: float
    systematic: float
    multiplicity: int
    lead: float
    decided: bool
    chi_squared: dict[int, float]
    values: dict[int, float]
    increments: int
    decades: float

    @property
    def error(self) -> float:
        """Both errors together, as one standard deviation."""
        return math.hypot(self.mcse, self.systematic)


def growth(measured: Volume, orders: Sequence[int] = ORDERS) -> Growth:
    """Return λ and m of V(ε) ~ C ε^λ (−log ε)^(m−1) from a measured curve.

    Fitted are the increments of log V from level to level, weighted by their variance over the replicates.

    Parameters
    ----------
    measured : Volume
        Over at least six decades of ε.
    orders : sequence of int
        The m to compare.

    Raises
    ------
    InputError
        If the curve is shorter.
    """
    x = -np.log(measured.frame["epsilon"].to_numpy())
    first = max(x[0], 0.0)
    if x[-1] - first < LEAST:
        raise InputError(
            f"measured is {(x[-1] - first) / math.log(10):.1f} decades long: allowed is a curve of at least 6"
        )
    calm = np.logical_and.accumulate(np.std(measured.curves, axis=0, ddof=1) <= DISAGREE) | (x - first < LEAST)
    calm[np.argmin(calm) if not calm.all() else -1] = True  # the level that completes the least length
    x, curves = x[calm], measured.curves[:, calm]
    decades = float((x[-1] - first) / math.log(10))
    for start in STARTS:
        best = {order: _best(x, curves, order, start) for order in orders}
        poor = min(cost for cost, _ in best.values()) / _increments(x, curves, start).mean.size
        if poor <= POOR:
            break
    least = min(cost for cost, _ in best.values())
    winner = min(order for order in orders if best[order][0] <= least + DECIDED)
    chi_squared, (offset, shift) = best[winner]
    value, mcse = _slope(x, curves, winner, start, offset, shift)
    mcse = math.hypot(mcse, _from_offset(x, curves, winner, start, shift)) * math.sqrt(max(1.0, poor / POOR))
    others = []
    for later in (s for s in STARTS if s >= start):
        for other in (None, *SHIFTS):
            trial_chi, (trial_offset, _) = _best(x, curves, winner, later, (other,))
            trial, trial_error = _slope(x, curves, winner, later, trial_offset, other)
            # a fit that is much worse, or that says nothing, is no alternative
            if trial_error < 4 * mcse and (later > start or trial_chi < chi_squared + DECIDED):
                others.append((abs(trial - value), math.sqrt(max(trial_error**2 - mcse**2, 0.0))))
    systematic = max((max(0.0, moved - noise) for moved, noise in others), default=0.0)
    values = {order: _slope(x, curves, order, start, *at)[0] for order, (_, at) in best.items()}
    for order in orders:  # an m that is not excluded
        if best[order][0] <= least + DECIDED:
            systematic = max(systematic, abs(values[order] - value) / SIGMAS)
    lead = min((best[order][0] for order in orders if order != winner), default=math.inf) - chi_squared
    return Growth(
        value=value,
        mcse=mcse,
        systematic=systematic,
        multiplicity=winner,
        lead=lead,
        decided=lead > DECIDED,
        chi_squared={order: float(best[order][0]) for order in orders},
        values=values,
        increments=_increments(x, curves, start).mean.size,
        decades=decades,
    )


@dataclass(frozen=True)
class _Steps:
    """Increments of log V: the ends of each in L, of the mean curve, with one replicate left out, and variance."""

    ends: np.ndarray
    mean: np.ndarray
    without: np.ndarray
    variance: np.ndarray


def _increments(x: np.ndarray, curves: np.ndarray, start: float) -> _Steps:
    """Return the increments of the log of the mean volume beyond ``start``; errors by the jackknife.

    Copies of few ancestors make distant increments move together, and the curve less certain than its increments
    say: the variance is raised by as much.
    """
    begin = max(x[0], 0.0) + start * (x[-1] - max(x[0], 0.0))
    used = np.flatnonzero(x >= begin)
    ends = np.stack([x[used[:-1]], x[used[1:]]], axis=1)
    count = curves.shape[0]
    without = np.stack([_log_sum(np.delete(curves, r, axis=0)) for r in range(count)])
    mean, without = (np.diff(c[..., used], axis=-1) for c in (_log_sum(curves), without))
    raw = (count - 1) * np.var(without, axis=0)
    variance = np.array([raw[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1].mean() for i in range(raw.size)])
    together = (count - 1) * np.var(without.sum(axis=1)) / variance.sum()
    return _Steps(ends, mean, without, variance * max(1.0, float(together)))


def _log_sum(curves: np.ndarray) -> np.ndarray:
    return np.asarray(logsumexp(curves, axis=0))


def _columns(pairs: np.ndarray, order: int, offset: float, shift: float | None):
    """Return the linear terms of an increment, and the known part with its logarithms."""
    low, high = pairs.T
    columns = [low - high]
    if shift is not None:
        columns.append(np.exp(-shift * (high - pairs[0, 0])) - np.exp(-shift * (low - pairs[0, 0])))
    return np.stack(columns, axis=1), (order - 1) * np.log((high + offset) / (low + offset))


def _best(
    x,
    curves,
    order: int,
    start: float,
    shifts: Sequence[float | None] = (None, *SHIFTS),
    offsets: Iterable[float] = OFFSETS,
) -> tuple[float, tuple[float, float | None]]:
    """Return the least χ² of the mean curve, two added for a further term, and (b, δ) where it is."""
    steps = _increments(x, curves, start)
    scale = np.sqrt(steps.variance)
    found: tuple[float, tuple[float, float | None]] = (math.inf, (0.0, None))
    for shift in shifts:
        for offset in offsets if order > 1 else (0.0,):
            if steps.ends[0, 0] + offset < 1.0:
                continue
            columns, known = _columns(steps.ends, order, offset, shift)
            target = (steps.mean - known) / scale
            matrix = columns / scale[:, None]
            fitted = matrix @ np.linalg.lstsq(matrix, target, rcond=None)[0]
            cost = float(np.sum((target - fitted) ** 2)) + (0.0 if shift is None else 2.0)
            if cost < found[0]:
                found = (cost, (float(offset), shift))
    return found


def _from_offset(x, curves, order: int, start: float, shift: float | None) -> float:
    """Return what one standard deviation of b does to λ: half its range over the b with χ² within 1 of the least."""
    if order == 1:
        return 0.0
    costs, slopes = [], []
    for offset in OFFSETS:
        cost = _best(x, curves, order, start, (shift,), (offset,))[0]
        if math.isfinite(cost):
            costs.append(cost)
            slopes.append(_slope(x, curves, order, start, offset, shift)[0])
    near = np.array(slopes)[np.array(costs) <= min(costs) + 1.0]
    return float(np.ptp(near)) / 2


def _slope(x, curves, order: int, start: float, offset: float, shift: float | None) -> tuple[float, float]:
    """Return λ of the mean curve and its standard error by the jackknife."""
    steps = _increments(x, curves, start)
    columns, known = _columns(steps.ends, order, offset, shift)
    weight = steps.variance**-0.5
    targets = (np.vstack([steps.mean, steps.without]) - known) * weight
    fits = np.linalg.lstsq(columns * weight[:, None], targets.T, rcond=None)[0][0]
    return float(fits[0]), float(np.sqrt((fits.size - 2) * np.var(fits[1:])))
