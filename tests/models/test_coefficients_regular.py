"""Coefficients of redundant, boundary and block-built models against integrals that know none of the formulas.

Each integral log Z(t) = log ∫ φ exp(−t K) is done by a rule written here, and λ and m are read off its decay.
"""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

from singular.errors import InputError
from singular.models import coefficients

SCALES = np.logspace(6, 14, 9)


def pair(coefficient):
    return coefficient.value, coefficient.multiplicity


def fitted(logs) -> tuple[float, int]:
    """Return (λ, m): log Z = c − λ L + (m − 1) log(L + a), for m the one of 1, 2, 3, 4 that leaves least."""
    length = np.log(SCALES)
    found = []
    for m in (1, 2, 3, 4):
        shifts = [0.0] if m == 1 else np.linspace(-6, 30, 361)
        for a in shifts:
            rest = logs - (m - 1) * np.log(length + a)
            slope, level = np.polyfit(length, rest, 1)
            found.append((np.abs(rest - slope * length - level).max(), -slope, m))
    _, value, m = min(found)
    return value, m


@functools.cache
def power(exponent: int, prior: int = 0) -> np.ndarray:
    """Return log ∫_0^1 w^h exp(−t w^(2k)) dw at the scales, by a trapezoid in log w."""
    s = np.arange(-45.0, 0.0, 0.002)
    return np.array([logsumexp((prior + 1) * s - t * np.exp(2 * exponent * s)) + math.log(0.002) for t in SCALES])


@functools.cache
def crossing(first: int, second: int) -> np.ndarray:
    """Return log ∫∫ over [0, 1]² of exp(−t u^(2a) v^(2b)): K itself has a density, of −log K in e = 2 a p + 2 b q."""
    s = np.arange(0.0, 60.0, 0.03)
    p, q = np.meshgrid(s, s, indexing="ij")
    ends = np.where(s == 0, math.log(0.5), 0.0)
    base = -p - q + ends[:, None] + ends
    logs = 2 * first * p + 2 * second * q
    return np.array([logsumexp(base - t * np.exp(-logs)) for t in SCALES])


@functools.cache
def hyperbola() -> np.ndarray:
    """Return log ∫∫ exp(−t (u v − 1)²) with normal u, v: v integrated, u > 0 twice."""
    s = np.arange(-30.0, 3.0, 0.005)
    u = np.exp(s)
    return np.array([logsumexp(s - 0.5 * u**2 - 0.5 * np.log1p(2 * t * u**2) - t / (1 + 2 * t * u**2)) for t in SCALES])


# Blocks


@pytest.mark.parametrize("exponents", [(1,), (2, 3), (1, 2, 3), (4, 4)])
def test_powers_add(exponents):
    value, m = fitted(sum(power(k) for k in exponents))
    exact = coefficients.sum_of_powers(exponents)
    assert (value, m) == (pytest.approx(float(exact.value), abs=2e-3), exact.multiplicity)


@pytest.mark.parametrize(("products", "nonzero"), [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 1)])
@pytest.mark.slow
def test_products_of_two_add_their_crossings(products, nonzero):
    value, m = fitted((products - nonzero) * crossing(1, 1) + nonzero * hyperbola())
    exact = coefficients.hadamard(products, nonzero)
    assert (value, m) == (pytest.approx(float(exact.value), abs=1e-2), exact.multiplicity)


@pytest.mark.parametrize(("terms", "nonzero"), [(1, 0), (1, 1), (2, 1), (3, 1)])
def test_squares_add_a_quarter_or_a_half(terms, nonzero):
    u = np.arange(-4.0, 4.0, 1e-5)
    near = np.array([logsumexp(-t * (u**2 - 1) ** 2 - 0.5 * u**2) for t in SCALES[:3]])
    assert np.diff(near) == pytest.approx(-0.5 * np.diff(np.log(SCALES[:3])), abs=2e-3)
    logs = nonzero * (-0.5) * np.log(SCALES) + (terms - nonzero) * power(2)
    value, m = fitted(logs)
    exact = coefficients.squares(terms, nonzero)
    assert (value, m) == (pytest.approx(float(exact.value), abs=2e-3), exact.multiplicity)


BLOCKS = {
    "k=1": (coefficients.normal_crossing([1]), lambda: power(1)),
    "k=2": (coefficients.normal_crossing([2]), lambda: power(2)),
    "k=1,h=1": (coefficients.normal_crossing([1], [1]), lambda: power(1, prior=1)),
    "k=(1,1)": (coefficients.normal_crossing([1, 1]), lambda: crossing(1, 1)),
    "k=(1,2)": (coefficients.normal_crossing([1, 2]), lambda: crossing(1, 2)),
    "k=(2,2)": (coefficients.normal_crossing([2, 2]), lambda: crossing(2, 2)),
}


@pytest.mark.parametrize("names", [("k=2",), ("k=1", "k=1,h=1"), ("k=(1,1)", "k=2"), ("k=(1,1)", "k=(2,2)", "k=(1,2)")])
def test_blocks_that_are_added(names):
    exact = coefficients.sum_of_blocks(*(BLOCKS[name][0] for name in names))
    value, m = fitted(sum(BLOCKS[name][1]() for name in names))
    assert (value, m) == (pytest.approx(float(exact.value), abs=1e-2), exact.multiplicity)


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 0), (1, 0)), ((1, 0), (2, 0)), ((1, 1), (1, 0)), ((2, 0), (2, 0)), ((2, 1), (1, 0)), ((2, 0), (1, 0))],
)
def test_blocks_that_are_multiplied(first, second):
    """Two powers (k, h) multiplied, against the double integral over both in the log."""
    exact = coefficients.product_of_blocks(*(coefficients.normal_crossing([k], [h]) for k, h in (first, second)))
    s = np.arange(0.0, 60.0, 0.03)
    p, q = np.meshgrid(s, s, indexing="ij")
    ends = np.where(s == 0, math.log(0.5), 0.0)
    base = -(first[1] + 1) * p - (second[1] + 1) * q + ends[:, None] + ends
    logs = np.array([logsumexp(base - t * np.exp(-2 * first[0] * p - 2 * second[0] * q)) for t in SCALES])
    value, m = fitted(logs)
    assert (value, m) == (pytest.approx(float(exact.value), abs=1e-2), exact.multiplicity)


def test_the_calculus_of_blocks_gives_the_formulas_of_whole_models():
    one, pair_of = coefficients.normal_crossing([1]), coefficients.normal_crossing([1, 1])
    assert pair(coefficients.product_of_blocks(one, one)) == pair(pair_of)
    assert pair(coefficients.sum_of_blocks(*[one] * 5)) == pair(coefficients.regular(5))
    for products, nonzero in itertools.product(range(1, 5), range(5)):
        if nonzero <= products:
            blocks = [pair_of] * (products - nonzero) + [one] * nonzero
            assert pair(coefficients.sum_of_blocks(*blocks)) == pair(coefficients.hadamard(products, nonzero))
    for terms, nonzero in ((1, 0), (3, 1), (4, 4)):
        blocks = [coefficients.normal_crossing([2])] * (terms - nonzero) + [one] * nonzero
        assert pair(coefficients.sum_of_blocks(*blocks)) == pair(coefficients.squares(terms, nonzero))


# Redundant parameters


@pytest.mark.parametrize(("p", "rank"), [(2, 1), (4, 2), (6, 5)])
def test_a_rank_deficient_design_decays_as_its_determinant(p, rank):
    design = np.random.default_rng(p).standard_normal((p, rank))
    logs = [-0.5 * np.linalg.slogdet(np.eye(rank) + t * design.T @ design)[1] for t in SCALES]
    value, m = fitted(np.array(logs))
    assert (value, m) == (pytest.approx(float(coefficients.rank_deficient(rank).value), abs=1e-3), 1)


@pytest.mark.parametrize(("classes", "features"), [(2, 1), (3, 1), (3, 2), (5, 3)])
def test_softmax_has_the_rank_of_its_fisher_information(classes, features):
    """Half the rank of E[(diag p − p pᵀ) ⊗ x xᵀ] at random weights, over many inputs."""
    rng = np.random.default_rng(classes)
    w = rng.standard_normal((classes, features))
    information = np.zeros((classes * features,) * 2)
    for x in rng.standard_normal((200, features)):
        chance = np.exp(w @ x - logsumexp(w @ x))
        information += np.kron(np.diag(chance) - np.outer(chance, chance), np.outer(x, x))
    assert coefficients.softmax(classes, features).value == Fraction(int(np.linalg.matrix_rank(information)), 2)


# Edges


@pytest.mark.parametrize(("classes", "empty", "alpha"), [(2, 1, 1), (2, 1, 3), (3, 1, 1), (3, 2, 1), (4, 2, 0.5)])
def test_the_multinomial_on_an_edge(classes, empty, alpha):
    """Dirichlet integrals by Gamma functions at sizes where they still have digits."""
    theta = np.where(np.arange(classes) < classes - empty, 1 / (classes - empty), 0.0)
    seen = theta[theta > 0]
    sizes = np.array([1e4, 1e5, 1e6])
    logs = [
        np.sum(gammaln(alpha + t * theta)) - gammaln(classes * alpha + t) - t * np.sum(seen * np.log(seen))
        for t in sizes
    ]
    slopes = -np.diff(logs) / np.diff(np.log(sizes))
    assert slopes == pytest.approx(float(coefficients.multinomial_boundary(classes, empty, alpha).value), abs=1e-3)


@pytest.mark.parametrize("alpha", [0.5, 1, 2])
def test_zero_inflation_on_its_edge(alpha):
    """∫∫ π^(α−1) exp(−t K(π, μ)) over 0 < π < 0.1 and μ near 1, K summed over the counts."""
    base, gauss = np.polynomial.legendre.leggauss(24)
    edges = np.concatenate([0.1 * 0.5 ** np.arange(34, -1, -1.0)])
    half = np.diff(edges) / 2
    share = (edges[:-1, None] + half[:, None] * (base + 1)).ravel()
    log_share = np.log((half[:, None] * gauss).ravel()) + (alpha - 1) * np.log(share)
    signed = np.concatenate([-share[::-1], share])
    mu, log_mu = 1 + signed, np.tile(np.log((half[:, None] * gauss).ravel()), (2, 1))
    log_mu = np.concatenate([log_mu[0][::-1], log_mu[1]])
    k = np.arange(25)
    log_truth = -1 - gammaln(k + 1)
    p, m = share[:, None], mu
    loss = np.zeros((len(share), len(mu)))
    for count, log_p in zip(k, log_truth, strict=True):
        ratio = (1 - p) * np.exp(count * np.log(m) - (m - 1)) + (p * math.e if count == 0 else 0.0)
        gap = ratio - 1
        loss += np.exp(log_p) * (gap - np.log1p(gap))  # Σ p0 gap = 0, added so that nothing cancels
    sizes = np.array([1e4, 1e5, 1e6, 1e7])
    logs = [logsumexp(log_share[:, None] + log_mu - t * loss) for t in sizes]
    slopes = -np.diff(logs) / np.diff(np.log(sizes))
    assert slopes[-1] == pytest.approx(float(coefficients.zero_inflated(alpha).value), abs=3e-3)


# What is refused


@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        (coefficients.softmax, (1, 2), "classes=1"),
        (coefficients.softmax, (3, 0), "features=0"),
        (coefficients.rank_deficient, (0,), "rank=0"),
        (coefficients.multinomial_boundary, (1, 0), "classes=1"),
        (coefficients.multinomial_boundary, (3, 3), "empty=3"),
        (coefficients.multinomial_boundary, (3, 1, 0), "concentration=0"),
        (coefficients.multinomial_boundary, (3, 1, math.inf), "concentration=inf"),
        (coefficients.multinomial_boundary, (3, 1, "1/0"), "concentration='1/0'"),
        (coefficients.multinomial_boundary, (3, 1, True), "concentration=True"),
        (coefficients.zero_inflated, (-1,), "concentration=-1"),
        (coefficients.zero_inflated, (1, 0), "parameters=0"),
        (coefficients.sum_of_powers, ([],), "exponents"),
        (coefficients.sum_of_powers, ([0],), "exponents=0"),
        (coefficients.hadamard, (0, 0), "products=0"),
        (coefficients.hadamard, (2, 3), "nonzero=3"),
        (coefficients.squares, (0, 0), "terms=0"),
        (coefficients.squares, (2, -1), "nonzero=-1"),
        (coefficients.sum_of_blocks, (), "coefficients=[]"),
        (coefficients.sum_of_blocks, (1,), "coefficients=[1]"),
        (coefficients.product_of_blocks, (), "coefficients=[]"),
    ],
)
def test_what_no_formula_takes_is_refused_by_name(call, arguments, named):
    with pytest.raises(InputError, match=r"allowed|needed") as caught:
        call(*arguments)
    assert named in str(caught.value)
