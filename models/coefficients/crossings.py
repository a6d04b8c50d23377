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
