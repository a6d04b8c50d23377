"""Linear networks of any depth: products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
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


def deep_linear(widths: Sequence[int], rank: int) -> LearningCoefficient:
    """Return (λ, m) of a deep linear network y ~ N(W_L ⋯ W_1 x, σ² I) whose true matrix has the given rank.

    With M_s = H_s − r for the widths H_0 (inputs), …, H_L (outputs), the narrow layers are the ℓ + 1 smallest
    M_s that satisfy max ≤ T/ℓ < min of the others, T being their sum; equal widths are all in or all out. With
    a = T − (⌈T/ℓ⌉ − 1) ℓ,

    λ = (r (H_0 + H_L) − r²)/2 + a (ℓ − a)/(4 ℓ) − (ℓ − 1) T²/(4 ℓ) + ½ Σ_{i<j narrow} M_i M_j,
    m = a (ℓ − a) + 1.

    One layer is linear regression; two layers are `reduced_rank`. Sorting dominates the cost.

    Parameters
    ----------
    widths : sequence of int
        H_0, …, H_L ≥ 1, at least two.
    rank : int
        r, from 0 to the smallest width: no network reaches a matrix of larger rank.

    Raises
    ------
    InputError
        If there are fewer than two widths, one is not a positive integer, or the rank is out of range.

    Examples
    --------
    >>> coefficient = deep_linear([2, 2, 2, 2], rank=0)
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(3, 2), 3)
    """
    sizes = [whole("widths", width, least=1) for width in widths]
    if len(sizes) < 2:
        raise InputError(f"widths={sizes!r}: allowed are at least two, the inputs and the outputs")
    r = whole("rank", rank, least=0)
    if r > min(sizes):
        raise InputError(f"rank={r}: allowed is 0 to min(widths) = {min(sizes)}, what the narrowest layer lets through")
    excess = sorted(width - r for width in sizes)
    layers, total, squares = _narrow(excess)
    a = total - (-(-total // layers) - 1) * layers
    pairs = total**2 - squares
    value = Fraction(r * (sizes[0] + sizes[-1]) - r * r, 2) + Fraction(
        a * (layers - a) - (layers - 1) * total**2 + layers * pairs, 4 * layers
    )
    return LearningCoefficient(
        value,
        a * (layers - a) + 1,
        source="Aoyagi (2024), Neural Networks 172, 106132, main theorem",
        conditions="true matrix of the given rank, E[x xᵀ] positive definite, prior positive",
    )


def _narrow(excess: Sequence[int]) -> tuple[int, int, int]:
    """Return ℓ, the sum and the sum of squares of the ℓ + 1 narrow layers, from sorted excess widths."""
    total, squares = excess[0], excess[0] ** 2
    for layers, width in enumerate(excess[1:], start=1):
        total, squares = total + width, squares + width**2
        following = excess[layers + 1] if layers + 1 < len(excess) else None
        if total >= layers * width and (following is None or (width < following and total < layers * following)):
            return layers, total, squares
    raise AssertionError("every sorted list of widths has its narrow layers")  # pragma: no cover
