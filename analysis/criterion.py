"""An estimate made of one contribution for each observation, and its standard error over the observations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from singular.analysis.diagnostics import MINIMUM_ESS
from singular.analysis.estimate import Estimate, difference, estimate, to_frame
from singular.errors import InputError

SCALES = {"log": ("sum", -1.0), "deviance": ("sum", 2.0), "loss": ("mean", 1.0)}
"""How losses of single observations make one number: added up or averaged, and times what."""
UNITS = {
    "log": "log scale, nats, higher is better",
    "deviance": "deviance scale, −2 × nats, lower is better",
    "loss": "nats an observation, lower is better",
}


@dataclass(frozen=True)
class Criterion(Estimate):
    """An estimate that is a sum or a mean over observations.

    ``mcse`` is what more draws would remove; ``se_data`` is another thing, and more draws leave it as it is.

    Attributes
    ----------
    se_data : float
        Standard error over the observations, one standard deviation, in the unit of ``value``: √(n var_i) of the
        contributions to a sum, √(var_i / n) to a mean, with the observations taken as independent (Vehtari, Gelman
        and Gabry, 2017). It says how far other data of the same size would move the number, the draws' distribution
        held fixed.
    contributions : (n,) float
        One for each observation; ``value`` is their sum, or their mean if ``averaged``.
    averaged : bool
    """

    se_data: float = math.nan
    contributions: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    averaged: bool = False


def criterion(
    contributions: np.ndarray,
    influence: np.ndarray,
    *,
    averaged: bool,
    target: str,
    method: str,
    beta: float | None,
    flags: Iterable[str] = (),
) -> Criterion:
    """Return a `Criterion` whose value and both errors are read off its contributions and its influence.

    Parameters
    ----------
    contributions : (n,) float
    influence : (chain, draw) float
        Of the value, not of its parts.
    averaged : bool
        Whether the value is the mean of the contributions, or their sum.
    target, method, beta, flags
        As in `Estimate`.
    """
    root = math.sqrt(contributions.size)
    # an infinite contribution makes the value infinite, and leaves it no error; a single one has no spread
    measurable = contributions.size > 1 and np.isfinite(contributions).all()
    spread = float(np.std(contributions, ddof=1)) if measurable else math.nan
    value = contributions.mean() if averaged else contributions.sum()
    plain = estimate(value, influence, target=target, method=method, beta=beta, flags=flags)
    return Criterion(
        **vars(plain),
        se_data=spread / root if averaged else spread * root,
        contributions=contributions,
        averaged=averaged,
    )


def ess_flags(e: Criterion) -> tuple[str, ...]:
    """Return a flag if the influence of an estimate has too few effective draws: (sd / mcse)² below the limit."""
    effective = (float(np.std(e.influence)) / e.mcse) ** 2 if e.mcse > 0 else math.inf
    if effective >= MINIMUM_ESS:
        return ()
    return (f"ess {effective:.0f} < {MINIMUM_ESS:.0f} of {e.method} at beta={e.beta:.3g}",)


def paired_difference(first: Criterion, second: Criterion) -> Criterion:
    """Subtract one criterion from another of the same data, with both errors of the difference.

    Parameters
    ----------
    first, second : Criterion
        On one scale, over the same observations: of two models, or two criteria of one.

    Returns
    -------
    Criterion
        ``first − second``. ``se_data`` is that of the differences, observation by observation; ``mcse`` is joint
        where both come from one ladder, and holds for two ladders of one shape, whose series are independent.

    Raises
    ------
    InputError
        If the two have other numbers of observations or of draws, or one is a sum and one a mean.
    """
    if first.contributions.shape != second.contributions.shape or first.averaged != second.averaged:
        told = [f"{'mean' if e.averaged else 'sum'} over {e.contributions.size}" for e in (first, second)]
        raise InputError(
            f"second: a {told[1]} observations, the first one is a {told[0]}; a paired difference needs the same "
            "observations and one scale"
        )
    plain = difference(first, second)
    return criterion(
        first.contributions - second.contributions,
        plain.influence,
        averaged=first.averaged,
        target=plain.target,
        method=plain.method,
        beta=plain.beta,
        flags=plain.flags,
    )


def criteria_frame(rows: Iterable[tuple[str, Criterion]]) -> pd.DataFrame:
    """Return a tidy frame, one row per (quantity, criterion).

    Columns: those of `to_frame`, with ``se_data`` after ``mcse``.
    """
    pairs = list(rows)
    frame = pd.concat([to_frame([e], quantity) for quantity, e in pairs], ignore_index=True)
    frame.insert(list(frame.columns).index("mcse") + 1, "se_data", [e.se_data for _, e in pairs])
    return frame
