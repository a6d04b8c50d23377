"""Factor analysis, and the factorisation of stochastic matrices."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import InputError, whole
from singular.models.base import LearningCoefficient
from singular.models.coefficients.linear_networks import reduced_rank


def factor_analysis(observed: int, factors: int, true_factors: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(0, Λ Λᵀ + Ψ), Λ observed × factors, Ψ diagonal, when fewer factors may be true.

    With p, k, l for the three arguments, λ = (p (k + 2) + l (p − k + 1))/4 and m = 1: half the dimension
    p (l + 1) − l (l − 1)/2 of the model with l factors, and a quarter for each of the (p − l)(k − l) loadings
    that only enter as products. That holds as long as no common zero of those products costs less, which
    is known in three cases, and only they are answered:

    - l = k, with (p − k)² ≥ p + k, so that generic loadings are identified up to rotation;
    - l = 0, with p ≥ k + 2;
    - l = k − 1, with q = p − l ≥ 3 and q (q − 1)/2 ≥ p − 1.

    Just outside them the formula fails: p = 2, k = 1, l = 0 has m = 2, and p = 5, k = 3, l = 2 has a smaller λ.

    Parameters
    ----------
    observed, factors : int
        p and k, at least 1.
    true_factors : int
        l, from 0 to k.

    Raises
    ------
    InputError
        If an argument is out of range, or in none of the three cases.

    Examples
    --------
    >>> factor_analysis(3, 1, 0).value
    Fraction(9, 4)
    """
    p = whole("observed", observed, least=1)
    k = whole("factors", factors, least=1)
    l = whole("true_factors", true_factors, least=0, most=k)
    q = p - l
    exact = (
        (l == k and (p - k) ** 2 >= p + k and p > k)
        or (l == 0 and p >= k + 2)
        or (l == k - 1 and q >= 3 and q * (q - 1) // 2 >= p - 1)
    )
    if not exact:
        raise InputError(
            f"observed={p}, factors={k}, true_factors={l}: no exact value is known; allowed are true_factors = factors "
            "with (observed − factors)² ≥ observed + factors, true_factors = 0 with observed ≥ factors + 2, and "
            "true_factors = factors − 1 with q = observed − true_factors ≥ 3 and q (q − 1)/2 ≥ observed − 1"
        )
    return LearningCoefficient(
        Fraction(p * (k + 2) + l * (p - k + 1), 4),
        1,
        source="Drton & Plummer (2017), J. R. Statist. Soc. B 79, 323-380, factor analysis; proofs for l = 0 and for "
        "generic one-factor truths in Drton, Gross, Kosta, Leykin, Sullivant & Windisch (2025), arXiv:2511.15419",
        conditions="covariance of exactly the true number of factors, generic loadings, positive variances, prior "
        "positive",
    )


def stochastic_matrix_factorisation(rows: int, columns: int, topics: int, rank: int) -> LearningCoefficient:
    """Return (λ, m) of a product A B of column-stochastic matrices, A rows × topics and B topics × columns.

    Also latent Dirichlet allocation and other topic models of whole documents. Eliminating the constraints
    leaves rows − 1 regular directions and reduced-rank regression with every size less by one.

    Parameters
    ----------
    rows : int
        M ≥ 2, words.
    columns : int
        N ≥ 1, documents.
    topics : int
        H ≥ 1.
    rank : int
        r, the rank of the true matrix after its first row is dropped and its first column subtracted from the
        others: one less than the least number of topics; from 0 to min(M, N, H) − 1.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> coefficient = stochastic_matrix_factorisation(2, 2, 2, rank=0)
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(1, 1), 2)
    """
    m_rows = whole("rows", rows, least=2)
    n_columns = whole("columns", columns, least=1)
    h = whole("topics", topics, least=1)
    r = whole("rank", rank, least=0, most=min(m_rows, n_columns, h) - 1)
    value, multiplicity = Fraction(m_rows - 1, 2), 1
    if n_columns > 1 and h > 1:
        rest = reduced_rank(m_rows - 1, n_columns - 1, h - 1, r)
        value, multiplicity = value + rest.value, rest.multiplicity
    return LearningCoefficient(
        value,
        multiplicity,
        source="Hayashi (2021), Neural Networks, arXiv:2008.01304, main theorem; by elimination of the "
        "constraints from Aoyagi & Watanabe (2005), Neural Networks 18, 924-933",
        conditions="true factors in the interior of the simplices, prior positive there",
    )
