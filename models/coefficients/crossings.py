"""Normal crossings: the exponents of a monomial, and sums and products of independent blocks."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from singular.errors import InputError, whole
from singular.models.base import LearningCoefficient


def normal_crossing(exponents: Sequence[int], prior_exponents: Sequence[int] | None = None) -> LearningCoefficient:
    """Return (λ, m) for K(w) = c Π w_i^(2 k_i) and a prior ∝ Π |w_i|^h_i near the origin.

    λ = min_i (h_i + 1) / (2 k_i) over the i with k_i > 0, and m is how many i attain it.

    Parameters
    ----------
    exponents : sequence of int
        The k_i ≥ 0, at least one of them positive.
    prior_exponents : sequence of int, optional
        The h_i ≥ 0, as many; all 0 (a prior positive at the origin) when left out.

    Raises
    ------
    InputError
        If an exponent is negative or no whole number, if all k_i are 0, or if the lengths differ.

    Examples
    --------
    >>> crossing = normal_crossing([1, 1])
    >>> crossing.value, crossing.multiplicity
    (Fraction(1, 2), 2)
    """
    powers = [whole("exponents", k, least=0) for k in exponents]
    if not any(powers):
        raise InputError(f"exponents={list(exponents)!r}: at least one must be positive")
    priors = [0] * len(powers) if prior_exponents is None else list(prior_exponents)
    if len(priors) != len(powers):
        raise InputError(f"prior_exponents={priors!r}: allowed is one for each of the {len(powers)} exponents")
    for h in priors:
        whole("prior_exponents", h, least=0)
    poles = [Fraction(h + 1, 2 * k) for k, h in zip(powers, priors, strict=True) if k > 0]
    return LearningCoefficient(
        min(poles),
        poles.count(min(poles)),
        source="Watanabe (2009), Algebraic Geometry and Statistical Learning Theory: largest pole of the "
        "zeta function of a normal crossing",
        conditions="truth 0, prior positive on the compact neighbourhood up to the factors |w_i|^h_i",
    )


def sum_of_powers(exponents: Sequence[int]) -> LearningCoefficient:
    """Return (λ, m) for K(w) = Σ w_i^(2 k_i): λ = Σ 1/(2 k_i), m = 1.

    Parameters
    ----------
    exponents : sequence of int
        The k_i ≥ 1, at least one of them.

    Raises
    ------
    InputError
        If there is no exponent, or one is less than 1 or no whole number.

    Examples
    --------
    >>> sum_of_powers([1, 2, 3]).value
    Fraction(11, 12)
    """
    powers = [whole("exponents", k, least=1) for k in exponents]
    if not powers:
        raise InputError("exponents=[]: at least one is needed")
    return LearningCoefficient(
        sum((Fraction(1, 2 * k) for k in powers), Fraction(0)),
        1,
        source="∫ exp(−n K) is a product of integrals over one parameter, each ~ n^(−1/(2k))",
        conditions="truth 0, prior positive at the origin",
    )


def hadamard(products: int, nonzero: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_j u_j v_j x_j, σ²) with J products of which s are not 0: λ = J/2, m = 1 + J − s.

    Parameters
    ----------
    products, nonzero : int
        J ≥ 1, and s from 0 to J.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> coefficient = hadamard(3, 1)
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(3, 2), 3)
    """
    whole("products", products, least=1)
    whole("nonzero", nonzero, least=0, most=products)
    return LearningCoefficient(
        Fraction(products, 2),
        1 + products - nonzero,
        source="sum of blocks (u v − c)²: a smooth curve of optima, 1/2 and m = 1, if c ≠ 0; the normal crossing "
        "u² v², 1/2 and m = 2, if c = 0 (Watanabe 2009, Algebraic Geometry and Statistical Learning Theory)",
        conditions="E[x xᵀ] positive definite, prior positive on the optimal set and at the origin",
    )


def squares(terms: int, nonzero: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_j u_j² x_j, σ²) with J terms of which s are not 0: λ = s/2 + (J − s)/4, m = 1.

    Parameters
    ----------
    terms, nonzero : int
        J ≥ 1, and s from 0 to J.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> squares(2, 1).value
    Fraction(3, 4)
    """
    whole("terms", terms, least=1)
    whole("nonzero", nonzero, least=0, most=terms)
    return LearningCoefficient(
        Fraction(nonzero, 2) + Fraction(terms - nonzero, 4),
        1,
        source="K is equivalent to a sum of blocks (u² − c)²: regular, 1/2, if c > 0; u⁴, 1/4, if c = 0",
        conditions="E[x xᵀ] positive definite, true coefficients at least 0, prior positive at the optima",
    )


def sum_of_blocks(*coefficients: LearningCoefficient) -> LearningCoefficient:
    """Return (λ, m) for K(u, v, …) = K1(u) + K2(v) + … with independent priors: λ = Σ λ_i, m = 1 + Σ (m_i − 1).

    Parameters
    ----------
    *coefficients : LearningCoefficient
        Those of the blocks, at least one.

    Raises
    ------
    InputError
        If there is no block, or one is no `LearningCoefficient`.

    Examples
    --------
    >>> whole_model = sum_of_blocks(normal_crossing([1, 1]), normal_crossing([2]))
    >>> whole_model.value, whole_model.multiplicity
    (Fraction(3, 4), 2)
    """
    _check_blocks(coefficients)
    return LearningCoefficient(
        sum((c.value for c in coefficients), Fraction(0)),
        1 + sum(c.multiplicity - 1 for c in coefficients),
        source="the integrals of the blocks multiply: " + "; ".join(dict.fromkeys(c.source for c in coefficients)),
        conditions="independent blocks; " + "; ".join(dict.fromkeys(c.conditions for c in coefficients)),
    )


def product_of_blocks(*coefficients: LearningCoefficient) -> LearningCoefficient:
    """Return (λ, m) for K(u, v, …) = K1(u) K2(v) ⋯ with independent priors: λ = min λ_i, m = Σ m_i over its ties.

    Parameters
    ----------
    *coefficients : LearningCoefficient
        Those of the blocks, at least one.

    Raises
    ------
    InputError
        If there is no block, or one is no `LearningCoefficient`.

    Examples
    --------
    >>> both = product_of_blocks(normal_crossing([1]), normal_crossing([1, 2], [0, 1]))
    >>> both.value, both.multiplicity
    (Fraction(1, 2), 3)
    """
    _check_blocks(coefficients)
    least = min(c.value for c in coefficients)
    return LearningCoefficient(
        least,
        sum(c.multiplicity for c in coefficients if c.value == least),
        source="the zeta functions of the blocks multiply, and so their largest poles meet: "
        + "; ".join(dict.fromkeys(c.source for c in coefficients)),
        conditions="independent blocks; " + "; ".join(dict.fromkeys(c.conditions for c in coefficients)),
    )


def _check_blocks(coefficients: Sequence[LearningCoefficient]) -> None:
    wrong = [c for c in coefficients if not isinstance(c, LearningCoefficient)]
    if wrong or not coefficients:
        raise InputError(f"coefficients={list(coefficients)!r}: allowed is one LearningCoefficient or more")
