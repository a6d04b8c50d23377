"""How many parameters count, by each way of counting: d, the rank, the spectrum against the prior, 2λ, WBIC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pandas as pd
from scipy.linalg import eigh

from singular.analysis.excess_coefficient import excess_coefficient, nll_at
from singular.analysis.fisher import fisher_information, point_of
from singular.errors import InputError
from singular.models.density import compiled
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

COLUMNS = ("quantity", "method", "value", "mcse", "target", "flags")


def effective_dimension(
    problem: Problem,
    ladder: xr.DataTree | None = None,
    parameters: Mapping[str, Any] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the effective number of parameters by several ways, side by side.

    ``d``, which is also what BIC counts; ``rank`` of the expected Fisher information at a point; ``spectrum``,
    Σ_i n h_i / (n h_i + 1) with h the eigenvalues of the Fisher information relative to the prior's precision there,
    the negative Hessian of its log density in unconstrained coordinates: the directions that n observations tell more
    about than the prior (MacKay, 1992, Neural Comput. 4, 415-447, eq. 4.9); ``2 λ``, exact or bounded; and ``2 λ by
    WBIC``, 2 (WBIC − nL_n(w)) / log n. In a regular model all agree but for the spectrum, which the prior makes
    smaller; in a singular one none of the first three need be 2 λ.

    Parameters
    ----------
    problem : Problem
    ladder : DataTree, optional
        Of this problem; without it WBIC is left out.
    parameters : mapping or (d,) float, optional
        The point; the model's optimum if not given, and the maximum-likelihood point where there is none.

    Returns
    -------
    DataFrame
        ``quantity`` (``effective dimension``), ``method, value, mcse, target, flags``; ``mcse`` is NaN where nothing
        is sampled.

    Raises
    ------
    InputError
        As `fisher_information`, and if the ladder is of other data.

    Examples
    --------
    >>> from singular import models
    >>> found = effective_dimension(models.problem("softmax-3", n=200)).set_index("method")["value"]
    >>> float(found["d"]), float(found["rank"]), float(found["2 λ"])
    (3.0, 2.0, 2.0)
    """
    if ladder is not None and ladder.attrs.get("data_hash", problem.data_hash) != problem.data_hash:
        raise InputError(f"problem={problem.name!r} does not have the data this ladder was sampled with")
    model = problem.model
    if parameters is None:
        parameters = problem.reference.z if model is None or model.optimum is None else model.optimum
    z = point_of(problem, parameters)
    information = fisher_information(problem, z)
    spectrum = information.spectrum
    value, flags = _by_spectrum(problem, z, information.matrix)
    known = (*information.flags, *spectrum.flags)
    rows: list[tuple[str, float, float, str, str]] = [
        ("d", problem.dim, np.nan, "parameters", ""),
        ("BIC", problem.dim, np.nan, "parameters, at ½ log n each", ""),
        ("rank", spectrum.rank, np.nan, "rank of the Fisher information", "; ".join(known)),
        ("spectrum", value, np.nan, "directions told more by data than by the prior", "; ".join((*known, *flags))),
    ]  # fmt: skip
    if model is not None and (exact := model.exact or model.bound) is not None:
        bound = "" if model.exact else "upper bound"
        rows.append(("2 λ", 2 * float(exact.value), np.nan, "twice the learning coefficient", bound))
    if ladder is not None:
        found = excess_coefficient(ladder, nll_at(problem, z))
        told = "twice λ_exc at β = 1/log n, from WBIC"
        rows.append(("2 λ by WBIC", 2 * found.value, 2 * found.mcse, told, "; ".join(found.flags)))
    return pd.DataFrame([("effective dimension", *row) for row in rows], columns=list(COLUMNS))


def _by_spectrum(problem: Problem, z: np.ndarray, information: np.ndarray) -> tuple[float, list[str]]:
    with x64():
        curvature = compiled("prior hessian", lambda split: jax.hessian(lambda v: split(v)[0]), problem.parts.split)
        precision = -np.asarray(curvature(z))
    precision = (precision + precision.T) / 2
    if not np.linalg.eigvalsh(precision)[0] > 0:
        return np.nan, ["the log prior density is not concave at the point: it has no precision there"]
    h = np.maximum(eigh(information, precision, eigvals_only=True), 0.0)
    return float(np.sum(problem.n * h / (problem.n * h + 1))), []
