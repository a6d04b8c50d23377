"""What formulas for λ and m must agree on, checked exactly: reductions, invariances, a search over representations.

Each check is a function that yields (what, left, right) with left == right wherever the formulas hold; `run` counts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pandas as pd

from singular.analysis.vandermonde_charts import charted, charted_with_sum
from singular.models import coefficients as c

Case = tuple[str, Any, Any]
SIZES = range(1, 7)


def pair(coefficient: Any) -> tuple[Fraction, int]:
    """Return (λ, m)."""
    return coefficient.value, coefficient.multiplicity


def reduced_rank_sizes() -> Iterator[tuple[int, int, int, int]]:
    for m, n, h in itertools.product(SIZES, repeat=3):
        for r in range(min(m, n, h) + 1):
            yield m, n, h, r


def deep_is_reduced_rank() -> Iterator[Case]:
    """Deep linear network with one hidden layer = reduced-rank regression, 1 ≤ M, N, H ≤ 6, every rank"""
    for m, n, h, r in reduced_rank_sizes():
        yield f"{m, n, h, r}", pair(c.deep_linear([m, h, n], r)), pair(c.reduced_rank(m, n, h, r))


def ones_are_a_monomial() -> Iterator[Case]:
    """Deep linear network with all widths 1 and truth 0 = w₁⋯w_L, L = 1 to 12"""
    for depth in range(1, 13):
        yield f"L={depth}", pair(c.deep_linear([1] * (depth + 1), 0)), pair(c.normal_crossing([1] * depth))


def full_rank_is_regular() -> Iterator[Case]:
    """Reduced-rank regression with r = H: λ = H(M + N − H)/2, half the dimension of the matrices of rank H, m = 1"""
    for m, n, h, r in reduced_rank_sizes():
        if r == h:
            yield f"{m, n, h}", pair(c.reduced_rank(m, n, h, r)), (Fraction(h * (m + n - h), 2), 1)


def onto_is_linear_regression() -> Iterator[Case]:
    """Reduced-rank regression with r = min(M, N) (a smooth map onto all matrices): λ = MN/2, m = 1"""
    for m, n, h, r in reduced_rank_sizes():
        if r == min(m, n):
            yield f"{m, n, h, r}", pair(c.reduced_rank(m, n, h, r)), (Fraction(m * n, 2), 1)


def rank_splits_off() -> Iterator[Case]:
    """λ(M, N, H, r) = r(M + N − r)/2 + λ(M − r, N − r, H − r, 0), same m"""
    for m, n, h, r in reduced_rank_sizes():
        if 0 < r < min(m, n, h):
            rest = c.reduced_rank(m - r, n - r, h - r, 0)
            moved = (rest.value + Fraction(r * (m + n - r), 2), rest.multiplicity)
            yield f"{m, n, h, r}", pair(c.reduced_rank(m, n, h, r)), moved


def no_hidden_layer() -> Iterator[Case]:
    """Deep linear network without hidden layer = linear regression with MN weights"""
    for m, n in itertools.product(SIZES, repeat=2):
        for r in range(min(m, n) + 1):
            yield f"{m, n, r}", pair(c.deep_linear([m, n], r)), pair(c.regular(m * n))


def transposition() -> Iterator[Case]:
    """Reduced-rank regression: transposition, (M, N) ↔ (N, M)"""
    for m, n, h, r in reduced_rank_sizes():
        yield f"{m, n, h, r}", pair(c.reduced_rank(m, n, h, r)), pair(c.reduced_rank(n, m, h, r))


def layers() -> Iterator[tuple[tuple[int, ...], int]]:
    for depth in (3, 4, 5):
        for widths in itertools.product(range(1, 5), repeat=depth):
            for r in range(min(widths) + 1):
                yield widths, r


def reversal() -> Iterator[Case]:
    """Deep linear network: layers in reverse order, 2 to 4 layers, widths to 4, every rank"""
    for widths, r in layers():
        yield f"{widths, r}", pair(c.deep_linear(widths, r)), pair(c.deep_linear(widths[::-1], r))


def permutation() -> Iterator[Case]:
    """Deep linear network: hidden layers in sorted order; with truth 0, all layers in sorted order"""
    for widths, r in layers():
        first, *hidden, last = widths
        yield f"{widths, r}", pair(c.deep_linear(widths, r)), pair(c.deep_linear([first, *sorted(hidden), last], r))
        if r == 0:
            yield f"{widths}", pair(c.deep_linear(widths, r)), pair(c.deep_linear(sorted(widths), r))


def wide_layer() -> Iterator[Case]:
    """Deep linear network: a hidden layer at least as wide as all others together may be left out"""
    for widths, r in layers():
        if len(widths) < 5:
            wide = [*widths[:-1], sum(widths), widths[-1]]
            yield f"{wide, r}", pair(c.deep_linear(wide, r)), pair(c.deep_linear(widths, r))


def representations() -> Iterator[Case]:
    """Deep linear network: 2λ = least codimension over quiver representations of type A, by enumeration"""
    for depth, widest in ((3, 5), (4, 4), (5, 3)):
        for widths in itertools.product(range(1, widest + 1), repeat=depth):
            for r in range(min(widths) + 1):
                yield f"{widths, r}", 2 * c.deep_linear(widths, r).value, Fraction(_codimension(widths, r))


def _codimension(widths: tuple[int, ...], rank: int) -> int:
    """Return r(H_0 + H_L − r) + min dim Ext¹(V, V) over V = ⊕ intervals with these dimensions and this rank.

    The fibre over a matrix of rank r is a union of orbits closures of representations whose full interval has
    multiplicity r; dim Ext¹ of two intervals [a, b], [c, d] is 1 if a < c ≤ b + 1 ≤ d, else 0.
    """
    last = len(widths) - 1
    intervals = [(i, j) for i in range(last + 1) for j in range(i, last + 1) if (i, j) != (0, last)]
    best = math.inf

    def extend(index: int, left: list[int], chosen: list[tuple[int, int, int]]) -> None:
        nonlocal best
        if index == len(intervals):
            if not any(left):
                cost = sum(p * q for a, b, p in chosen for e, f, q in chosen if a < e <= b + 1 <= f)
                best = min(best, cost)
            return
        i, j = intervals[index]
        if any(left[k] for k in range(i)):
            return  # intervals come in order of their start: nothing fills an earlier place any more
        for count in range(min(left[i : j + 1]) + 1):
            shorter = [v - count * (i <= k <= j) for k, v in enumerate(left)]
            extend(index + 1, shorter, [*chosen, (i, j, count)] if count else chosen)

    full = (0, last, rank)
    extend(0, [h - rank for h in widths], [full] if rank else [])
    return rank * (widths[0] + widths[-1] - rank) + int(best)


def sums_of_blocks() -> Iterator[Case]:
    """Sums of powers, Hadamard products and squares = sums of independent monomial blocks"""
    one, two = c.normal_crossing([1]), c.normal_crossing([1, 1])
    for exponents in itertools.combinations_with_replacement(range(1, 5), 3):
        blocks = c.sum_of_blocks(*(c.normal_crossing([k]) for k in exponents))
        yield f"{exponents}", pair(c.sum_of_powers(exponents)), pair(blocks)
    for terms in SIZES:
        for nonzero in range(terms + 1):
            blocks = c.sum_of_blocks(*[one] * nonzero, *[two] * (terms - nonzero))
            yield f"hadamard {terms, nonzero}", pair(c.hadamard(terms, nonzero)), pair(blocks)
            blocks = c.sum_of_blocks(*[one] * nonzero, *[c.normal_crossing([2])] * (terms - nonzero))
            yield f"squares {terms, nonzero}", pair(c.squares(terms, nonzero)), pair(blocks)


def products_of_blocks() -> Iterator[Case]:
    """Monomials = products of independent powers; the order of the exponents is of no account"""
    for exponents in itertools.product(range(1, 5), repeat=3):
        blocks = c.product_of_blocks(*(c.normal_crossing([k]) for k in exponents))
        yield f"{exponents}", pair(c.normal_crossing(exponents)), pair(blocks)
        yield f"{exponents}", pair(c.normal_crossing(exponents)), pair(c.normal_crossing(sorted(exponents)))


def mixture_with_no_spare() -> Iterator[Case]:
    """Mixtures with as many components as the truth are regular: λ = (H(N + 1) − 1)/2, m = 1"""
    for h, n in itertools.product(SIZES, repeat=2):
        yield f"{h, n}", pair(c.normal_mixture(h, h, n)), pair(c.regular(h * (n + 1) - 1))


def networks_agree() -> Iterator[Case]:
    """tanh networks: truth 0 = Vandermonde with step 2; H true units are regular; one spare unit costs 1/4"""
    for h in range(1, 26):
        yield f"H={h}", pair(c.tanh_zero(h)), pair(c.vandermonde(h, 2))
        yield f"H={h}, 0", pair(c.tanh_network(h, 0)), pair(c.tanh_zero(h))
        least = min(Fraction(h + i * i + i, 4 * i + 2) for i in range(h + 1))
        yield f"H={h}, least", c.tanh_zero(h).value, least
        yield f"H={h}, {h}", pair(c.tanh_network(h, h)), pair(c.regular(2 * h))
        yield f"H={h + 1}, {h}", c.tanh_network(h + 1, h).value, h + Fraction(1, 4)


def charts() -> Iterator[Case]:
    """Vandermonde type, Q = 1 to 3, H = 1 to 5: λ and m = those of the linear programs over its charts"""
    for units, step in itertools.product(range(1, 6), range(1, 4)):
        value, multiplicity = charted(units, step)
        solved = (Fraction(value).limit_denominator(1000), multiplicity)
        yield f"{units, step}", pair(c.vandermonde(units, step)), solved


def moments() -> Iterator[Case]:
    """Moments 0 to p: λ and m = those of linear programs, H, p = 1 to 5; those of a radial basis if p = H"""
    for units, degree in itertools.product(range(1, 6), range(1, 6)):
        value, multiplicity = charted_with_sum(units, degree)
        solved = (Fraction(value).limit_denominator(1000), multiplicity)
        yield f"{units, degree}", pair(c.polynomial_network(units, degree)), solved
    for units in range(1, 26):
        yield f"H={units}", pair(c.polynomial_network(units, units)), pair(c.radial_basis(units, 0))
        yield f"H={units}, {units}", pair(c.radial_basis(units, units)), pair(c.regular(2 * units))


def quotients() -> Iterator[Case]:
    """Softmax, rank-deficient designs: regular after the quotient"""
    for k, p in itertools.product(range(2, 8), SIZES):
        yield f"softmax {k, p}", pair(c.softmax(k, p)), pair(c.regular((k - 1) * p))
    for r in SIZES:
        yield f"rank {r}", pair(c.rank_deficient(r)), pair(c.regular(r))


def topics() -> Iterator[Case]:
    """Topic models: λ = (M − 1)/2 + λ of reduced-rank regression on the centred product, same m"""
    for m, n, h in itertools.product(range(2, 6), range(2, 6), range(2, 6)):
        for r in range(min(m, n, h)):
            inner = c.reduced_rank(m - 1, n - 1, h - 1, r)
            moved = (inner.value + Fraction(m - 1, 2), inner.multiplicity)
            yield f"{m, n, h, r}", pair(c.stochastic_matrix_factorisation(m, n, h, r)), moved


CHECKS: tuple[Callable[[], Iterator[Case]], ...] = (
    deep_is_reduced_rank, ones_are_a_monomial, full_rank_is_regular, onto_is_linear_regression, rank_splits_off,
    no_hidden_layer, transposition, reversal, permutation, wide_layer, representations, sums_of_blocks,
    products_of_blocks, mixture_with_no_spare, networks_agree, charts, moments, quotients, topics,
)  # fmt: skip


def run() -> pd.DataFrame:
    """Return one row for each check: ``check, cases, failures, first`` (the first failure)."""
    rows = []
    for check in CHECKS:
        cases = list(check())
        wrong = [f"{what}: {left} ≠ {right}" for what, left, right in cases if left != right]
        rows.append(
            {"check": check.__doc__, "cases": len(cases), "failures": len(wrong), "first": wrong[0] if wrong else ""}
        )
    return pd.DataFrame(rows)
