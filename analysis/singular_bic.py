"""The singular BIC of Drton and Plummer: likelihoods of nested models, penalised by their learning coefficients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from scipy.special import logsumexp

from singular.analysis.estimate import Estimate
from singular.errors import InputError, unknown_name, whole
from singular.models import coefficients as exact
from singular.models.base import LearningCoefficient
from singular.models.problem import Problem

Pair = tuple[Fraction | float, int]
Table = Sequence[Sequence[Pair | None]]
"""Row i: (λ_ij, m_ij) of model i when model j ≤ i holds the truth; None where j is no submodel of i."""
DECREASE = 0.01
"""Nats by which a larger model's maximum may fall short of a smaller one's, before the search for it is blamed."""


def singular_bic(
    log_likelihoods: Sequence[float] | np.ndarray,
    coefficients: Table,
    n: int,
    prior: Sequence[float] | np.ndarray | None = None,
) -> np.ndarray:
    """Return the singular BIC of each of several nested models.

    With log L'_ij = log-lik_i − λ_ij log n + (m_ij − 1) log log n, the L_i are the positive solution of

        Σ_{j ≤ i} (L_i − L'_ij) L_j P_j = 0,    i = 0, 1, …,

    the average of the L'_ij over posterior probabilities of the submodels j that the L_j themselves give. Each is a
    quadratic in L_i once the smaller models are solved.

    Parameters
    ----------
    log_likelihoods : (models,) float
        Maximal log-likelihood of each model, nats, the smallest model first.
    coefficients : sequence of rows
        Row i has i + 1 entries (λ_ij, m_ij): the learning coefficient and multiplicity of model i when the truth is
        a generic point of model j; None where j is no submodel of i. `nested_coefficients` makes some.
    n : int
        Observations, at least 3.
    prior : (models,) float, optional
        Prior probabilities of the models, up to a factor; equal by default.

    Returns
    -------
    (models,) float
        sBIC_i = log L_i, nats, on the scale of a log-likelihood: minus it stands beside F_n(1) and BIC.

    Raises
    ------
    InputError
        Naming the argument that is not allowed.

    References
    ----------
    Drton and Plummer (2017), J. R. Statist. Soc. B 79, 323-380.

    Examples
    --------
    >>> bics = singular_bic([-120.0, -110.0], [[(1, 1)], [(2, 1), (2, 1)]], n=100)
    >>> bool(np.allclose(bics, [-120 - np.log(100), -110 - 2 * np.log(100)]))
    True
    """
    maxima = np.asarray(log_likelihoods, dtype=np.float64)
    if maxima.ndim != 1 or maxima.size == 0 or not np.isfinite(maxima).all():
        raise InputError(f"log_likelihoods={log_likelihoods!r}: allowed are one or more finite numbers in a row")
    log_n = math.log(whole("n", n, least=3))
    table = _checked(coefficients, maxima.size)
    log_prior = _log_prior(prior, maxima.size)
    solved = np.empty(maxima.size)
    for i, row in enumerate(table):
        fitted = {j: maxima[i] - lam * log_n + (m - 1) * math.log(log_n) for j, (lam, m) in row.items()}
        below = np.array([j for j in row if j < i], dtype=int)
        weight = solved[below] + log_prior[below] - log_prior[i]
        product = np.array([fitted[j] for j in below]) + weight
        if below.size:
            sums = [np.asarray(logsumexp(terms)).item() for terms in (weight, product)]
            solved[i] = _positive_root(fitted[i], *sums)
        else:
            solved[i] = fitted[i]
    return solved


def singular_bics(
    problems: Sequence[Problem], coefficients: Table, prior: Sequence[float] | None = None
) -> list[Estimate]:
    """Return the singular BIC of nested problems on one data set, on the scale of F_n(1).

    Parameters
    ----------
    problems : sequence of Problem
        The smallest first, of one n; their maximal likelihoods are those of ``problem.reference``.
    coefficients, prior
        As for `singular_bic`.

    Returns
    -------
    list of Estimate
        −sBIC_i in nats, without Monte Carlo error. Flagged where the likelihood has no maximum, or a larger model
        was found to fit worse than one it contains.

    Raises
    ------
    InputError
        As `singular_bic`, or if the problems differ in n.
    """
    sizes = {problem.n for problem in problems}
    if len(sizes) != 1:
        raise InputError(f"problems: of n={sorted(sizes)}; allowed are problems of one n, at least one")
    maxima = np.array([-problem.reference.nll for problem in problems])
    values = -singular_bic(maxima, coefficients, sizes.pop(), prior)
    estimates = []
    for i, problem in enumerate(problems):
        found = [*problem.reference.flags]
        smaller = [maxima[j] for j in range(i) if coefficients[i][j] is not None]
        if smaller and maxima[i] < max(smaller) - DECREASE:
            found.append(f"fits worse than a model it contains, by {max(smaller) - maxima[i]:.2g} nats")
        target = "singular BIC, which is F_n(1) up to O_p(1)"
        estimates.append(Estimate(float(values[i]), 0.0, target, "singular-bic", 1.0, flags=tuple(found)))
    return estimates


def nested_coefficients(
    family: str, sizes: Sequence[int], *, conjectured: bool = False, **arguments
) -> list[list[tuple[Fraction, int]]]:
    """Return exact (λ, m) of every model of a family at every smaller truth, for `singular_bic`.

    Parameters
    ----------
    family : {"reduced_rank", "factor_analysis", "normal_mixture"}
        What ``sizes`` counts: hidden units (from 0), factors (from 0), components (from 1).
    sizes : sequence of int
        Sizes of the nested models, ascending.
    conjectured : bool
        Where no exact λ of factor analysis is known, take (p (k + 2) + l (p − k + 1))/4, as Drton and Plummer do,
        instead of refusing.
    **arguments
        Of the family: ``inputs`` and ``outputs``; ``observed``; ``dimension`` and ``concentration``
        (of the prior Dirichlet of the weights), if not 1.

    Returns
    -------
    list of lists of (Fraction, int)
        Row i, column j ≤ i: model ``sizes[i]`` when the truth is a generic one of size ``sizes[j]``.

    Raises
    ------
    InputError
        If the family or an argument is not known, or an exact value is not.

    Examples
    --------
    >>> nested_coefficients("normal_mixture", [1, 2])
    [[(Fraction(1, 2), 1)], [(Fraction(3, 4), 1), (Fraction(3, 2), 1)]]
    """
    if family not in FAMILIES:
        raise unknown_name("family", family, FAMILIES)
    function, least, known = FAMILIES[family]
    for name in arguments:
        if name not in known:
            raise unknown_name(f"argument of {family}", name, known)
    missing = [name for name in known if name not in arguments and name not in OPTIONAL]
    if missing:
        raise InputError(f"{family} needs {', '.join(missing)}")
    counts = [whole("sizes", size, least) for size in sizes]
    if not counts or any(a >= b for a, b in itertools.pairwise(counts)):
        raise InputError(f"sizes={list(sizes)!r}: allowed are whole numbers in ascending order")
    if conjectured and family == "factor_analysis":
        function = _conjectured_factors
    table = []
    for i, fitted in enumerate(counts):
        found = [function(fitted, true, **arguments) for true in counts[: i + 1]]
        table.append([(c.value, c.multiplicity) for c in found])
    return table


def _positive_root(own: float, below: float, product: float) -> float:
    """Return log x, x > 0 the root of x² + (e^below − e^own) x − e^product = 0."""
    scale = max(own, below, product / 2)
    slope = math.exp(own - scale) - math.exp(below - scale)
    root = math.hypot(slope, 2 * math.exp(product / 2 - scale))
    if slope >= 0:
        return scale + math.log((slope + root) / 2)
    return product - scale + math.log(2 / (root - slope))  # the same without cancellation


def _checked(coefficients: Table, models: int) -> list[dict[int, tuple[float, int]]]:
    rows = [list(row) for row in coefficients]
    if len(rows) != models or any(len(row) != i + 1 for i, row in enumerate(rows)):
        raise InputError(
            f"coefficients: rows of {[len(row) for row in rows]} entries; allowed are {models} rows, as many as "
            "log_likelihoods, of 1, 2, … entries"
        )
    table = []
    for i, row in enumerate(rows):
        if row[i] is None:
            raise InputError(f"coefficients[{i}][{i}] is None: every model is its own submodel")
        kept = {}
        for j, entry in enumerate(row):
            if entry is None:
                continue
            lam, m = float(entry[0]), entry[1]
            if not (0 <= lam < math.inf):
                raise InputError(f"coefficients[{i}][{j}]: λ={lam!r} must be a finite number of at least 0")
            kept[j] = (lam, whole(f"coefficients[{i}][{j}]: m", m, least=1))
        table.append(kept)
    return table


def _log_prior(prior: Sequence[float] | np.ndarray | None, models: int) -> np.ndarray:
    if prior is None:
        return np.zeros(models)
    weights = np.asarray(prior, dtype=np.float64)
    if weights.shape != (models,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise InputError(f"prior={prior!r}: allowed are {models} positive numbers, one for each model")
    return np.log(weights)


def _ranks(hidden: int, rank: int, inputs: int, outputs: int) -> LearningCoefficient:
    if hidden == 0:
        return _nothing_to_fit("no hidden unit, no parameter")
    return exact.reduced_rank(inputs, outputs, hidden, rank)


def _factors(factors: int, true: int, observed: int) -> LearningCoefficient:
    return exact.regular(observed) if factors == 0 else exact.factor_analysis(observed, factors, true)


def _conjectured_factors(factors: int, true: int, observed: int) -> LearningCoefficient:
    try:
        return _factors(factors, true, observed)
    except InputError:
        value = Fraction(observed * (factors + 2) + true * (observed - factors + 1), 4)
        return LearningCoefficient(value, 1, "Drton & Plummer (2017), J. R. Statist. Soc. B 79, 323-380")


def _components(components: int, true: int, dimension: int = 1, concentration=1) -> LearningCoefficient:
    return exact.normal_mixture(components, true, dimension, concentration)


def _nothing_to_fit(why: str) -> LearningCoefficient:
    return LearningCoefficient(Fraction(0), 1, why)


FAMILIES: dict[str, tuple[Callable[..., LearningCoefficient], int, tuple[str, ...]]] = {
    "reduced_rank": (_ranks, 0, ("inputs", "outputs")),
    "factor_analysis": (_factors, 0, ("observed",)),
    "normal_mixture": (_components, 1, ("dimension", "concentration")),
}
"""Name -> (coefficient of fitted and true size, smallest size, further arguments)."""
OPTIONAL = ("dimension", "concentration")
