"""Extrapolation to step 0: polynomials, simulated noise, a series whose remainder is known, and what is flagged."""

import math

import numpy as np
import pytest
from scipy import stats

from singular.analysis.estimate import Estimate
from singular.analysis.richardson import richardson
from singular.analysis.thresholds import FAR_EXTRAPOLATION, UNABLE
from singular.errors import InputError

RUNS = 4000
STEPS = {2: (0.1, 0.2), 3: (0.05, 0.1, 0.2), 5: (0.02, 0.05, 0.1, 0.15, 0.2)}
ERRORS = {2: (0.03, 0.01), 3: (0.02, 0.03, 0.01), 5: (0.03, 0.01, 0.02, 0.05, 0.01)}
"""Unequal on purpose: weights that are forgotten show."""


def points(values, errors, flags=()):
    return [Estimate(float(v), float(e), "x", "sgld", 0.2, flags=flags) for v, e in zip(values, errors, strict=True)]


def binomial_band(count, probability):
    return stats.binom.ppf([0.0005, 0.9995], count, probability)


@pytest.mark.parametrize("count", STEPS)
def test_exact_on_polynomials_in_any_order_and_any_unit(count):
    steps = np.array(STEPS[count])
    coefficients = (2.0, 3.0, -4.0)[: min(count, 3)]
    values = np.polyval(coefficients[::-1], steps)
    for scale in (1.0, 1e-6, 1e4):
        found = richardson(points(values, ERRORS[count]), steps * scale)
        assert found.value == pytest.approx(2.0, rel=1e-10)
    back = richardson(points(values[::-1], ERRORS[count][::-1]), steps[::-1])
    forth = richardson(points(values, ERRORS[count]), steps)
    assert back.value == pytest.approx(forth.value, rel=1e-12)
    assert back.mcse == pytest.approx(forth.mcse, rel=1e-12)
    assert (back.method, back.target, back.beta) == ("sgld-richardson", "x", 0.2)


def test_two_steps_by_hand():
    """Halving the step: 2a − b, its error √(4 e_a² + e_b²)."""
    found = richardson(points([1.1, 1.3], [0.02, 0.03]), [0.1, 0.2])
    assert found.value == pytest.approx(0.9)
    assert found.mcse == pytest.approx(math.hypot(2 * 0.02, 0.03))


@pytest.mark.parametrize("count", STEPS)
def test_the_error_is_the_spread_over_noisy_replicates(count):
    steps, errors = np.array(STEPS[count]), np.array(ERRORS[count])
    truth = np.polyval((2.0, 3.0, -4.0)[: min(count, 3)][::-1], steps)
    noise = np.random.default_rng(count).normal(size=(RUNS, count)) * errors
    found = [richardson(points(truth + e, errors), steps) for e in noise]
    z = np.array([(f.value - 2.0) / f.mcse for f in found])
    low, high = binomial_band(RUNS, 0.95)
    assert low <= np.sum(np.abs(z) < stats.norm.ppf(0.975)) <= high
    assert abs(z.mean()) < 4 / math.sqrt(RUNS)
    assert abs(np.sum(z**2) - RUNS) < 4 * math.sqrt(2 * RUNS)


def test_points_on_the_polynomial_are_flagged_as_often_as_chi_square_says():
    steps, errors = np.array(STEPS[5]), np.array(ERRORS[5])
    truth = np.polyval((-4.0, 3.0, 2.0), steps)
    noise = np.random.default_rng(9).normal(size=(RUNS, 5)) * errors
    flagged = sum(any("do not lie" in f for f in richardson(points(truth + e, errors), steps).flags) for e in noise)
    low, high = binomial_band(RUNS, stats.chi2.sf(2 + 4 * math.sqrt(4), 2))
    assert low <= flagged <= high


def test_the_least_squares_value_is_the_best_linear_unbiased_one():
    """Five points, a parabola: generalised least squares written out."""
    steps, errors = np.array(STEPS[5]), np.array(ERRORS[5])
    values = np.array([2.1, 2.2, 2.25, 2.5, 2.4])
    design = np.vander(steps, 3, increasing=True)
    information = design.T @ (design / errors[:, None] ** 2)
    best = np.linalg.solve(information, design.T @ (values / errors**2))
    found = richardson(points(values, errors), steps)
    assert found.value == pytest.approx(best[0], rel=1e-9)
    assert found.mcse == pytest.approx(math.sqrt(np.linalg.inv(information)[0, 0]), rel=1e-9)


@pytest.mark.parametrize("largest", [0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("shares", [(1, 0.5, 0.25), (1, 0.5)])
@pytest.mark.parametrize("coefficient", [0.01, 2.0, 300.0])
def test_the_remainder_of_a_geometric_series_is_covered(largest, shares, coefficient):
    """λ/(1 − x), which SGLD reads on a quadratic with equal curvatures: covered, and not by being vague."""
    x = largest * np.array(shares)
    found = richardson(points(coefficient / (1 - x), np.full(len(x), 1e-9 * coefficient)), x)
    remainder = abs(found.value - coefficient)
    assert remainder <= found.discretisation_error <= 4 * remainder
    assert not found.flags or largest == 0.4  # there the smaller of two steps is off by just a half
    smaller = richardson(points(coefficient / (1 - x / 2), np.full(len(x), 1e-9 * coefficient)), x / 2)
    assert abs(smaller.value - coefficient) < remainder / 1.9 ** len(x)


def test_the_remainder_is_covered_without_noise_too():
    x = np.array([0.05, 0.1, 0.2])
    found = richardson(points(1 / (1 - x), np.zeros(3)), x)
    assert found.mcse == 0.0
    assert abs(found.value - 1) <= found.discretisation_error


def test_flags():
    steps = np.array(STEPS[5])
    cubic = 2 + 300 * steps**3 - 2e4 * steps**5
    assert any(f.startswith(UNABLE) and "do not lie" in f for f in richardson(points(cubic, [0.01] * 5), steps).flags)
    noisy = richardson(points(cubic, [10.0] * 5), steps)
    assert not any("do not lie" in f for f in noisy.flags)
    for off, flagged in ((0.9, False), (1.1, True)):
        slope = off * FAR_EXTRAPOLATION / 0.1
        found = richardson(points([1 + 0.1 * slope, 1 + 0.2 * slope], [1e-3, 1e-3]), [0.1, 0.2])
        assert found.value == pytest.approx(1.0)
        assert any(f.startswith(UNABLE) and "still off" in f for f in found.flags) == flagged


@pytest.mark.parametrize(
    "bad",
    [np.nan, np.inf],
)
def test_an_estimate_that_is_not_finite_is_flagged(bad):
    found = richardson(points([1.0, bad, 1.2], [0.1] * 3), [0.1, 0.2, 0.3])
    assert not math.isfinite(found.value)
    assert any(f.startswith(UNABLE) and "finite" in f for f in found.flags)


@pytest.mark.parametrize(
    "flag",
    [
        "rhat 1.2 > 1.01 at beta=0.2",
        "ess 51 < 400 at beta=0.2",
        "error bar not trustworthy: 43 effective draws < 100",
    ],
)
def test_chains_that_disagree_stay_flagged(flag):
    ranked = [Estimate(1.0, 0.1, "x", "sgld", flags=(flag,)), Estimate(1.1, 0.1, "x", "sgld")]
    assert flag in richardson(ranked, [0.1, 0.2]).flags


def test_a_bias_of_the_step_is_no_flag_of_the_extrapolation():
    ranked = points([1.0, 1.1], [0.1, 0.1], ("sgld rejects nothing: (z - centre).grad U has mean 5 ± 0.1",))
    assert richardson(ranked, [0.1, 0.2]).flags == ()


@pytest.mark.parametrize(
    ("count", "steps", "message"),
    [
        (1, [0.1], "at least two"),
        (0, [], "at least two"),
        (2, [0.1, 0.2, 0.3], "3 step sizes"),
        *((2, s, "different finite") for s in ([0.1, 0.1], [0.0, 0.1], [-0.1, 0.1], [np.inf, 0.1], [np.nan, 0.1])),
    ],
)
def test_bad_input(count, steps, message):
    with pytest.raises(InputError, match=message):
        richardson(points([1.0] * count, [0.1] * count), steps)
