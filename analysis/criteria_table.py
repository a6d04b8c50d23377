"""Every predictive criterion of one rung in one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from singular.analysis.criteria import (
    functional_variance_of,
    singular_fluctuation_of,
    training_loss_of,
    waic_of,
)
from singular.analysis.criterion import criteria_frame
from singular.analysis.cross_validation import cross_validation_of
from singular.analysis.rung_likelihoods import check_scale, moments, read_rung

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


def criteria(ladder: xr.DataTree, problem: Problem, beta: float = 1.0, scale: str = "log") -> pd.DataFrame:
    """Return every predictive criterion of one rung.

    Parameters
    ----------
    ladder, problem, beta
        As for `training_loss`.
    scale : {"log", "deviance", "loss"}
        Of WAIC and of cross-validation, as for `waic`; the training loss is in nats an observation.

    Returns
    -------
    DataFrame
        One row each: ``training_loss``, ``functional_variance``, ``singular_fluctuation``, ``waic``,
        ``cross_validation`` (by Pareto smoothed importance sampling; at β = 1 PSIS-LOO). Columns: ``quantity, beta,
        method, value, mcse, se_data, discretisation_error, target, flags``.

    Raises
    ------
    InputError
        As for `waic`.
    """
    check_scale(scale)
    rung = read_rung(ladder, problem, beta)
    found = moments(rung.values)
    return criteria_frame(
        [
            ("training_loss", training_loss_of(rung, found)),
            ("functional_variance", functional_variance_of(rung, found)),
            ("singular_fluctuation", singular_fluctuation_of(rung, found)),
            ("waic", waic_of(rung, found, scale)),
            ("cross_validation", cross_validation_of(rung, scale, smooth=True)),
        ]
    )
