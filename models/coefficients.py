"""Exact learning coefficients by formula: every value a Fraction, every one with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from singular.errors import InputError
from singular.models.base import LearningCoefficient


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
    _whole("d", d, least=1)
    return LearningCoefficient(
        Fraction(d, 2),
        1,
        source="Schwarz (1978), Ann. Statist. 6, 461-464; Watanabe (2009), Algebraic Geometry and "
        "Statistical Learning Theory, regular case",
        conditions="Fisher information positive definite at the one optimal point, prior positive there",
    )


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
    powers = [_whole("exponents", k, least=0) for k in exponents]
    if not any(powers):
        raise InputError(f"exponents={list(exponents)!r}: at least one must be positive")
    priors = [0] * len(powers) if prior_exponents is None else list(prior_exponents)
    if len(priors) != len(powers):
        raise InputError(f"prior_exponents={priors!r}: allowed is one for each of the {len(powers)} exponents")
    for h in priors:
        _whole("prior_exponents", h, least=0)
    poles = [Fraction(h + 1, 2 * k) for k, h in zip(powers, priors, strict=True) if k > 0]
    return LearningCoefficient(
        min(poles),
        poles.count(min(poles)),
        source="Watanabe (2009), Algebraic Geometry and Statistical Learning Theory: largest pole of the "
        "zeta function of a normal crossing",
        conditions="truth 0, prior positive on the compact neighbourhood up to the factors |w_i|^h_i",
    )


def reduced_rank(inputs: int, outputs: int, hidden: int, rank: int) -> LearningCoefficient:
    """Return (λ, m) of reduced-rank regression y ~ N(B A x, σ² I).

    A is hidden × inputs, B is outputs × hidden, and the true matrix has the given rank. With
    M, N, H, r for the four arguments, the four cases of Aoyagi & Watanabe (2005), and for H < r,
    where the model cannot reach the truth, half the dimension of the matrices of rank H.

    Parameters
    ----------
    inputs, outputs, hidden : int
        M, N, H ≥ 1.
    rank : int
        r, from 0 to min(M, N).

    Raises
    ------
    InputError
        If a size is not a positive integer or the rank cannot be that of an N × M matrix.

    Examples
    --------
    >>> coefficient = reduced_rank(3, 3, 2, 1)
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(7, 2), 2)
    """
    m_in = _whole("inputs", inputs, least=1)
    n_out = _whole("outputs", outputs, least=1)
    h = _whole("hidden", hidden, least=1)
    r = _whole("rank", rank, least=0)
    if r > min(m_in, n_out):
        raise InputError(f"rank={r}: allowed is 0 to min(inputs, outputs) = {min(m_in, n_out)}")
    if h < r:
        return LearningCoefficient(
            Fraction(h * (m_in + n_out - h), 2),
            1,
            source="half the dimension of the manifold of matrices of rank H, see Aoyagi & Watanabe (2005)",
            conditions="unrealisable: hidden < true rank, and the best matrix of rank H is unique",
        )
    multiplicity = 1
    if n_out + r <= m_in + h and m_in + r <= n_out + h and h + r <= m_in + n_out:
        s = -((h + r) ** 2) - m_in**2 - n_out**2 + 2 * (h + r) * (m_in + n_out) + 2 * m_in * n_out
        odd = (m_in + n_out + h + r) % 2
        value, multiplicity = Fraction(s + odd, 8), 1 + odd
    elif m_in + h < n_out + r:
        value = Fraction(h * m_in - h * r + n_out * r, 2)
    elif n_out + h < m_in + r:
        value = Fraction(h * n_out - h * r + m_in * r, 2)
    else:
        value = Fraction(m_in * n_out, 2)
    return LearningCoefficient(
        value,
        multiplicity,
        source="Aoyagi & Watanabe (2005), Neural Networks 18, 924-933, main theorem",
        conditions="true matrix of the given rank, E[x xᵀ] positive definite, prior positive",
    )


def tanh_zero(hidden: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_h a_h tanh(b_h x), 1) when the truth is the zero function.

    λ = (H + i² + i) / (4 i + 2) with i = ⌊√H⌋; m = 2 if i² = H, else 1.

    Parameters
    ----------
    hidden : int
        H ≥ 1, the number of hidden units.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive integer.

    Examples
    --------
    >>> [str(tanh_zero(h).value) for h in (1, 2, 3, 4)]
    ['1/2', '2/3', '5/6', '1']
    """
    h = _whole("hidden", hidden, least=1)
    i = math.isqrt(h)
    return LearningCoefficient(
        Fraction(h + i * i + i, 4 * i + 2),
        2 if i * i == h else 1,
        source="Aoyagi & Watanabe (2005), IEICE Trans. J88-D-II, 2112-2124; Aoyagi (2019), Entropy 21, 561 "
        "(Vandermonde matrix type, Q = 2)",
        conditions="truth 0, one input, one output, no biases, prior positive at the origin",
    )


def _whole(argument: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{argument}={value!r}: allowed is a whole number of at least {least}")
    return value
