"""Prior masses of {K < ε} by one integral: two factors of which one is the smaller, two wells, a line and a dot."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf, xlog1py

from singular.analysis.exact_volume_laws import CUT, Factor, log_chi2_below, log_chi2_density
from singular.models.crossings.two_wells import FLAT, HEIGHT, SHARP, SPREAD, SUMMIT
from singular.models.integrals.rules import log_normal_density, panels

ORDER = 16
"""Nodes on each panel."""
WIDTH = 0.5
"""Of a panel on the scale of a logarithm."""
SPLIT = 3.5
"""Half the length of the double exponential rule, and its step: the integrand is left out where it is e^−π sinh."""
FINE = 0.05
TOP, DEEP = 0.8, 0.8**4 * 0.2
"""Where |1 − w| w⁴ has its maximum between 0 and 1, and what it is there."""


def ordered_below(y: np.ndarray, smaller: Factor, larger: Factor, most: float = math.inf) -> np.ndarray:
    """Return Pr(C1^k1 C2^k2 < y, C1 < C2 < most), the C_i independent χ² variables.

    Given log C2 = s the other is below min(s, (log y − k2 s)/k1); the integral over s is cut where these cross.

    Parameters
    ----------
    y : (N,) float
    smaller, larger : Factor
        (ν, k) of C1 and of C2.
    most : float
        Largest C2.
    """
    (nu, power), (other_nu, other_power) = smaller, larger
    out = []
    for t in np.log(y):
        crossing = t / (power + other_power)
        low = crossing - 2 * CUT / other_nu
        high = min(math.log(most), math.log(2 * CUT + 2 * abs(t) + 4 * other_nu))
        edges = [edge for edge in (low, crossing, high) if edge <= high]
        if edges[-1] < high:
            edges.append(high)
        total = 0.0
        for first, second in itertools.pairwise(edges):
            rule = panels(np.linspace(first, second, math.ceil((second - first) / WIDTH) + 1), ORDER)
            s = rule.points
            inside = log_chi2_below(np.minimum(s, (t - other_power * s) / power), nu)
            total += float(np.sum(np.exp(rule.log_weights) * log_chi2_density(s, other_nu) * inside))
        if not edges[1:]:  # all below the crossing: the whole square
            raise ArithmeticError(f"no panel for y={math.exp(t):.3g}")
        out.append(total)
    return np.array(out)


def square_below(y: np.ndarray, half_width: float) -> np.ndarray:
    """Return Pr(w1² w2² < y, |w1| < half_width, |w2| < half_width), w1 and w2 standard normal."""
    return 2 * ordered_below(y, (1, 1), (1, 1), half_width**2)


def wells_below(epsilon: np.ndarray, region: str | None) -> np.ndarray:
    """Return the prior mass of {½ f² < ε}, f(w) = h (w + 1)(w − 3)², w ~ N(0, 2²), in one well or in both.

    The ends of each interval are roots of f = ±√(2ε), found in the distance from the bottom of the well.
    """

    def sharp(r: float) -> float:
        def level(u: float) -> float:
            return HEIGHT * u * (FLAT - SHARP - u) ** 2

        left = _root(lambda u: -level(-u) - r, 40.0)
        right = SUMMIT - SHARP
        if level(right) > r:
            right = _root(lambda u: level(u) - r, right)
        return _normal_mass(SHARP, -left, right)

    def flat(r: float) -> float:
        def level(u: float) -> float:
            return HEIGHT * (FLAT - SHARP + u) * u**2

        left = FLAT - SUMMIT
        if level(-left) > r:
            left = _root(lambda u: level(-u) - r, left)
        return _normal_mass(FLAT, -left, _root(lambda u: level(u) - r, 40.0))

    wells = {"sharp": sharp, "flat": flat}
    used = list(wells.values()) if region is None else [wells[region]]
    return np.array([sum(one(math.sqrt(2 * e)) for one in used) for e in epsilon])


def line_and_dot_below(epsilon: np.ndarray, region: str | None) -> np.ndarray:
    """Return the prior mass of {½ (w1 − 1)² |w|⁸ < ε}, w ~ N(0, I), on w1 < 1/2, w1 ≥ 1/2, or both.

    Given w1 it is w2² < √(r/|w1 − 1|) − w1² with r = √(2ε); the integral over w1 is done by a double exponential rule
    between the ends of {|w1 − 1| w1⁴ < r}, in the distance from 0 or from 1.
    """

    def dot(r: float) -> float:
        left = _root(lambda u: (1 + u) * u**4 - r, 40.0)
        right = _root(lambda u: (1 - u) * u**4 - r, 0.5) if r < 0.5**5 else 0.5
        return _across(0.0, -left, 0.0, r) + _across(0.0, 0.0, right, r)

    def line(r: float) -> float:
        beyond = _root(lambda u: u * (1 + u) ** 4 - r, 40.0)
        if r >= DEEP:
            return _across(1.0, -0.5, 0.0, r) + _across(1.0, 0.0, beyond, r)
        before = _root(lambda u: u * (1 - u) ** 4 - r, 1 - TOP)
        found = _across(1.0, -before, 0.0, r) + _across(1.0, 0.0, beyond, r)
        if r > 0.5**5:  # beside the line, the rim of the dot
            found += _across(0.0, 0.5, _root(lambda u: (1 - u) * u**4 - r, TOP), r)
        return found

    parts = {"dot": dot, "line": line}
    used = list(parts.values()) if region is None else [parts[region]]
    return np.array([sum(one(math.sqrt(2 * e)) for one in used) for e in epsilon])


def trinomial_below(epsilon: np.ndarray) -> np.ndarray:
    """Return the mass of {−½ log(4 θ1 θ2) < ε} under a flat prior on the triangle.

    With r² = 1 − exp(−2ε) it is twice an area, r − (1 − r²) artanh r = Σ_j 2 r^(2j + 1) / (4 j² − 1).
    """
    r = np.sqrt(-np.expm1(-2 * epsilon))
    j = np.arange(1, 40)[:, None]
    series = np.sum(2 * r ** (2 * j + 1) / (4 * j**2 - 1), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        closed = r - np.exp(-2 * epsilon) * 0.5 * (xlog1py(1, r) - xlog1py(1, -r))
    return np.where(r < 0.5, series, np.where(r < 1, closed, 1.0))


def _root(function: Callable[[float], float], most: float) -> float:
    """Return the root on (0, most), where the function rises, to full relative accuracy."""
    tolerance = np.float64(1e-15)
    found: Any = brentq(lambda u: function(math.exp(u)), -200.0, math.log(most), xtol=1e-15, rtol=tolerance)
    return math.exp(float(found))


def _normal_mass(centre: float, low: float, high: float) -> float:
    """Return the mass of N(0, SPREAD²) between centre + low and centre + high, however short the interval."""
    rule = panels(np.linspace(low, high, math.ceil(high - low) + 1), ORDER)
    return float(np.sum(np.exp(rule.log_weights + log_normal_density(centre + rule.points, scale=SPREAD))))


def _across(origin: float, low: float, high: float, r: float) -> float:
    """Return ∫ φ(x) erf(b(x)/√2) dx for x from origin + low to origin + high."""
    t = np.arange(-SPLIT, SPLIT + FINE / 2, FINE)
    reach = math.pi / 2 * np.sinh(t)
    weight = math.pi / 2 * np.cosh(t) / np.cosh(reach) ** 2 / 2 * FINE * (high - low)
    # from whichever end is 0, so that the distance from the origin keeps its digits
    share = 1 / (1 + np.exp(-2 * reach))
    u = low * (1 / (1 + np.exp(2 * reach))) + high * share
    x = origin + u
    gap = np.abs(u) if origin == 1.0 else np.abs(1 - u)
    room = np.sqrt(r / gap) - x**2
    return float(np.sum(weight * np.exp(log_normal_density(x)) * erf(np.sqrt(np.maximum(room, 0.0) / 2))))
