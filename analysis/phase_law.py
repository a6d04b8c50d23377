"""What theory expects of regions: the free energy of each by its loss, λ and m, and where one takes over from another.

F_region(n) = n L + λ log n − (m − 1) log log n + c, L the least loss in the region, (λ, m) the local learning
coefficient and multiplicity of its optimal set, c a constant that theory leaves open and one exact value, or one
estimate, fixes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from singular.errors import InputError

LEAST, MOST, POINTS = 3.0, 1e15, 2000
"""Range of n that is searched for a crossing, and into how many pieces it is cut for that."""


@dataclass(frozen=True)
class PhaseLaw:
    """The free energy of a region to order one.

    Attributes
    ----------
    loss : float
        L, nats an observation: of the best point in the region; only differences between regions matter.
    coefficient : float
        λ of the region, dimensionless.
    multiplicity : int
        m.
    constant : float
        c, nats.

    Examples
    --------
    >>> flat, sharp = PhaseLaw(0.0, 0.25), PhaseLaw(0.0, 0.5)
    >>> sharp.free_energy(16.0) - flat.free_energy(16.0) == 0.25 * math.log(16.0)
    True
    """

    loss: float
    coefficient: float
    multiplicity: int = 1
    constant: float = 0.0

    def free_energy(self, n: float) -> float:
        """Return n L + λ log n − (m − 1) log log n + c, nats.

        Raises
        ------
        InputError
            If n is not more than e, below which log log n is negative.

        References
        ----------
        Watanabe (2009), Algebraic Geometry and Statistical Learning Theory, theorem 6.7, for each region by itself.
        """
        if not n >= math.e:
            raise InputError(f"n={n!r}: allowed is at least e, so that log log n is no less than 0")
        log_n = math.log(n)
        return n * self.loss + self.coefficient * log_n - (self.multiplicity - 1) * math.log(log_n) + self.constant

    def through(self, n: float, free_energy: float) -> PhaseLaw:
        """Return the law whose constant makes it hold at one n."""
        return replace(self, constant=self.constant + free_energy - self.free_energy(n))


def predicted_shares(laws: Mapping[str, PhaseLaw], n: float) -> dict[str, float]:
    """Return the share of each region that the laws expect, regions not named holding nothing.

    Parameters
    ----------
    laws : name -> PhaseLaw
    n : float
        Observations, at least e.
    """
    energies = np.array([law.free_energy(n) for law in laws.values()])
    weights = np.exp(energies.min() - energies)
    return dict(zip(laws, (weights / weights.sum()).tolist(), strict=True))


def crossing(first: PhaseLaw, second: PhaseLaw, least: float = LEAST, most: float = MOST) -> float | None:
    """Return the smallest n at which two regions hold the same mass, or None if they do not between the bounds.

    With equal multiplicities it solves n ΔL + Δλ log n + Δc = 0: the first-order transition near n ΔL = Δλ log n.

    Parameters
    ----------
    first, second : PhaseLaw
    least, most : float
        Bounds of n, e ≤ least < most.

    Raises
    ------
    InputError
        If the bounds are not allowed.

    Examples
    --------
    >>> regular, singular = PhaseLaw(0.0, 0.5), PhaseLaw(0.01, 0.25)
    >>> n = crossing(regular, singular)
    >>> round(0.01 * n - 0.25 * math.log(n), 9)
    0.0
    """
    if not math.e <= least < most:
        raise InputError(f"least={least!r}, most={most!r}: allowed is e ≤ least < most")

    def gap(log_n: float) -> float:
        n = math.exp(log_n)
        return first.free_energy(n) - second.free_energy(n)

    # e itself rounds to a little less under log and exp
    grid = np.linspace(math.log(least) + 1e-12, math.log(most), POINTS)
    signs = np.sign([gap(value) for value in grid])
    changes = np.flatnonzero(signs[:-1] * signs[1:] <= 0)
    changes = changes[(signs[changes] != 0) | (signs[changes + 1] != 0)]
    if changes.size == 0:
        return None
    place = changes[0]
    return math.exp(float(np.asarray(brentq(gap, grid[place], grid[place + 1], xtol=1e-13)).item()))
