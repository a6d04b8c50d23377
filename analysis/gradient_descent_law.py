"""Gradient descent and gradient flow on a quadratic from random starts: the law of w at step N.

It is the law of the starts, shrunk by (1 − η h_i)^N (or e^(−h_i s) at time s of the flow) in each direction, and no
Gibbs law: its log volume falls linearly in N, that of exp(−t L) φ only as log t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from singular.analysis.law_inputs import number, spectrum_of
from singular.analysis.starts import Gaussian, Start
from singular.analysis.tempered_quadratic import tempered_quadratic
from singular.errors import InputError, whole


@dataclass(frozen=True)
class DescentLaw:
    """The law of w after training without noise.

    Attributes
    ----------
    curvatures : (d,) float
    factor : (d,) float
        By which each direction has shrunk: (1 − η h_i)^N or e^(−h_i s).
    start, law : Gaussian or Box
        Of w at the start and now.
    mean, variance : (d,) float
        Of w now, from the minimum.
    excess : float
        E[L] − L0, in the unit of the loss: ½ Σ h_i (mean² + variance).
    log_volume : float
        log |det| of the map from start to end, nats; −∞ if a direction has been learnt exactly.
    """

    curvatures: np.ndarray
    factor: np.ndarray
    start: Start
    law: Start
    mean: np.ndarray
    variance: np.ndarray
    excess: float
    log_volume: float

    def pushforward_coefficient(self, t: float) -> float:
        """Return the learning coefficient, at resolution t, of a posterior whose *prior* is the law of w now.

        For Gaussian starts ½ Σ t h a/(t h a + τ), a = factor². It falls with N from that of the starts to 0: it counts
        directions that t can see and training has not yet learnt, and is the opposite of `learned_directions`, which
        rises. For any finite N it returns to half the rank as t → ∞: the map is invertible (unless η h_i = 1) and
        leaves the learning coefficient as it is. Early stopping makes no model singular, except at a resolution.
        """
        return tempered_quadratic(self.curvatures, self.law, t).excess_coefficient

    def gibbs_resolutions(self) -> np.ndarray:
        """Return (d,) the t_i at which exp(−t_i L) φ has the variance that direction i has now; Gaussian starts only.

        t_i = τ_i (1/a_i − 1)/h_i: about 2 η N τ_i where η N h_i ≪ 1 and exponentially greater where it is ≫ 1, so no
        one t serves all. NaN where h_i = 0: every t leaves that direction alone, as training does.
        """
        if not isinstance(self.start, Gaussian):
            raise InputError(f"start={self.start!r}: only Gaussian starts have tempered laws of their own kind")
        variance = self.start.moments(self.curvatures.size)[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.curvatures > 0, (1 / self.factor**2 - 1) / (variance * self.curvatures), np.nan)


def gradient_descent(
    curvatures: Sequence[float] | np.ndarray, start: Start, step_size: float, steps: int
) -> DescentLaw:
    """Return the law of w ← w − η ∇L after N steps from random starts, on ½ Σ h_i w_i².

    Parameters
    ----------
    curvatures : (d,) float
        h_i ≥ 0.
    start : Gaussian or Box
    step_size : float
        η > 0; from η h_i = 2 on a direction diverges, and the law of it says so.
    steps : int
        N ≥ 0.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    The linear recursion itself, direction by direction.

    Examples
    --------
    >>> from singular.analysis.resolution import Gaussian
    >>> law = gradient_descent([10.0, 1.0, 0.1, 0.01, 0.0], Gaussian(1.0), step_size=0.05, steps=100)
    >>> round(law.pushforward_coefficient(1e3), 5), round(law.log_volume, 1)
    (0.95391, -75.0)
    """
    h = spectrum_of(curvatures)
    rate = number("step_size", step_size) * h
    steps = whole("steps", steps, 0)
    with np.errstate(divide="ignore", over="ignore"):
        log_factor = steps * np.log(np.abs(1 - rate)) if steps else np.zeros_like(h)
        log_factor = np.where(rate < 0.5, steps * np.log1p(-np.minimum(rate, 0.5)), log_factor)
        factor = np.exp(log_factor) * np.where(rate > 1, (-1.0) ** (steps % 2), 1.0)
    return _law(h, start, factor, float(log_factor.sum()))


def gradient_flow(curvatures: Sequence[float] | np.ndarray, start: Start, time: float) -> DescentLaw:
    """Return the law of dw/ds = −∇L at time s from random starts, on ½ Σ h_i w_i²; the limit of s = η N, η → 0.

    Parameters
    ----------
    curvatures : (d,) float
        h_i ≥ 0.
    start : Gaussian or Box
    time : float
        s ≥ 0.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> import math
    >>> from singular.analysis.resolution import Box
    >>> round(gradient_flow([1.0], Box(1.0), time=0.5).excess, 6), round(math.exp(-1.0) / 6, 6)
    (0.061313, 0.061313)
    """
    h = spectrum_of(curvatures)
    log_factor = -number("time", time, zero=True) * h
    return _law(h, start, np.exp(log_factor), float(log_factor.sum()))


def _law(h: np.ndarray, start: Start, factor: np.ndarray, log_volume: float) -> DescentLaw:
    mean, variance = start.moments(h.size)
    mean, variance = mean * factor, variance * factor**2
    return DescentLaw(
        curvatures=h,
        factor=factor,
        start=start,
        law=start.moved(factor),
        mean=mean,
        variance=variance,
        excess=float(0.5 * np.sum(h * (mean**2 + variance))),
        log_volume=log_volume,
    )
