"""The formulas for λ and m against their tables, their symmetries, and integrals done by brute force."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from singular.errors import InputError
from singular.models import coefficients
from tests import oracles


def pair(coefficient):
    return coefficient.value, coefficient.multiplicity


@pytest.mark.parametrize("d", [1, 2, 7])
def test_a_regular_model_has_half_its_dimension(d):
    assert pair(coefficients.regular(d)) == (Fraction(d, 2), 1)


@pytest.mark.parametrize(
    ("exponents", "prior", "expected"),
    [
        ([1], None, (Fraction(1, 2), 1)),
        ([3], None, (Fraction(1, 6), 1)),
        ([1, 1], None, (Fraction(1, 2), 2)),
        ([1, 2], None, (Fraction(1, 4), 1)),
        ([2, 2, 1], None, (Fraction(1, 4), 2)),
        ([1, 1, 1], None, (Fraction(1, 2), 3)),
        ([1, 1], [1, 0], (Fraction(1, 2), 1)),
        ([1, 2], [0, 1], (Fraction(1, 2), 2)),
        ([0, 2], None, (Fraction(1, 4), 1)),
    ],
)
def test_normal_crossings(exponents, prior, expected):
    assert pair(coefficients.normal_crossing(exponents, prior)) == expected


@pytest.mark.parametrize("exponents", [(1, 1), (1, 2), (2, 2), (1, 3)])
def test_a_normal_crossing_decays_as_its_integral_does(exponents):
    exact = coefficients.normal_crossing(exponents)
    scales = np.array([1e9, 1e11, 1e13])
    logs = np.array([oracles.log_crossing_integral(exponents, n) for n in scales])
    assert _fitted(scales, logs, exact.multiplicity) == pytest.approx(float(exact.value), abs=4e-3)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 1), (1, 2), (2, 2), (3, 3), (4, 2)])
def test_reduced_rank_of_one_unit_decays_as_its_integral_does(inputs, outputs):
    exact = coefficients.reduced_rank(inputs, outputs, 1, 0)
    scales = np.array([1e8, 1e10, 1e12])
    logs = np.array([oracles.log_wishart_integral(inputs, outputs, n) for n in scales])
    assert _fitted(scales, logs, exact.multiplicity) == pytest.approx(float(exact.value), abs=4e-3)


def _fitted(scales, logs, multiplicity):
    """Return λ from log Z = −λ L + log(c_0 + … + c_{m−1} L^{m−1}), L = log n evenly spaced, m given."""
    gap = math.log(scales[1] / scales[0])
    if multiplicity == 1:
        return (logs[1] - logs[2]) / gap
    first, second, third = np.exp(logs - logs[1])  # q = exp(λ gap) makes first, q second, q² third a line
    return math.log((second + math.sqrt(second**2 - first * third)) / third) / gap


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1, 1, 1, 0), (Fraction(1, 2), 2)),
        ((2, 1, 1, 0), (Fraction(1, 2), 1)),
        ((2, 2, 1, 0), (Fraction(1), 2)),
        ((2, 2, 2, 0), (Fraction(3, 2), 1)),
        ((2, 3, 2, 0), (Fraction(2), 2)),
        ((2, 4, 2, 0), (Fraction(2), 1)),
        ((3, 3, 2, 0), (Fraction(5, 2), 1)),
        ((3, 3, 3, 0), (Fraction(7, 2), 2)),
        ((3, 3, 3, 1), (Fraction(4), 1)),
        ((3, 3, 2, 1), (Fraction(7, 2), 2)),
        ((4, 4, 2, 1), (Fraction(5), 2)),
        ((6, 6, 6, 3), (Fraction(17), 2)),
        ((3, 3, 1, 2), (Fraction(5, 2), 1)),
    ],
)
def test_reduced_rank_table(sizes, expected):
    assert pair(coefficients.reduced_rank(*sizes)) == expected


def test_reduced_rank_takes_the_true_rank_off_every_size():
    for m, n, h in itertools.product(range(1, 7), repeat=3):
        for r in range(min(m, n, h)):
            whole, rest = coefficients.reduced_rank(m, n, h, r), coefficients.reduced_rank(m - r, n - r, h - r, 0)
            assert whole.value == Fraction(r * (m + n - r), 2) + rest.value
            assert whole.multiplicity == rest.multiplicity
            assert pair(whole) == pair(coefficients.reduced_rank(n, m, h, r))
            assert whole.value <= Fraction(min(h * (m + n), m * n), 2)


def test_tanh_table():
    expected = [
        (Fraction(1, 2), 2),
        (Fraction(2, 3), 1),
        (Fraction(5, 6), 1),
        (Fraction(1), 2),
        (Fraction(11, 10), 1),
        (Fraction(6, 5), 1),
    ]
    assert [pair(coefficients.tanh_zero(h)) for h in range(1, 7)] == expected


def test_the_tanh_formula_joins_up_where_its_branch_changes():
    for i in range(1, 6):
        h = (i + 1) ** 2
        from_below = Fraction(h + i * i + i, 4 * i + 2)
        assert coefficients.tanh_zero(h).value == from_below == Fraction(i + 1, 2)


@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        (coefficients.regular, (0,), "d=0"),
        (coefficients.regular, (1.5,), "d=1.5"),
        (coefficients.regular, (True,), "d=True"),
        (coefficients.normal_crossing, ([],), "exponents"),
        (coefficients.normal_crossing, ([0, 0],), "exponents"),
        (coefficients.normal_crossing, ([1, -1],), "exponents=-1"),
        (coefficients.normal_crossing, ([1, 1], [0]), "prior_exponents"),
        (coefficients.normal_crossing, ([1], [-1]), "prior_exponents=-1"),
        (coefficients.reduced_rank, (0, 3, 2, 1), "inputs=0"),
        (coefficients.reduced_rank, (3, "3", 2, 1), "outputs='3'"),
        (coefficients.reduced_rank, (3, 3, 0, 1), "hidden=0"),
        (coefficients.reduced_rank, (3, 3, 2, 4), "rank=4"),
        (coefficients.reduced_rank, (3, 3, 2, -1), "rank=-1"),
        (coefficients.tanh_zero, (0,), "hidden=0"),
        (coefficients.tanh_zero, (math.nan,), "hidden=nan"),
    ],
)
def test_what_no_formula_takes_is_refused_by_name(call, arguments, named):
    with pytest.raises(InputError, match=r"allowed|must be") as caught:
        call(*arguments)
    assert named in str(caught.value)
