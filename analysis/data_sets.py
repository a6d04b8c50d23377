"""One number over many data sets: its spread over data told apart from Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from singular.errors import InputError


@dataclass(frozen=True)
class OverDataSets:
    """The mean of one number over independent data sets, and where its error comes from.

    Attributes
    ----------
    mean : float
    standard_error : float
        Of ``mean``, from the spread of the values: s/√D. It holds both parts, the data's and Monte Carlo's.
    monte_carlo_error : float
        The part of ``standard_error`` that more draws would remove: √(Σ mcse²)/D.
    spread : float
        Standard deviation over data sets of the number without Monte Carlo error: √(s² − mean of mcse²), 0 where
        that is negative.
    monte_carlo_share : float
        Mean of mcse² over s²: the part of the variance of the values that is Monte Carlo. By chance it may come
        out above 1 where the number does not depend on the data.
    data_sets : int
    """

    mean: float
    standard_error: float
    monte_carlo_error: float
    spread: float
    monte_carlo_share: float
    data_sets: int


def over_data_sets(values: Sequence[float] | np.ndarray, mcse: Sequence[float] | np.ndarray) -> OverDataSets:
    """Summarise one number over data sets.

    Monte Carlo errors of different data sets are independent of each other and of the data, so that the variance of
    the values is the data's plus the mean of mcse².

    Parameters
    ----------
    values : (data set,) float
    mcse : (data set,) float
        Monte Carlo standard errors, one for each value; 0 for numbers without.

    Returns
    -------
    OverDataSets

    Raises
    ------
    InputError
        If the two differ in length, there are fewer than 2 data sets, or a number is not finite or an error
        negative.

    Examples
    --------
    >>> found = over_data_sets([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])
    >>> found.mean, round(found.standard_error, 3), found.monte_carlo_share
    (2.0, 0.577, 0.25)
    """
    x, errors = np.asarray(values, dtype=np.float64), np.asarray(mcse, dtype=np.float64)
    if x.ndim != 1 or x.shape != errors.shape:
        raise InputError(f"mcse has shape {errors.shape}, values {x.shape}; both must be one number for each data set")
    if x.size < 2:
        raise InputError(f"values has {x.size} data sets; a spread needs at least 2")
    for name, array in (("values", x), ("mcse", errors)):
        if not np.isfinite(array).all():
            raise InputError(f"{name} has {int((~np.isfinite(array)).sum())} that are NaN or infinite; leave those out")
    if (errors < 0).any():
        raise InputError(f"mcse={float(errors.min())!r} is negative; it must be a standard error")
    variance, carlo = float(np.var(x, ddof=1)), float(np.mean(errors**2))
    return OverDataSets(
        mean=float(x.mean()),
        standard_error=math.sqrt(variance / x.size),
        monte_carlo_error=math.sqrt(carlo / x.size),
        spread=math.sqrt(max(variance - carlo, 0.0)),
        monte_carlo_share=carlo / variance if variance > 0 else math.nan,
        data_sets=int(x.size),
    )
