"""A number read off draws, with its Monte Carlo error and the series that error comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.trust import monte_carlo_error, trust_flags
from singular.errors import InputError

if TYPE_CHECKING:
    from singular.analysis.control_variates import Controls


@dataclass(frozen=True)
class Estimate:
    """One number from one ladder.

    Attributes
    ----------
    value : float
    mcse : float
        Monte Carlo standard error of ``value``, one standard deviation, from the effective sample size of
        ``influence``. It leaves out the discretisation error, and the spread over data sets.
    target : str
        What is estimated, in words: often not the asymptotic quantity it is used for.
    method : str
    beta : float or None
        Inverse temperature the number belongs to.
    discretisation_error : float
        Size of the error that more draws on the same rungs would not remove; 0 where there is none.
    flags : tuple of str
        Reasons to distrust the number; empty if none was found.
    influence : (chain, draw) float
        What each round of the ladder contributes to ``value``: mean zero, and such that perturbing the
        draws moves ``value`` by the mean of the change. Sums over rungs are taken within a round, since
        swaps tie the rungs of one chain together; only chains are independent.
    """

    value: float
    mcse: float
    target: str
    method: str
    beta: float | None = None
    discretisation_error: float = 0.0
    flags: tuple[str, ...] = ()
    influence: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)), repr=False, compare=False)


def estimate(
    value: float,
    influence: np.ndarray,
    *,
    target: str,
    method: str,
    beta: float | None = None,
    discretisation_error: float = 0.0,
    flags: Iterable[str] = (),
    controls: Controls | None = None,
) -> Estimate:
    """Return an `Estimate` whose error is read off its influence, (chain, draw).

    Where ``controls`` are given and make the error smaller, what they explain of the influence is taken off value and
    influence alike (see `control_variates`). Where a second look at the influence does not bear the error out, a flag
    says so (see `trust_flags`).
    """
    mcse = monte_carlo_error(influence)
    if controls is not None and np.isfinite(mcse):
        rest = influence - controls.fitted(influence)
        error = monte_carlo_error(rest)
        if error < mcse:
            mcse, value, influence = error, value + rest.mean() - influence.mean(), rest - rest.mean()
    return Estimate(
        value=float(value),
        mcse=mcse,
        target=target,
        method=method,
        beta=None if beta is None else float(beta),
        discretisation_error=float(discretisation_error),
        flags=tuple(dict.fromkeys((*flags, *trust_flags(influence, mcse)))),
        influence=influence,
    )


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Subtract one estimate from another, with the joint Monte Carlo error.

    Two numbers from one ladder share its draws, so their errors do not add in squares: the error is that
    of the difference of the two influence series. It holds as well for two ladders with as many chains
    and draws, whose series are independent.

    Parameters
    ----------
    first, second : Estimate
        With influences of one shape.

    Returns
    -------
    Estimate
        ``first − second``. Discretisation errors add up, flags are joined.

    Raises
    ------
    InputError
        If the influences differ in shape: then the estimates come from different ladders.
    """
    if first.influence.shape != second.influence.shape:
        raise InputError(
            f"second: influence has shape {second.influence.shape}, the first one's is "
            f"{first.influence.shape}; a joint error needs one shape (chain, draw). Estimates of two "
            "independent ladders: add their mcse in squares"
        )
    return estimate(
        first.value - second.value,
        first.influence - second.influence,
        target=f"{first.target} minus {second.target}",
        method=first.method if first.method == second.method else f"{first.method} minus {second.method}",
        beta=first.beta if first.beta == second.beta else None,
        discretisation_error=first.discretisation_error + second.discretisation_error,
        flags=(*first.flags, *second.flags),
    )


def to_frame(estimates: Iterable[Estimate], quantity: str) -> pd.DataFrame:
    """Return a tidy frame, one row per estimate.

    Columns: ``quantity, beta, method, value, mcse, discretisation_error, target, flags``; flags are joined
    by ``"; "``, empty where there is none.
    """
    columns = ("quantity", "beta", "method", "value", "mcse", "discretisation_error", "target", "flags")
    rows = [
        (
            quantity,
            math.nan if e.beta is None else e.beta,
            e.method,
            e.value,
            e.mcse,
            e.discretisation_error,
            e.target,
            "; ".join(e.flags),
        )
        for e in estimates
    ]
    return pd.DataFrame(rows, columns=list(columns))
