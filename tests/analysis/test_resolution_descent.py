"""Gradient descent and flow from random starts, step by step, and what early stopping has learnt."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from singular.analysis.resolution import (
    Box,
    Gaussian,
    flow_shares,
    gradient_descent,
    gradient_flow,
    largest_ridge_ratio,
    learned_directions,
    learned_shares,
    matching_penalties,
    ridge_shares,
    tempered_quadratic,
)
from singular.errors import InputError
from tests.chains_of_sgd import SIGMAS, assert_agrees, run, weighted

H = np.array([10.0, 1.0, 0.1, 0.01, 0.0])
CHAINS = 30_000
STARTS = [
    Gaussian(1.0),
    Gaussian([1.0, 2.0, 0.5, 1.0, 4.0], [0.3, -0.5, 1.0, 2.0, 1.0]),
    Gaussian(0.25, -1.0),
    Box(1.3),
    Box([1.0, 2.0, 0.5, 3.0, 1.0], 0.5),
]
SETTINGS = [(0.05, 40), (0.05, 5), (0.15, 7), (0.19, 30), (0.01, 300)]


def draws(start, count=CHAINS):
    rng = np.random.default_rng(7)
    if isinstance(start, Gaussian):
        return start.offset + rng.standard_normal((count, H.size)) / np.sqrt(start.precision)
    return start.offset + start.half_width * rng.uniform(-1, 1, (count, H.size))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("step_size", "steps"), SETTINGS)
def test_descent_has_the_law_of_steps_taken(start, step_size, steps):
    law = gradient_descent(H, start, step_size, steps)
    w = run(lambda w: H * w, draws(start), step_size, steps)
    assert_agrees(0.5 * np.sum(H * w**2, axis=1), law.excess, within=0.02)
    assert_agrees(w, law.mean)
    assert_agrees((w - law.mean) ** 2, law.variance, within=0.02)
    if isinstance(start, Box):
        reach = np.abs(w - law.mean).max(axis=0)
        assert np.all(reach <= law.law.half_width * (1 + 1e-9)) and np.all(reach > 0.999 * law.law.half_width)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("time", [0.1, 1.0, 3.0, 20.0, 100.0])
def test_flow_has_the_law_of_the_equation_solved(start, time):
    law = gradient_flow(H, start, time)
    end = solve_ivp(lambda _, w: -H * w, (0, time), np.ones(H.size), method="Radau", rtol=1e-9, atol=1e-13).y[:, -1]
    assert law.factor == pytest.approx(end, rel=1e-6, abs=1e-11)
    w = draws(start) * end
    assert_agrees(0.5 * np.sum(H * w**2, axis=1), law.excess, within=0.02)
    assert law.log_volume == pytest.approx(-time * H.sum())


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("step_size", "steps", "t"), [(0.05, 10, 1.0), (0.05, 40, 30.0), (0.15, 7, 100.0)])
def test_pushforward_coefficient_is_that_of_trained_draws_as_a_prior(start, step_size, steps, t):
    w = run(lambda w: H * w, draws(start), step_size, steps)
    total, variance = 0.0, 0.0
    for h, column in zip(H, w.T, strict=True):
        energy = 0.5 * t * h * column**2
        value, error = weighted(energy, np.exp(-energy))
        total, variance = total + value, variance + error**2
    law = gradient_descent(H, start, step_size, steps)
    assert abs(total - law.pushforward_coefficient(t)) < SIGMAS * np.sqrt(variance)
    assert variance < 0.03**2


def test_pushforward_falls_and_returns_to_half_the_rank():
    values = {0: 1.94905, 10: 1.45200, 100: 0.95391, 1000: 0.39532, 10000: 0.00023}
    for steps, expected in values.items():
        law = gradient_descent(H, Gaussian(), 0.05, steps)
        assert law.pushforward_coefficient(1e3) == pytest.approx(expected, abs=1e-5)
    law = gradient_descent(H, Gaussian(), 0.05, 100)
    assert law.pushforward_coefficient(1e10) == pytest.approx(1.499999, abs=1e-6)
    assert law.pushforward_coefficient(1e80) == pytest.approx(2.0, abs=1e-12)


def test_volume_shrinks_linearly_and_no_single_resolution_matches():
    law = gradient_descent(H, Gaussian(), 0.05, 100)
    assert law.log_volume == pytest.approx(-75.0, abs=0.05)
    entropy = -0.5 * np.log1p(0.05 * 100 * H).sum()
    assert entropy == pytest.approx(-3.09, abs=0.005)
    t = law.gibbs_resolutions()
    for h, resolution, variance in zip(H[:-1], t, law.variance, strict=False):
        assert tempered_quadratic([h], Gaussian(), resolution).variance[0] == pytest.approx(variance, rel=1e-9)
    assert t[3] == pytest.approx(2 * 0.05 * 100, rel=0.06) and t[0] > 1e50 and np.isnan(t[4])
    with pytest.raises(InputError, match="Gaussian starts"):
        gradient_descent(H, Box(), 0.05, 100).gibbs_resolutions()


@pytest.mark.parametrize(("step_size", "steps"), [(0.05, 1), (0.05, 10), (0.1, 30), (0.3, 100), (0.02, 1000)])
def test_learned_directions_are_the_degrees_of_freedom_of_fits_to_noise(step_size, steps):
    rng = np.random.default_rng(steps)
    n, d, level, replicates = 12, 4, 0.7, 6_000
    x = rng.standard_normal((n, d)) * [1.5, 1.0, 0.4, 0.1]
    h = np.linalg.eigvalsh(x.T @ x / n)
    noise = np.sqrt(level) * rng.standard_normal((replicates, n))
    fits = run(lambda w: (w @ x.T - noise) @ x / n, np.zeros((replicates, d)), step_size, steps) @ x.T
    for count, values in (
        ("trace", np.sum(fits * noise, axis=1) / level),
        ("squared", np.sum(fits**2, axis=1) / level),
        ("residual", (np.sum(noise**2, axis=1) - np.sum((noise - fits) ** 2, axis=1)) / level),
    ):
        assert_agrees(values, learned_directions(h, step_size, steps, count), within=0.02)


@pytest.mark.parametrize(("step_size", "steps"), [(0.05, 1), (0.05, 10), (0.1, 30), (0.2, 100), (0.02, 1000)])
def test_early_stopping_is_a_generalised_ridge_regression(step_size, steps):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((12, 4)) * [1.5, 1.0, 0.4, 0.1], rng.standard_normal(12)
    h, axes = np.linalg.eigh(x.T @ x / 12)
    trained = run(lambda w: (w @ x.T - y) @ x / 12, np.zeros((1, 4)), step_size, steps)[0]
    penalty = axes * matching_penalties(h, step_size, steps) @ axes.T
    ridge = np.linalg.solve(x.T @ x / 12 + penalty, x.T @ y / 12)
    assert trained == pytest.approx(ridge, rel=1e-8)
    # and the posterior that has these penalties as prior precisions over t
    t = 50.0
    tempered = tempered_quadratic(h, Gaussian(t * matching_penalties(h, step_size, steps)), t)
    assert 0.5 * learned_directions(h, step_size, steps) == pytest.approx(tempered.excess_coefficient, rel=1e-10)


def test_printed_counts():
    rows = {10: (0.72708, 0.60963, 0.87343), 100: (1.21855, 1.09734, 1.36410), 1000: (1.69345, 1.57253, 1.81608)}
    rows[10000] = (1.99664, 1.90576, 1.99998)
    for steps, (trace, ridge, residual) in rows.items():
        assert 0.5 * learned_directions(H, 0.05, steps) == pytest.approx(trace, abs=1e-5)
        assert 0.5 * learned_directions(H, 0.05, steps, "residual") == pytest.approx(residual, abs=1e-5)
        shares = ridge_shares(H, 1 / (0.05 * steps))
        assert 0.5 * shares.sum() == pytest.approx(ridge, abs=1e-5)
        law = tempered_quadratic(H, Gaussian(), 0.05 * steps)
        assert law.excess_coefficient == pytest.approx(0.5 * shares.sum(), rel=1e-12)


def test_shares_and_penalties_at_the_ends():
    h = np.array([0.0, 1e-12, 1e-3, 1.0, 19.0, 20.0])
    shares, penalties = learned_shares(h, 0.05, 40), matching_penalties(h, 0.05, 40)
    assert shares[1:] == pytest.approx(ridge_shares(h, penalties)[1:], rel=1e-10)
    assert shares[1] == pytest.approx(40 * 0.05 * 1e-12, rel=1e-9)
    assert penalties[:2] == pytest.approx(0.5, rel=1e-9) and penalties[-1] == 0
    assert shares[0] == 0 and shares[-1] == 1
    assert learned_shares(h, 0.09, 3)[-1] == pytest.approx(1 - (1 - 1.8) ** 3)


def test_flow_learns_from_1_to_1_298_times_what_ridge_does():
    x = np.geomspace(1e-6, 1e6, 4001)
    ratio = flow_shares(x, 1.0) / ridge_shares(x, 1.0)
    best, at = largest_ridge_ratio()
    assert best == pytest.approx(1.298426, abs=1e-6) and at == pytest.approx(1.79328, abs=1e-4)
    assert best**2 == pytest.approx(1.68591, abs=1e-5)
    assert np.all(ratio >= 1 - 1e-12) and ratio.max() == pytest.approx(best, abs=1e-4) and ratio.max() <= best + 1e-12


@pytest.mark.parametrize(
    ("steps", "expected"), [(1, 2.0), (2, 25 / 16), (3, 1.45987), (5, 1.38934), (10, 1.34190), (100, 1.30261)]
)
def test_few_steps_learn_more(steps, expected):
    best, _ = largest_ridge_ratio(steps)
    assert best == pytest.approx(expected, abs=1e-5)
    h = np.linspace(1e-4, 1, 20001)
    ratio = learned_shares(h, 1.0, steps) / ridge_shares(h, 1 / steps)
    assert ratio.max() == pytest.approx(best, abs=1e-6) and ratio.min() >= 1 - 1e-12


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: gradient_descent(H, Gaussian(), 0.0, 3), "step_size"),
        (lambda: gradient_descent(H, Gaussian(), 0.1, -1), "steps"),
        (lambda: gradient_descent(H, Gaussian(), 0.1, 2.5), "steps"),
        (lambda: gradient_flow(H, Gaussian(), -1.0), "time"),
        (lambda: gradient_descent(H, Gaussian(), 0.1, 3).pushforward_coefficient(0.0), "t="),
        (lambda: learned_directions(H, 0.1, 3, "traces"), "trace"),
        (lambda: matching_penalties(H, 0.15, 3), "step_size"),
        (lambda: matching_penalties(H, 0.05, 0), "steps"),
        (lambda: ridge_shares(H, -1.0), "penalty"),
        (lambda: largest_ridge_ratio(0), "steps"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(InputError, match=named):
        call()
