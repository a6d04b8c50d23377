"""Linear networks and factor models: (λ, m) against other routes than their formulas."""

from __future__ import annotations

import functools
import itertools
import math
import time
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.special import erf, logsumexp

from singular.errors import InputError
from singular.models import coefficients
from singular.models.coefficients import deep_linear, factor_analysis, reduced_rank, stochastic_matrix_factorisation


def pair(coefficient):
    return coefficient.value, coefficient.multiplicity


@pytest.mark.parametrize(
    ("widths", "rank", "expected"),
    [
        ((1, 1, 1, 1), 0, (Fraction(1, 2), 3)),
        ((1, 1, 1, 1, 1), 0, (Fraction(1, 2), 4)),
        ((2, 2, 1, 2), 0, (Fraction(1), 3)),
        ((2, 2, 2, 2), 0, (Fraction(3, 2), 3)),
        ((3, 3, 3, 3), 0, (Fraction(3), 1)),
        ((3, 3, 3, 3), 1, (Fraction(4), 3)),
        ((4, 3, 2, 3, 4), 1, (Fraction(9, 2), 2)),
        ((5, 4, 3, 4, 5), 2, (Fraction(9), 2)),
        ((10, 10, 10, 10), 3, (Fraction(42), 3)),
        ((20, 15, 30, 12, 25), 5, (Fraction(269, 2), 1)),
        ((100, 89, 467, 95, 231, 59, 159, 36, 225, 210, 342, 457, 495, 366, 186), 36, (Fraction(4500), 1)),
    ],
)
def test_deep_linear_table(widths, rank, expected):
    """The last row is the true value in the deep linear notebook of github.com/edmundlth/validating_lambdahat."""
    assert pair(deep_linear(widths, rank)) == expected


def test_two_layers_are_reduced_rank_regression():
    for m, n, h in itertools.product(range(1, 7), repeat=3):
        for r in range(min(m, n, h) + 1):
            assert pair(deep_linear((m, h, n), r)) == pair(reduced_rank(m, n, h, r)), (m, n, h, r)


def test_one_layer_is_linear_regression():
    for inputs, outputs in itertools.product(range(1, 6), repeat=2):
        for r in range(min(inputs, outputs) + 1):
            assert pair(deep_linear((inputs, outputs), r)) == pair(coefficients.regular(inputs * outputs))


def test_layers_may_be_reversed_and_hidden_ones_exchanged():
    rng = np.random.default_rng(0)
    for _ in range(300):
        widths = [int(w) for w in rng.integers(1, 7, size=rng.integers(3, 8))]
        r = int(rng.integers(0, min(widths) + 1))
        here = pair(deep_linear(widths, r))
        assert here == pair(deep_linear(widths[::-1], r))
        assert here == pair(deep_linear([widths[0], *(int(w) for w in rng.permutation(widths[1:-1])), widths[-1]], r))
        less = pair(deep_linear([w - r for w in widths], 0)) if min(widths) > r else None
        outer = Fraction(r * (widths[0] + widths[-1] - r), 2)
        if less:
            assert here == (less[0] + outer, less[1])
            any_order = [int(w) for w in rng.permutation([w - r for w in widths])]
            assert less == pair(deep_linear(any_order, 0))
        assert here[0] <= Fraction(widths[0] * widths[-1], 2)


def test_a_layer_more_never_raises_the_coefficient():
    for widths in itertools.product(range(1, 5), repeat=3):
        for wide in range(1, 6):
            assert deep_linear([*widths[:2], wide, widths[2]], 0).value <= deep_linear(widths, 0).value


@functools.cache
def fewest_equations(widths: tuple[int, ...], rank: int) -> tuple[int, int]:
    """Return the least codimension of {W_L ⋯ W_1 of this rank, fixed} and how many strata attain it, by search.

    A stratum is a representation of the quiver • → • → ⋯ → •, a multiset of intervals [i, j] that cover vertex s
    H_s times, with [0, L] ``rank`` times. Its codimension in all weights is dim Ext¹(V, V), the sum over pairs of
    intervals of 1 if a < c ≤ b + 1 ≤ d; r (H_0 + H_L − r) more fix the product.
    """
    last = len(widths) - 1
    intervals = [(i, j) for i in range(last + 1) for j in range(i, last + 1) if (i, j) != (0, last)]

    @functools.cache
    def extends(one, two):
        return int(one[0] < two[0] <= one[1] + 1 <= two[1])

    found: dict[int, int] = {}

    def search(index, left, chosen):
        if index == len(intervals):
            if not any(left):
                cost = sum(k * m * (extends(p, q) + extends(q, p) * (p != q)) for (p, k), (q, m) in
                           itertools.combinations_with_replacement(chosen, 2))  # fmt: skip
                found[cost] = found.get(cost, 0) + 1
            return
        i, j = intervals[index]
        if any(left[:i]):
            return  # no later interval reaches a vertex before i
        for count in range(min(left[i : j + 1]) + 1):
            rest = tuple(w - count * (i <= s <= j) for s, w in enumerate(left))
            search(index + 1, rest, [*chosen, ((i, j), count)] if count else chosen)

    search(0, tuple(w - rank for w in widths), [])
    least = min(found)
    return rank * (widths[0] + widths[-1] - rank) + least, found[least]


@pytest.mark.parametrize(("layers", "widest"), [(2, 4), (3, 3), (4, 2)])
def test_twice_the_coefficient_is_the_codimension_of_the_optimal_set(layers, widest):
    """Lehalleur & Rimányi (2024): for linear networks λ is half a codimension, strata that tie make m > 1."""
    for widths in itertools.product(range(1, widest + 1), repeat=layers + 1):
        for r in range(min(widths) + 1):
            value, multiplicity = pair(deep_linear(widths, r))
            codimension, ties = fewest_equations(widths, r)
            assert 2 * value == codimension, (widths, r)
            # with ℓ + 1 narrow layers and remainder a, m = a (ℓ − a) + 1, and C(ℓ, a) strata tie
            pairs = [(ell, a) for ell in range(1, layers + 1) for a in range(1, ell + 1)]
            assert any(math.comb(ell, a) == ties and a * (ell - a) + 1 == multiplicity for ell, a in pairs)


def test_a_hundred_layers_take_less_than_a_millisecond():
    rng = np.random.default_rng(1)
    widths = [int(w) for w in rng.integers(20, 500, size=101)]
    times = []
    for _ in range(20):
        start = time.perf_counter()
        deep_linear(widths, 7)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


# Factor analysis


def test_factor_analysis_table():
    """The values for six variables in the tests of the R package sBIC, where a proof covers them."""
    expected = {(1, 0): "9/2", (1, 1): "6", (2, 0): "6", (2, 1): "29/4", (2, 2): "17/2", (3, 0): "15/2",
                (3, 2): "19/2", (3, 3): "21/2"}  # fmt: skip
    for (k, l), value in expected.items():
        assert pair(factor_analysis(6, k, l)) == (Fraction(value), 1)
    assert pair(factor_analysis(3, 1, 0)) == (Fraction(9, 4), 1)
    assert pair(factor_analysis(4, 2, 1)) == (Fraction(19, 4), 1)


def test_with_all_factors_true_it_is_half_the_dimension_of_the_covariances():
    rng = np.random.default_rng(2)
    for p, k in [(3, 1), (4, 1), (5, 1), (5, 2), (6, 2), (6, 3), (8, 4)]:
        loadings = rng.standard_normal((p, k))
        assert 2 * factor_analysis(p, k, k).value == np.linalg.matrix_rank(tangent(loadings))


def tangent(loadings):
    """Return the derivatives of Λ Λᵀ + Ψ in every parameter, as rows."""
    p, k = loadings.shape
    rows = []
    for i in range(p):
        e = np.eye(p)[i]
        rows.append(np.outer(e, e))
        rows += [np.outer(e, loadings[:, j]) + np.outer(loadings[:, j], e) for j in range(k)]
    return np.array(rows).reshape(len(rows), p * p)


def test_one_spare_loading_vector_of_a_diagonal_covariance_adds_a_quarter_each():
    """p = 3, k = 1, l = 0: what the diagonal leaves is Σ_{i<j} (v_i v_j)², 3/4; with three variances, 9/4."""
    s = np.arange(-32.0, 2.2, 0.1)
    u, v = np.meshgrid(np.exp(s), np.exp(s), indexing="ij")
    base = np.log(u * v) - 0.5 * (u**2 + v**2)
    slopes = []
    for t in (1e10, 1e12):  # the third loading is Gaussian given the others, and integrated
        logs = [base - t * f * (u * v) ** 2 - 0.5 * np.log1p(2 * t * f * (u**2 + v**2)) for f in (0.99, 1.01)]
        slopes.append(-(logsumexp(logs[1]) - logsumexp(logs[0])) / math.log(1.01 / 0.99))
    assert slopes[-1] == pytest.approx(0.75, abs=1e-3)
    assert factor_analysis(3, 1, 0).value == Fraction(3, 2) + Fraction(3, 4)


@pytest.mark.parametrize(("p", "k", "l", "expected"), [(4, 2, 1, 0.75), (5, 2, 1, 1.0), (5, 3, 2, 0.5)])
def test_a_spare_loading_vector_beside_true_factors(p, k, l, expected):
    """The block v → residual of v vᵀ over the tangent space, for one spare factor, by directions drawn at random.

    p = 5, k = 3, l = 2 leaves one equation for three loadings, where the formula's 3/4 is wrong and is refused.
    """
    loadings = np.cos(1.0 + np.arange(p)[:, None] * (np.arange(l) + 1.0))
    space = np.linalg.svd(tangent(loadings), full_matrices=True)[2]
    rank = np.linalg.matrix_rank(tangent(loadings))
    residuals = [(m + m.T) / 2 for m in space[rank:].reshape(-1, p, p)]
    complement = np.linalg.svd(loadings)[0][:, l:]
    directions = np.random.default_rng(3).standard_normal((400_000, p - l))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    v = directions @ complement.T
    quartic = sum(np.einsum("ni,ij,nj->n", v, m, v) ** 2 for m in residuals)
    log_rho = np.arange(-12.0, 2.2, 0.1)
    radial = (p - l) * log_rho - 0.5 * np.exp(2 * log_rho)
    grid = np.linspace(-45.0, 45.0, 900)  # log(t Q(u)), at which the radial integral is tabulated
    table = logsumexp(radial - np.exp(grid[:, None] + 4 * log_rho), axis=1)

    def log_z(t):
        return logsumexp(np.interp(np.log(t * quartic), grid, table))

    if (p, k, l) == (5, 3, 2):  # directions are too few to follow the cone of zeros further out
        slope = -(log_z(1e7) - log_z(1e5)) / math.log(100)
        assert slope == pytest.approx(expected, abs=0.07)
        with pytest.raises(InputError, match="no exact value is known"):
            factor_analysis(p, k, l)
    else:
        slope = -(log_z(1e12) - log_z(1e10)) / math.log(100)
        assert slope == pytest.approx(expected, abs=5e-3)
        assert float(factor_analysis(p, k, l).value) == rank / 2 + expected


# Stochastic matrices


def test_with_all_topics_true_it_is_half_the_rank_of_the_jacobian():
    rng = np.random.default_rng(4)
    for m, n, h in itertools.product(range(2, 6), range(2, 6), range(1, 5)):
        if h <= min(m, n):
            a, b = rng.dirichlet(np.ones(m), h).T, rng.dirichlet(np.ones(h), n).T
            moves = [np.outer(np.eye(m)[i] - np.eye(m)[-1], b[k]) for i in range(m - 1) for k in range(h)]
            moves += [np.outer(a[:, k] - a[:, -1], np.eye(n)[j]) for k in range(h - 1) for j in range(n)]
            rank = np.linalg.matrix_rank(np.reshape(moves, (len(moves), m * n)), tol=1e-9)
            assert pair(stochastic_matrix_factorisation(m, n, h, h - 1)) == (Fraction(int(rank), 2), 1), (m, n, h)


def test_two_topics_two_words_two_documents_decay_as_their_integral_does():
    """K = Σ_j (a₂ + (a₁ − a₂) b_j − ½)² over [0, 1]⁴: λ = 1 and m = 2, the latter fitted against 1 and 3."""
    edges = np.concatenate([[0.0], 0.5 ** np.arange(44, -1, -1.0)])
    d, log_d = _gauss(edges, 5)
    share, log_share = _gauss(np.array([0.0, 0.5, 1.0]), 8)
    # by symmetry a₁ > a₂ and b₂ > b₁: gap d, distance b; a₂ in (0, 1 − d) by erf, b₁ in (0, 1 − b)
    dd, bb, ss = np.meshgrid(d, d, share, indexing="ij")
    first = ss * (1 - bb)
    weights = log_d[:, None, None] + log_d[:, None] + log_share + np.log(4 * (1 - bb))
    centre = 0.5 - dd * (first + bb / 2)  # the best a₂
    log_n = np.linspace(math.log(1e4), math.log(1e11), 12)
    logs = []
    for t in np.exp(log_n):
        root = math.sqrt(2 * t)
        mass = 0.5 * (erf(root * (1 - dd - centre)) - erf(-root * centre)) * math.sqrt(math.pi) / root
        with np.errstate(divide="ignore"):
            logs.append(logsumexp(weights + np.log(np.maximum(mass, 0)) - 0.5 * t * (dd * bb) ** 2))

    def gap(parameters, m):
        level, value, shift = parameters
        return level - value * log_n + (m - 1) * np.log(log_n + shift) - np.array(logs)

    fits = {m: least_squares(gap, [0.0, 1.0, 0.0], args=(m,), x_scale="jac", xtol=1e-15, ftol=1e-15) for m in (1, 2, 3)}
    worst = {m: np.abs(fit.fun).max() for m, fit in fits.items()}
    assert pair(stochastic_matrix_factorisation(2, 2, 2, 0)) == (1, 2)
    assert fits[2].x[1] == pytest.approx(1.0, abs=2e-3)
    assert worst[2] < 0.1 * min(worst[1], worst[3])


def _gauss(edges, order):
    """Return Gauss-Legendre nodes and log weights on each panel."""
    base, gauss = np.polynomial.legendre.leggauss(order)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (base + 1)).ravel(), np.log(half * gauss).ravel()


@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        (deep_linear, ([3], 0), r"widths=\[3\]: allowed are at least two"),
        (deep_linear, ([3, 0, 3], 0), "widths=0"),
        (deep_linear, ([3, 2.0, 3], 0), "widths=2.0"),
        (deep_linear, ([3, 2, 3], 3), r"rank=3: allowed is 0 to min\(widths\) = 2"),
        (deep_linear, ([3, 2, 3], -1), "rank=-1"),
        (factor_analysis, (0, 1, 0), "observed=0"),
        (factor_analysis, (3, 1, 2), "true_factors=2: allowed is a whole number from 0 to 1"),
        (factor_analysis, (2, 1, 0), "no exact value is known; allowed are"),
        (factor_analysis, (3, 2, 1), "no exact value is known; allowed are"),
        (stochastic_matrix_factorisation, (1, 2, 2, 0), "rows=1"),
        (stochastic_matrix_factorisation, (3, 3, 2, 2), "rank=2: allowed is a whole number from 0 to 1"),
    ],
)
def test_what_no_formula_takes_is_refused_by_name(call, arguments, named):
    with pytest.raises(InputError, match=named):
        call(*arguments)
