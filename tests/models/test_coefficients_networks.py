"""The coefficients of networks against each other and against integrals that do not use the formulas."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import logsumexp

from singular.analysis.vandermonde_charts import charted, charted_with_sum
from singular.errors import InputError
from singular.models import coefficients
from singular.models.base import Bound, LearningCoefficient


def pair(coefficient):
    return coefficient.value, coefficient.multiplicity


def test_tanh_with_truth_zero_is_the_vandermonde_type_of_step_two():
    for hidden in range(1, 150):
        assert pair(coefficients.vandermonde(hidden, 2)) == pair(coefficients.tanh_network(hidden, 0))


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_vandermonde_is_the_least_of_its_blow_ups(step):
    """With the b's of size s and the first i powers cancelled: λ_i = (Q i (i + 1) + 2 H) / (4 (1 + i Q))."""
    for hidden in range(1, 40):
        ways = [Fraction(step * i * (i + 1) + 2 * hidden, 4 * (1 + i * step)) for i in range(hidden + 1)]
        exact = coefficients.vandermonde(hidden, step)
        assert pair(exact) == (min(ways), ways.count(min(ways)))


@pytest.mark.parametrize(
    ("hidden", "true_units", "value", "multiplicity"),
    [(1, 0, "1/2", 2), (2, 0, "2/3", 1), (4, 0, "1", 2), (1, 1, "1", 1), (3, 3, "3", 1), (2, 1, "5/4", 1),
     (3, 2, "9/4", 1)],
)  # fmt: skip
def test_tanh_networks(hidden, true_units, value, multiplicity):
    assert pair(coefficients.tanh_network(hidden, true_units)) == (Fraction(value), multiplicity)


@pytest.mark.parametrize(
    ("hidden", "true_units", "value"), [(3, 1, "3/2"), (4, 1, "5/3"), (4, 2, "5/2"), (5, 2, "8/3")]
)
def test_more_spare_units_have_a_bound_only(hidden, true_units, value):
    bound = coefficients.tanh_network(hidden, true_units)
    assert isinstance(bound, Bound) and bound.value == Fraction(value)


def test_a_spare_unit_never_costs_less_than_nothing_nor_more_than_half():
    for true_units in range(1, 5):
        values = [coefficients.tanh_network(h, true_units).value for h in range(true_units, 12)]
        steps = np.diff([float(v) for v in values])
        assert values[0] == true_units and (steps > 0).all() and (steps <= 0.5).all()


def test_relu_networks():
    assert [pair(coefficients.relu_zero(h)) for h in (1, 2, 7)] == [
        (Fraction(1, 2), 2), (Fraction(1, 2), 1), (Fraction(1, 2), 1)]  # fmt: skip
    assert {pair(coefficients.relu_one_unit(h)) for h in (1, 2, 7)} == {(Fraction(1, 2), 1)}
    assert isinstance(coefficients.relu_zero(1), LearningCoefficient)


def test_a_spare_tanh_unit_beside_the_true_one_costs_a_quarter():
    """∫∫ exp(−n (a d²)²) over the unit square, the block that is left: n^(−1/4) without a logarithm."""
    t = np.linspace(0.0, 70.0, 1401)
    u, v = np.meshgrid(t, t, indexing="ij")
    ends = np.where((t == 0) | (t == t[-1]), np.log(0.5), 0.0)
    logs = [
        logsumexp(-u - v - n * np.exp(-2 * u - 4 * v) + ends[:, None] + ends) + 2 * np.log(t[1])
        for n in (1e10, 1e12, 1e14)
    ]
    slopes = -np.diff(logs) / np.log(100.0)
    assert slopes[-1] == pytest.approx(0.25, abs=2e-3)
    assert float(coefficients.tanh_network(2, 1).value) == 1.25


@pytest.mark.parametrize("hidden", [2, 3])
def test_relu_of_many_units_decays_as_a_quadratic_form_does(hidden):
    """E exp(−n (aᵀ b)²/4), b of one sign: given b the inner product is normal, its variance chi-squared."""
    t = np.linspace(-60.0, 6.0, 6601)
    length = np.exp(t)
    log_density = hidden * t - 0.5 * length**2
    log_density = log_density - logsumexp(log_density)
    logs = [logsumexp(log_density - 0.5 * np.log1p(0.5 * n * length**2)) for n in (1e10, 1e12, 1e14)]
    slopes = -np.diff(logs) / np.log(100.0)
    assert slopes[-1] == pytest.approx(float(coefficients.relu_zero(hidden).value), abs=1e-3)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (coefficients.tanh_network, (0, 0), "hidden=0"),
        (coefficients.tanh_network, (2, 3), "true_units=3"),
        (coefficients.tanh_network, (2, -1), "true_units=-1"),
        (coefficients.tanh_network, (2, 1.0), r"true_units=1\.0"),
        (coefficients.vandermonde, (0, 1), "hidden=0"),
        (coefficients.vandermonde, (2, 0), "step=0"),
        (coefficients.relu_zero, (True,), "hidden=True"),
        (coefficients.relu_one_unit, (-2,), "hidden=-2"),
        (coefficients.vandermonde_cut, (0, 1), "hidden=0"),
        (coefficients.vandermonde_cut, (1, 0), "moments=0"),
        (coefficients.polynomial_network, (0, 1), "hidden=0"),
        (coefficients.polynomial_network, (2, 0), "degree=0"),
        (coefficients.radial_basis, (0, 0), "hidden=0"),
        (coefficients.radial_basis, (2, 3), "true_units=3"),
    ],
)
def test_wrong_sizes_are_refused_by_name(function, arguments, named):
    with pytest.raises(InputError, match=named):
        function(*arguments)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_vandermonde_values_are_those_of_linear_programs_over_charts(step):
    """No formula: the order of the determinant of the moments in every chart, and its least exponent."""
    for units in range(1, 5):
        value, multiplicity = charted(units, step)
        expected = coefficients.vandermonde(units, step)
        assert value == pytest.approx(float(expected.value), abs=1e-8)
        assert multiplicity == expected.multiplicity


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_few_moments_are_those_of_linear_programs_over_charts(moments):
    for units in range(1, 5):
        value, multiplicity = charted(units, 1, moments)
        expected = coefficients.vandermonde_cut(units, moments)
        assert value == pytest.approx(float(expected.value), abs=1e-8)
        assert multiplicity == expected.multiplicity


def test_more_moments_and_more_units_cost_no_less_and_p_moments_no_more_than_half_each():
    for moments in range(1, 12):
        values = [coefficients.vandermonde_cut(h, moments).value for h in range(1, 80)]
        assert values == sorted(values) and values[-1] == Fraction(moments, 2)
        further = [coefficients.vandermonde_cut(h, moments + 1).value for h in range(1, 80)]
        assert all(one <= two for one, two in zip(values, further, strict=True))
        for h in range(1, moments + 1):
            assert pair(coefficients.vandermonde_cut(h, moments)) == pair(coefficients.vandermonde(h, 1))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_polynomial_networks_are_those_of_linear_programs_over_charts(degree):
    for hidden in range(1, 5):
        value, multiplicity = charted_with_sum(hidden, degree)
        expected = coefficients.polynomial_network(hidden, degree)
        assert (value, multiplicity) == (pytest.approx(float(expected.value), abs=1e-8), expected.multiplicity)


@pytest.mark.parametrize(
    ("hidden", "true_units", "value", "multiplicity"),
    [(1, 0, "1/2", 1), (2, 0, "1", 2), (3, 0, "5/4", 1), (4, 0, "3/2", 2), (1, 1, "1", 1), (2, 1, "5/4", 1),
     (4, 3, "13/4", 1)],
)  # fmt: skip
def test_radial_basis(hidden, true_units, value, multiplicity):
    assert pair(coefficients.radial_basis(hidden, true_units)) == (Fraction(value), multiplicity)


def test_more_spare_radial_units_have_a_bound_no_less_than_that_of_tanh():
    """Beside a true unit both cost the same; units that make nothing together cost less where they can be silenced."""
    for true_units in (1, 2):
        for hidden in range(true_units + 2, 14):
            radial, tanh = (f(hidden, true_units) for f in (coefficients.radial_basis, coefficients.tanh_network))
            assert isinstance(radial, Bound) and isinstance(tanh, Bound) and radial.value >= tanh.value
    assert [coefficients.radial_basis(h, 1).value for h in (3, 4)] == [Fraction(3, 2), Fraction(5, 3)]


def test_groups_of_radial_units_apart_cost_no_less_than_all_together():
    for hidden in range(2, 30):
        whole = coefficients.radial_basis(hidden, 0).value
        for part in range(1, hidden):
            assert whole <= coefficients.radial_basis(part, 0).value + coefficients.radial_basis(hidden - part, 0).value
