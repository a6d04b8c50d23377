"""How fast the loss rises from an optimum along a direction in which its second derivative is 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from singular.analysis.fisher import fisher_information, point_of
from singular.errors import InputError
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    from singular.models.problem import Problem

LONGEST, RATIO, STEPS = 0.5, 2.0**-0.5, 15
"""Distances t at which the loss is taken, the longest first: down to 0.004."""
ROUNDING = 1e-17
"""Least rounding error of K, nats; where t = 1e-7 shows more, that is taken."""
ABOVE_ROUNDING = 1e4
"""K must be so many times its rounding error to count: the slope of log K is then good to 1e-3."""
WHOLE = 0.1
"""How near a whole number a slope must be to be taken for it."""
UNSETTLED = 0.5
"""Difference of the last two slopes from which no limit is read off them."""
NEWTON = 20
"""Most Newton steps at each t."""


@dataclass(frozen=True)
class Order:
    """How the loss vanishes along a null direction v of the Fisher information at an optimum w.

    Attributes
    ----------
    straight : float
        k of K(w + t v) ~ t^k; infinite where K is 0 up to t = 1/2: a line of optima.
    reduced : float
        The same of min_u K(w + t v + u), u in the range of the Fisher information: by the splitting lemma K is a
        sum of squares plus this, in suitable coordinates. Infinite: a curve of optima leaves w along v.
    flags : tuple of str
        Where a slope is no whole number.
    """

    straight: float
    reduced: float
    flags: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """The finding in words."""
        if math.isinf(self.straight):
            return "flat: a line of optima"
        if math.isinf(self.reduced):
            return f"flat: a curve of optima (straight on, order {self.straight:g})"
        told = "" if self.straight == self.reduced else f" (straight on, order {self.straight:g})"
        return f"K rises as t^{self.reduced:g}{told}"


def vanishing_order(
    problem: Problem,
    parameters: Mapping[str, Any] | np.ndarray,
    direction: np.ndarray,
    across: np.ndarray | None = None,
) -> Order:
    """Return the order of K along a direction from an optimum, straight on and with the other coordinates following.

    Parameters
    ----------
    problem : Problem
        Of a catalogue model, whose ``excess_loss`` is K; the data do not enter but for the Fisher information.
    parameters : mapping or (d,) float
        An optimum, as for `fisher_information`.
    direction : (d,) float
        In the unconstrained coordinates; its length does not matter.
    across : (d, r) float, optional
        Orthonormal basis of the coordinates that follow; the range of the Fisher information if not given.

    Raises
    ------
    InputError
        If the problem has no excess loss, the point is no optimum (K > 1e-8), or the direction is 0 or of another
        length.

    References
    ----------
    Gromoll and Meyer (1969), Topology 8, 361-369: the splitting lemma.

    Examples
    --------
    >>> from singular import models
    >>> vanishing_order(models.problem("monomial-2", n=5), {"w1": 0.0}, np.ones(1)).straight
    4.0
    """
    z = point_of(problem, parameters)
    v = np.asarray(direction, dtype=float)
    if v.shape != z.shape or not np.isfinite(v).all() or not v.any():
        raise InputError(f"direction={direction!r}: allowed is a vector of {len(z)} finite numbers, not all 0")
    v = v / np.linalg.norm(v)
    if across is None:
        across = fisher_information(problem, z).spectrum.range
    with x64():
        loss = loss_of(problem)
        least = float(loss.value(z))
        if not abs(least) < 1e-8:
            raise InputError(f"parameters: K = {least:.3g} there; allowed is an optimum, where K = 0")
        floor = _rounding(loss, z, v, least)
        distances = LONGEST * RATIO ** np.arange(STEPS)
        straight = np.array([float(loss.value(z + t * v)) - least for t in distances])
        reduced = straight if across.shape[1] == 0 else _reduced(loss, z, v, np.asarray(across), distances) - least
    one, first = _order(distances, straight, floor)
    two, second = _order(distances, reduced, floor)
    flags = [f"straight: {first}"] * bool(first) + [f"reduced: {second}"] * bool(second)
    return Order(one, two, tuple(flags))


@dataclass(frozen=True)
class Loss:
    """K of the unconstrained coordinates, its gradient and its Hessian, compiled."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    curvature: Callable[[Any], Any]


@lru_cache(maxsize=1)
def loss_of(problem: Problem) -> Loss:
    """Return K of a catalogue model; that of the last problem is kept.

    Raises
    ------
    InputError
        If the problem has none.
    """
    if problem.model is None or problem.model.excess_loss is None:
        raise InputError(f"problem={problem.name!r} has no excess loss; allowed are models of the catalogue")
    constrain, excess, sites = problem.parts.constrain, problem.model.excess_loss, problem.parts.sites.latent

    def value(z):
        every = constrain(z)
        return excess({site: every[site] for site in sites})

    return Loss(*(jax.jit(make) for make in (value, jax.grad(value), jax.hessian(value))))


def _rounding(loss: Loss, z: np.ndarray, v: np.ndarray, least: float) -> float:
    seen = [abs(float(loss.value(z + t * v)) - least) for t in (1e-7, -1e-7, 3e-8, -3e-8)]
    return max(ROUNDING, *seen)


def _reduced(loss: Loss, z: np.ndarray, v: np.ndarray, across: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return min_u K(z + t v + across u), by Newton's method from the shortest t on; NaN from where it fails."""
    found = np.full(len(distances), np.nan)
    u, before = np.zeros(across.shape[1]), 0.0
    for place in range(len(distances) - 1, -1, -1):
        t = distances[place]
        start = u * (t / before) ** 2 if before else u  # u is of second order in t
        end = _newton(loss, z + t * v, across, start)
        if end is None:
            break
        u, before = end, t
        found[place] = float(loss.value(z + t * v + across @ u))
    return found


def _newton(loss: Loss, centre: np.ndarray, across: np.ndarray, u: np.ndarray) -> np.ndarray | None:
    value = float(loss.value(centre + across @ u))
    for _ in range(NEWTON):
        at = centre + across @ u
        slope = across.T @ np.asarray(loss.slope(at))
        curvature = across.T @ np.asarray(loss.curvature(at)) @ across
        try:
            np.linalg.cholesky(curvature)
        except np.linalg.LinAlgError:
            return None
        step = np.linalg.solve(curvature, slope)
        scale = 1.0
        while scale > 1e-6 and not (new := float(loss.value(centre + across @ (u - scale * step)))) <= value:
            scale /= 2
        if scale <= 1e-6:  # no descent left: this is as low as rounding lets it go
            break
        u, value = u - scale * step, new
        if np.linalg.norm(step) < 1e-13:
            break
    decrement = slope @ np.linalg.solve(curvature, slope)
    return u if decrement <= max(1e-6 * value, 1e-22) else None


def _order(distances: np.ndarray, values: np.ndarray, floor: float) -> tuple[float, str]:
    """Return the limit of d log K / d log t as t → 0 from the shortest t at which K is more than rounding."""
    known = np.isfinite(values)
    if not known.any():
        return math.nan, "the minimum over the other coordinates was not found"
    seen = known & (values > ABOVE_ROUNDING * floor)
    if not seen.any():
        return math.inf, ""
    last = int(np.flatnonzero(seen).max())
    first = int(np.flatnonzero(~seen[:last]).max(initial=-1)) + 1
    if last - first < 2:
        return math.nan, f"K is above its rounding error at {last - first + 1} of {len(values)} distances only"
    slopes = np.diff(np.log(values[first : last + 1])) / np.log(RATIO)
    if abs(slopes[-1] - slopes[-2]) > UNSETTLED:
        return math.nan, f"slopes do not settle ({slopes[-2]:.1f}, {slopes[-1]:.1f}): K is not smooth here"
    slope = slopes[-1] + (slopes[-1] - slopes[-2]) / (1 / RATIO - 1)
    near = round(slope)
    if abs(slope - near) <= WHOLE:
        return float(near), ""
    return float(slope), f"slope {slope:.2f} is no whole number"
