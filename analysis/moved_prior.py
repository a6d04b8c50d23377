"""The free energy itself under wider and narrower priors: what stands beside a model choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from singular.analysis.estimate import Estimate, estimate
from singular.analysis.free_energy import free_energy
from singular.analysis.prior_sensitivity import prior_shifts

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

FACTORS = (0.5, 2.0)
"""What all prior scales are multiplied by, unless said otherwise."""


class Moved(NamedTuple):
    """The free energy under a prior whose scales were multiplied by ``factor``.

    Attributes
    ----------
    factor : float
    shift : Estimate
        F′_n(1) − F_n(1), nats.
    free_energy : Estimate
        F′_n(1), nats, with the joint error of F_n(1) and the shift.
    failed : tuple of str
        The flags that the shift has and F_n(1) has not: why reweighting to this prior is not to be trusted.
    """

    factor: float
    shift: Estimate
    free_energy: Estimate
    failed: tuple[str, ...]


def moved_free_energies(ladder: xr.DataTree, problem: Problem, factors: Sequence[float] = FACTORS) -> list[Moved]:
    """Return F_n(1) under the prior with all its scales multiplied by each factor, by reweighting.

    Parameters
    ----------
    ladder, problem
        As for `prior_shift`; the ladder from β = 0.
    factors : sequence of float
        Positive.

    Raises
    ------
    InputError
        As `prior_shift` and `free_energy`.
    """
    here = free_energy(ladder)
    moved = []
    for factor, shift in zip(factors, prior_shifts(ladder, problem, factors), strict=True):
        there = estimate(
            here.value + shift.value,
            here.influence + shift.influence,
            target=shift.target.replace(", less F_n(1)", ""),
            method=f"{here.method}, reweighted",
            beta=1.0,
            flags=(*here.flags, *shift.flags),
        )
        failed = tuple(flag for flag in shift.flags if flag not in here.flags)
        moved.append(Moved(float(factor), shift, there, failed))
    return moved
