"""λ and m from log Z(t), on integrals whose poles are known in closed form."""

import math

import numpy as np
import pytest
from scipy.special import gammainc, gammaln

from singular.analysis import asymptotics, decay
from singular.errors import InputError

SIZES = np.logspace(1, 13, 49)


def sum_of_poles(rates, weights, t):
    """log Z for a K with Pr(K < ε) = Σ_i weight_i ε^rate_i: Z = Σ_i weight_i rate_i t^−rate_i γ(rate_i, t)."""
    terms = [w * r * np.exp(gammaln(r) - r * np.log(t)) * gammainc(r, t) for r, w in zip(rates, weights, strict=True)]
    return np.log(np.sum(terms, axis=0))


def monomial(exponents):
    """log Z of K = Π w_i^(2 k_i), w_i uniform on (0, 1), distinct k_i: simple poles at 1/(2 k_i), partial fractions."""
    rates = [1 / (2 * k) for k in exponents]
    weights = [math.prod(s / (s - r) for s in rates if s != r) for r in rates]
    return sum_of_poles(rates, weights, SIZES)


def equal_powers(rate, count):
    """log Z of K = Π w_i^(1/rate), ``count`` factors: Pr(K < e^−x) is the tail of an Erlang law."""
    s = np.linspace(-60.0, 6.0, 12001)
    x = np.maximum(np.log(SIZES)[:, None] - s, 0.0) * rate
    tail = np.exp(-x) * sum(x**k / math.factorial(k) for k in range(count))
    return np.log(np.sum(np.exp(s - np.exp(s)) * tail, axis=1) * (s[1] - s[0]))


@pytest.mark.parametrize(("rate", "count"), [(0.5, 1), (0.25, 2), (0.5, 3)])
@pytest.mark.slow
def test_the_order_of_the_pole_is_found(rate, count):
    fit = decay(SIZES, equal_powers(rate, count), 1e-10)
    assert fit.multiplicity == count
    assert abs(fit.value - rate) < fit.error < 1e-6
    assert fit.decided
    if count > 1:
        assert fit.margin > 100  # the next lower m is far worse, with as many terms


@pytest.mark.parametrize("exponents", [(3, 2, 1)])
@pytest.mark.slow
def test_simple_poles_are_not_taken_for_one_of_higher_order(exponents):
    fit = decay(SIZES, monomial(exponents), 1e-10)
    assert fit.multiplicity == 1 and fit.decided
    assert abs(fit.value - 1 / (2 * exponents[0])) < fit.error < 1e-5


@pytest.mark.slow
def test_a_next_pole_as_near_as_that_of_two_tanh_units():
    """2/3 and 3/4, with weights of either sign: the share of the second falls only fourfold over seven decades."""
    for weights in [(9.0, -8.0), (0.3, 0.7)]:
        fit = decay(SIZES, sum_of_poles([2 / 3, 3 / 4], weights, SIZES), 1e-10)
        assert fit.multiplicity == 1
        assert abs(fit.value - 2 / 3) < fit.error < 1e-4


@pytest.mark.parametrize("noise", [1e-7, 1e-4])
@pytest.mark.slow
def test_errors_of_the_data_are_in_the_error_of_the_estimate(noise):
    """At 1e-4 a double pole and two near ones cannot be told apart: m is left open, and the error covers both."""
    exact = equal_powers(0.5, 2)
    fit = decay(SIZES, exact + noise * np.random.default_rng(1).uniform(-1, 1, SIZES.size), noise)
    assert abs(fit.value - 0.5) < fit.error < 500 * noise**0.5
    assert fit.decided == (noise < 1e-5)
    if fit.decided:
        assert fit.multiplicity == 2


@pytest.mark.slow
def test_without_the_logarithm_the_answer_is_wrong():
    """What the comparison of m is for: the best fit with m = 1 is off by more than its own two digits."""
    fit = decay(SIZES, equal_powers(0.5, 2), 1e-10)
    assert abs(fit.of(1).value - 0.5) > 0.005
    assert fit.of(3).share < asymptotics.NEGLIGIBLE


@pytest.mark.slow
def test_the_scale_of_z_and_of_t_is_of_no_account():
    y = equal_powers(0.5, 2)
    fit, moved = decay(SIZES, y, 1e-10), decay(3.0 * SIZES, y - 7.0, 1e-10)
    assert (fit.multiplicity, moved.multiplicity) == (2, 2)
    assert moved.value == pytest.approx(fit.value, abs=fit.error + moved.error)


@pytest.mark.parametrize(
    ("sizes", "log_z", "said"),
    [
        (SIZES, np.zeros(3), "equal, finite"),
        (SIZES, np.full(SIZES.size, np.nan), "equal, finite"),
        (SIZES[:30:2], np.zeros(15), "at least 24"),
        (SIZES[::-1], np.zeros(SIZES.size), "increasing"),
        (np.logspace(1, 5, 49), np.zeros(49), "eight decades"),
    ],
)
def test_what_cannot_be_fitted(sizes, log_z, said):
    with pytest.raises(InputError, match=said):
        decay(sizes, log_z)
