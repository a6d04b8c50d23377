"""What a study keeps of one ladder beyond its summary: prediction, other priors, every learning coefficient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from singular.analysis import figures
from singular.analysis.coefficient_table import coefficient_table
from singular.analysis.criteria import functional_variance_of, singular_fluctuation_of, training_loss_of, waic_of
from singular.analysis.criterion import Criterion, criteria_frame
from singular.analysis.cross_validation import cross_validation_of
from singular.analysis.every_number import exact_at, moved_rows
from singular.analysis.figures_coefficients import exact_curves, learning_coefficients
from singular.analysis.moved_prior import Moved, moved_free_energies
from singular.analysis.rung_likelihoods import moments, read_rung
from singular.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


@dataclass(frozen=True)
class Further:
    """Numbers that need the problem.

    Attributes
    ----------
    criteria : dict of Criterion
        By quantity, at β = 1, log scale: ``waic``, ``cross_validation``, …; empty where the model has no
        log-likelihood for each observation.
    moved : tuple of Moved
        F_n(1) under narrower and wider priors; for real data alone.
    coefficients : DataFrame
        As `coefficient_table` returns them; for catalogue models alone, else empty.
    picture : bytes
        PNG of those over β; empty where there are none.
    """

    criteria: dict[str, Criterion]
    moved: tuple[Moved, ...]
    coefficients: pd.DataFrame
    picture: bytes

    def rows(self) -> list[pd.DataFrame]:
        """Return the tidy rows, the curves of coefficients left out."""
        parts = [criteria_frame(self.criteria.items())] if self.criteria else []
        return [*parts, pd.DataFrame(list(moved_rows(self.moved)))]


def further(ladder: xr.DataTree, problem: Problem, exact: pd.DataFrame | None) -> Further:
    """Read the further numbers of a study off a ladder.

    Parameters
    ----------
    ladder, problem
        A ladder, and the problem it was sampled from.
    exact : DataFrame, optional
        Of the oracle, at the rungs and between them.
    """
    criteria = _criteria(ladder, problem)
    if problem.model is None:
        return Further(criteria, tuple(moved_free_energies(ladder, problem)), pd.DataFrame(), b"")
    reference = problem.reference.nll
    table = coefficient_table(ladder, reference, exact_at(exact))
    known = problem.model.exact
    figure = learning_coefficients(
        table,
        1 / math.log(problem.n),
        exact=None if exact is None else exact_curves(exact, reference),
        learning_coefficient=None if known is None else float(known.value),
        half_dim=problem.dim / 2,
        name=f"{problem.name}, n = {problem.n:,}",
    )
    return Further(criteria, (), table, figures.png(figure))


def _criteria(ladder: xr.DataTree, problem: Problem) -> dict[str, Criterion]:
    try:
        rung = read_rung(ladder, problem, 1.0)
    except InputError:  # no log-likelihood for each observation
        return {}
    found = moments(rung.values)
    return {
        "training_loss": training_loss_of(rung, found),
        "functional_variance": functional_variance_of(rung, found),
        "singular_fluctuation": singular_fluctuation_of(rung, found),
        "waic": waic_of(rung, found, "log"),
        "cross_validation": cross_validation_of(rung, "log", smooth=True),
    }
