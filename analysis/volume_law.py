"""λ and m read off a measured volume: V(ε) ~ C ε^λ (−log ε)^(m−1), with noise.

log V = −λ L + (m − 1) log (L + b) + c + further poles,  L = −log ε.

The same m − 1 logarithms with one constant b stand for a polynomial, since noise does not show more. The further
poles of the zeta function are not known: λ is averaged over every m, b and kind of further poles of `volume_fits`,
each with its probability, and its error is the spread over them. A next pole near to λ can look like a logarithm, and
a logarithm like it: whichever is the less likely and fits as well is told in a flag.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from singular.analysis.volume import DISAGREE, Volume
from singular.analysis.volume_fits import NEAREST, ONE, SEVERAL, Fits, all_fits, increments, weights
from singular.errors import InputError

ORDERS = (1, 2, 3, 4)
LEAST = 6 * math.log(10)
"""Least length of a curve, in L: six decades. Beyond, it is used as long as the replicates agree (`DISAGREE`)."""
STARTS = (0.1, 0.3, 0.5)
"""Share of the curve, in L, left out at its large ε: the first of these that fits."""
POOR = 2.0
"""χ² for each increment from which a curve does not fit: more of its large ε is left out."""
SIGMAS = 3.0
DECIDED = SIGMAS**2
"""Twice the log of the odds, or χ², by which an m must beat another to exclude it: three standard deviations."""
OPEN, RIVAL = "m is open", "is unlikely but fits as well"
"""What flags say of an m."""
EDGE = 0.25
"""Probability of the least distance to the next pole from which nearer ones cannot be left out."""


@dataclass(frozen=True)
class Growth:
    """λ and m of a volume.

    Attributes
    ----------
    value : float
        λ, averaged over every fit with its probability, whatever its m.
    mcse : float
        What the noise of the curve does to λ, the fit being given.
    systematic : float
        The spread of λ over the fits, as a standard deviation; at least a third of what an m makes that is not
        excluded, since m can be that far off at three errors.
    multiplicity : int
        The likeliest m.
    lead : float
        Twice the log of the odds by which it beats the next likely one.
    decided : bool
        Whether the lead is more than `DECIDED`.
    deviance : m -> float
        Twice the log of the odds of the likeliest m against this one.
    values : m -> float
        λ with each m.
    increments : int
        How many were fitted.
    decades : float
        Length of the curve, log10.
    flags : tuple of str
        An m that is open; one that is excluded as unlikely and yet fits as well, with the λ and the next pole that it
        needs; a next pole as near as is allowed for, so that nearer ones are possible; a curve that nothing fits.
    """

    value: float
    mcse: float
    systematic: float
    multiplicity: int
    lead: float
    decided: bool
    deviance: dict[int, float]
    values: dict[int, float]
    increments: int
    decades: float
    flags: tuple[str, ...]

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

    References
    ----------
    Watanabe (2009), Algebraic Geometry and Statistical Learning Theory, chapter 4: every pole of the zeta function
    is a term of V(ε). Hoeting, Madigan, Raftery & Volinsky (1999), Statistical Science 14, 382-417: averaging.
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
    for start in STARTS:
        steps = increments(x, curves, start)
        fits = all_fits(steps, orders)
        poor = float(fits.cost.min()) / steps.mean.size
        if poor <= POOR:
            break
    raised = max(1.0, poor / POOR)
    share = weights(fits, raised)
    value = float(share @ fits.value)
    noise = raised * float(share @ fits.variance)
    spread = math.sqrt(float(share @ (fits.value - value) ** 2))
    likely = {order: float(share[fits.order == order].sum()) for order in orders}
    winner = max(orders, key=lambda order: likely[order])
    deviance = {order: 2 * math.log(likely[winner] / max(likely[order], 1e-300)) for order in orders}
    values = {order: _mean(fits, share, order) for order in orders}
    possible = [order for order in orders if deviance[order] <= DECIDED]
    third = max(abs(values[order] - value) for order in possible) / SIGMAS
    lead = min((deviance[order] for order in orders if order != winner), default=math.inf)
    flags = _flags(fits, share, likely, possible)
    if poor > POOR:
        flags = (*flags, f"nothing fits: χ² of {poor:.1f} for each increment")
    return Growth(
        value=value,
        mcse=math.sqrt(noise),
        systematic=max(spread, math.sqrt(max(third**2 - noise, 0.0))),
        multiplicity=winner,
        lead=lead,
        decided=lead > DECIDED,
        deviance=deviance,
        values=values,
        increments=steps.mean.size,
        decades=float((x[-1] - first) / math.log(10)),
        flags=flags,
    )


def _mean(fits: Fits, share: np.ndarray, order: int) -> float:
    own = fits.order == order
    if share[own].sum() > 0:
        return float(np.average(fits.value[own], weights=share[own]))
    return float(fits.value[own][np.argmax(fits.log_weight[own])])


def _flags(fits: Fits, share: np.ndarray, likely: dict[int, float], possible: list[int]) -> tuple[str, ...]:
    flags = []
    if len(possible) > 1:
        flags.append(f"{OPEN}: " + ", ".join(f"{order} ({likely[order]:.2f})" for order in possible))
    # two for the size and the place of a pole, one for b: what a free number gains by chance
    cost = fits.cost + 2.0 * (2 * (fits.further == ONE) + (fits.order > 1))
    cost = np.where(fits.further == SEVERAL, np.inf, cost)
    for order in likely:
        own = np.where(fits.order == order, cost, np.inf)
        best = int(np.argmin(own))
        if order not in possible and own[best] <= cost.min() + DECIDED:
            needed = f" if the next pole is {fits.shift[best]:.2f} from it" if fits.further[best] == ONE else ""
            flags.append(f"m = {order} {RIVAL}, with λ = {fits.value[best]:.3f}{needed}")
    edge = float(share[(fits.further > 0) & (fits.shift <= NEAREST * 1.001)].sum())
    if edge > EDGE:
        flags.append(f"the next pole may be nearer than {NEAREST:g} (a probability of {edge:.2f} of being as near)")
    return tuple(flags)
