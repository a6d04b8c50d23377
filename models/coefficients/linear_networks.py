"""Linear networks of any depth: products of matrices."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import InputError, whole
from singular.models.base import LearningCoefficient


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
    m_in = whole("inputs", inputs, least=1)
    n_out = whole("outputs", outputs, least=1)
    h = whole("hidden", hidden, least=1)
    r = whole("rank", rank, least=0)
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
