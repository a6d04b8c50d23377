"""λ = d/2: regular models, those that are regular once a redundancy is divided out, and truths on an edge."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import whole
from singular.models.base import LearningCoefficient
from singular.models.coefficients.arguments import rational

QUOTIENT = (
    "K depends on the parameters through a map of constant rank, and is positive definite in its image: regular after "
    "the redundancy is divided out, d/2 with d the rank (Watanabe 2009, Algebraic Geometry and Statistical Learning "
    "Theory, regular case)"
)


def regular(d: int) -> LearningCoefficient:
    """Return λ = d/2, m = 1: a regular model with d free parameters.

    Parameters
    ----------
    d : int
        Number of free parameters, at least 1.

    Raises
    ------
    InputError
        If ``d`` is not a positive integer.

    Examples
    --------
    >>> regular(3).value
    Fraction(3, 2)
    """
    whole("d", d, least=1)
    return LearningCoefficient(
        Fraction(d, 2),
        1,
        source="Schwarz (1978), Ann. Statist. 6, 461-464; Watanabe (2009), Algebraic Geometry and "
        "Statistical Learning Theory, regular case",
        conditions="Fisher information positive definite at the one optimal point, prior positive there",
    )


def softmax(classes: int, features: int = 1) -> LearningCoefficient:
    """Return (λ, m) of softmax regression with a weight vector for every class: λ = (K − 1) p / 2.

    Adding one vector to all K of them changes nothing, so p of the K p parameters are redundant.

    Parameters
    ----------
    classes : int
        K ≥ 2.
    features : int
        p ≥ 1, the number of weights of a class; an intercept counts as one.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> softmax(3, 2).value
    Fraction(2, 1)
    """
    whole("classes", classes, least=2)
    whole("features", features, least=1)
    return LearningCoefficient(
        Fraction((classes - 1) * features, 2),
        1,
        source=QUOTIENT,
        conditions="all classes possible under the truth, E[x xᵀ] positive definite, prior positive",
    )


def rank_deficient(rank: int) -> LearningCoefficient:
    """Return λ = ρ/2, m = 1: linear regression on inputs whose E[x xᵀ] has rank ρ, however many parameters.

    Parameters
    ----------
    rank : int
        ρ ≥ 1.

    Raises
    ------
    InputError
        If ``rank`` is not a positive integer.

    Examples
    --------
    >>> rank_deficient(2).value
    Fraction(1, 1)
    """
    whole("rank", rank, least=1)
    return LearningCoefficient(
        Fraction(rank, 2),
        1,
        source=QUOTIENT,
        conditions="known noise variance, truth in the model, prior positive",
    )


def multinomial_boundary(classes: int, empty: int, concentration: float | str = 1) -> LearningCoefficient:
    """Return λ = s α + (K − 1 − s)/2, m = 1: a multinomial with s categories that never occur, prior Dirichlet(α).

    K is linear in the probability of a category that the truth lacks (∫ θ^(α−1) e^(−nθ) dθ ~ n^(−α)) and
    quadratic in the others. At α = 1 an edge costs 1, twice an interior parameter: λ exceeds d/2.

    Parameters
    ----------
    classes, empty : int
        K ≥ 2, and s from 0 to K − 1.
    concentration : int, float or str
        α > 0; a string such as ``"1/3"`` is read as a fraction.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> multinomial_boundary(3, 1).value
    Fraction(3, 2)
    """
    whole("classes", classes, least=2)
    whole("empty", empty, least=0, most=classes - 1)
    alpha = rational("concentration", concentration)
    return LearningCoefficient(
        empty * alpha + Fraction(classes - 1 - empty, 2),
        1,
        source="from the closed form: log B(α + n θ0) − log B(α) + n H(θ0) by Stirling's formula",
        conditions="s categories of true probability 0, the others positive, prior Dirichlet(α, …, α)",
    )


def zero_inflated(concentration: float | str = 1, parameters: int = 1) -> LearningCoefficient:
    """Return λ = (p + α)/2, m = 1: a zero-inflated model with p more parameters when no zero is in excess.

    The prior of the share π of extra zeros is ∝ π^(α−1) near 0, where the truth is, and the Fisher information
    is positive definite there: ∫ π^(α−1) e^(−nπ²) dπ ~ n^(−α/2). For α = 1 it is d/2, on an edge or not.

    Parameters
    ----------
    concentration : int, float or str
        α > 0; a string such as ``"1/3"`` is read as a fraction.
    parameters : int
        p ≥ 1, the regular parameters of the inflated family: 1 for Poisson.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> zero_inflated().value
    Fraction(1, 1)
    """
    alpha = rational("concentration", concentration)
    whole("parameters", parameters, least=1)
    return LearningCoefficient(
        (parameters + alpha) / 2,
        1,
        source="K is equivalent to π² + |μ − μ0|²: a crossing of exponents 1 with the prior's power α − 1 "
        "(Watanabe 2009, Algebraic Geometry and Statistical Learning Theory)",
        conditions="true share 0, prior of the share Beta(α, ·), prior of the others positive at the truth",
    )
