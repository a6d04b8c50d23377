"""Flows on singular losses solved numerically, and SGD at singular optima step by step."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from singular.analysis.resolution import (
    balance_after,
    balance_rate,
    monomial_flow,
    monomial_flow_loss,
    product_flow_loss,
    product_flow_loss_at,
    square_model_law,
    streaming_sgd,
)
from singular.errors import InputError
from singular.posteriors.local_exact import monomial_local_coefficient
from tests.chains_of_sgd import SIGMAS, assert_agrees, run, scores

DRAWS = 20_000


@pytest.mark.parametrize(("degree", "time"), [(2, 0.7), (3, 5.0), (4, 0.1), (4, 50.0), (6, 3.0), (2.5, 2.0)])
def test_monomial_flow_solves_its_equation(degree, time):
    w = np.array([-1.5, -0.3, 0.0, 0.1, 0.8, 2.0])

    def speed(_, x):
        return -degree * np.sign(x) * np.abs(x) ** (degree - 1)

    end = solve_ivp(speed, (0, time), w, method="LSODA", rtol=1e-10, atol=1e-13).y[:, -1]
    assert monomial_flow(w, degree, time) == pytest.approx(end, rel=1e-7, abs=1e-11)


@pytest.mark.parametrize(
    ("degree", "time", "scale"),
    [(2, 0.3, 1.0), (4, 0.1, 1.0), (4, 10.0, 2.0), (6, 1.0, 0.5), (3, 20.0, 1.0), (8, 5.0, 1.5)],
)
def test_monomial_loss_is_that_of_draws_and_its_exponent_a_slope(degree, time, scale):
    """The draws are carried by many small steps of the flow, each by the midpoint rule."""
    x = scale * np.random.default_rng(0).standard_normal(DRAWS)
    grid = np.concatenate([[0.0], time * np.geomspace(1e-6, 1, 600)])
    for before, after in itertools.pairwise(grid):
        # in log |x|, where the flow is never stiff: d log|x|/ds = −D |x|^(D−2)
        half = x * np.exp(-0.5 * (after - before) * degree * np.abs(x) ** (degree - 2))
        x = x * np.exp(-(after - before) * degree * np.abs(half) ** (degree - 2))
    law = monomial_flow_loss(degree, time, scale)
    assert_agrees(np.abs(x) ** degree, law.excess, within=0.03)
    step = 1e-3
    later, earlier = (monomial_flow_loss(degree, time * np.exp(s), scale).excess for s in (step, -step))
    assert -np.log(later / earlier) / (2 * step) == pytest.approx(law.exponent, rel=1e-5)


def test_quartic_flow_falls_as_a_square_to_a_sixty_fourth():
    for time, value, exponent in ((1e2, 0.0146245, 1.9670), (1e4, 0.0155215, 1.9967), (1e6, 0.0156146, 1.9997)):
        law = monomial_flow_loss(4, time)
        assert time**2 * law.excess == pytest.approx(value, abs=1e-7)
        assert law.exponent == pytest.approx(exponent, abs=1e-4)
    direct = quad(
        lambda x: x**4 / (1 + 800 * x**2) ** 2 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
        0,
        12,
        limit=500,
        epsabs=0,
        points=[0.03, 0.1, 1],
    )
    assert monomial_flow_loss(4, 100.0).excess == pytest.approx(2 * direct[0], rel=1e-9)


@pytest.mark.parametrize("degree", [3, 4, 6])
def test_exponent_comes_to_that_of_the_learning_coefficient(degree):
    law, coefficient = monomial_flow_loss(degree, 1e12, 3.0), 1 / degree
    assert law.limit == pytest.approx(1 / (1 - 2 * coefficient))
    assert law.exponent == pytest.approx(law.limit, abs=0.01)
    prefactor = (degree * (degree - 2)) ** (-degree / (degree - 2))
    assert law.excess * 1e12**law.limit == pytest.approx(prefactor, rel=0.02)


@pytest.mark.parametrize("time", [0.05, 0.5, 3.0, 20.0, 200.0])
def test_product_loss_is_that_of_its_equation(time):
    starts = np.array(
        [[1.0, 0.3], [0.5, 0.5], [-1.2, 1.2], [0.0, 1.0], [1.0, 1e-9], [0.7, -0.69], [2.0, 1.0], [0.0, 0.0]]
    )

    def speed(_, flat):
        x, y = flat.reshape(2, -1)
        return np.concatenate([-2 * x * y * y, -2 * y * x * x])

    end = solve_ivp(speed, (0, time), starts.T.ravel(), method="LSODA", rtol=1e-11, atol=1e-15).y[:, -1].reshape(2, -1)
    expected = end[0] ** 2 * end[1] ** 2
    assert product_flow_loss_at(*starts.T, time) == pytest.approx(expected, rel=1e-5, abs=1e-16)


@pytest.mark.parametrize(("time", "scale"), [(0.1, 1.0), (0.5, 2.0), (1.0, 1.0), (3.0, 1.0), (10.0, 0.5)])
def test_product_loss_is_that_of_draws_carried_by_small_steps(time, scale):
    w = scale * np.random.default_rng(1).standard_normal((DRAWS, 2))
    for _ in range(400):
        # second order, in log |x| and log |y|
        half = w * np.exp(-0.5 * time / 400 * 2 * w[:, ::-1] ** 2)
        w = w * np.exp(-time / 400 * 2 * half[:, ::-1] ** 2)
    law = product_flow_loss(time, scale)
    assert_agrees(np.prod(w**2, axis=1), law.excess, within=0.06)
    step = 1e-3
    later, earlier = (product_flow_loss(time * np.exp(s), scale).excess for s in (step, -step))
    assert -np.log(later / earlier) / (2 * step) == pytest.approx(law.exponent, rel=1e-5)


def test_product_flow_falls_as_the_cube_of_time_with_a_logarithm():
    """s³ E[K] has slope π/192 in log s."""
    values = [s**3 * product_flow_loss(s).excess for s in (1e6, 1e9)]
    assert (values[1] - values[0]) / np.log(1e3) == pytest.approx(np.pi / 192, rel=1e-4)
    exponents = [product_flow_loss(s).exponent for s in (10.0, 1e3, 1e6, 1e9)]
    assert np.all(np.diff(exponents) > 0) and 2.9 < exponents[-1] < 3
    # w → a w is time → a² time
    assert product_flow_loss(2.0, 3.0).excess == pytest.approx(81 * product_flow_loss(18.0).excess, rel=1e-10)


def pulls(rng, product, batch_size):
    x, y = rng.standard_normal((2, len(product), batch_size))
    return product * np.mean(x * x, axis=1) - np.mean(x * y, axis=1)


@pytest.mark.parametrize(("eta", "batch"), [(0.02, 4), (0.05, 4), (0.05, 8), (0.1, 8), (0.1, 16)])
def test_balance_follows_its_identity_and_rate(eta, batch):
    rng = np.random.default_rng(3)
    w = np.array([[0.4, 0.9]]) * np.ones((2000, 1))
    first, history, squares, logs = w[:, 0] ** 2 - w[:, 1] ** 2, [], [], []
    for _ in range(200):
        product = w[:, 0] * w[:, 1]
        s = pulls(rng, product, batch)
        w = w - eta * s[:, None] * w[:, ::-1]
        history.append(s)
        squares.append(product**2)
        logs.append(np.log1p(-((eta * s) ** 2)))
    after = w[:, 0] ** 2 - w[:, 1] ** 2
    assert balance_after(first, np.array(history).T, eta) == pytest.approx(after, rel=1e-10)
    # the rate of the same steps; what is left out is E log(1 − η²s²) + η² E s², below η⁴ E s⁴
    per_step = np.mean(logs, axis=0)
    rate = balance_rate(eta, batch, float(np.mean(squares)))
    left_out = eta**4 * np.mean(np.array(history) ** 4)
    error = per_step.std(ddof=1) / np.sqrt(len(per_step))
    assert abs(per_step.mean() - rate) < SIGMAS * error + left_out
    exact_parts = -(eta**2) * (np.array(history) ** 2 - (np.array(squares) * (1 + 2 / batch) + 1 / batch))
    assert_agrees(np.mean(exact_parts, axis=0), 0.0)


@pytest.mark.parametrize(
    ("eta", "batch", "b"), [(0.02, 4, 0.5), (0.02, 4, 1.0), (0.02, 4, 2.0), (0.05, 8, 1.0), (0.02, 2, 1.0)]
)
def test_short_runs_read_half_the_curvature_of_their_start(eta, batch, b):
    """From (0, b) the law is that of a stream of one curvature b², until the balance has moved."""
    rng = np.random.default_rng(4)
    w = np.array([0.0, b]) * np.ones((3000, 1))
    burn_in = int(2 / (eta * b * b))
    steps, total = 2 * burn_in, 0.0
    for step in range(steps):
        s = pulls(rng, w[:, 0] * w[:, 1], batch)
        w = w - eta * s[:, None] * w[:, ::-1]
        if step >= burn_in:
            total = total + 0.5 * np.prod(w, axis=1) ** 2 / (steps - burn_in)
    law = streaming_sgd([b * b], 1.0, eta, batch_size=batch)
    drift = 1 - np.exp(steps * balance_rate(eta, batch, 2 * law.excess))
    shortfall = 1 - total.mean() / law.excess
    error = total.std(ddof=1) / np.sqrt(len(total)) / law.excess
    # the relaxation e^(−2ηb²·burn-in) = e⁻⁴ is at most 1/50 of the law on top of the drift of the balance
    assert -SIGMAS * error < shortfall < drift + 0.02 + SIGMAS * error
    assert law.excess_coefficient == pytest.approx(b * b / 2, rel=0.08)


@pytest.mark.slow
def test_long_runs_collapse_where_gibbs_does_not():
    """A negative control: K/T of f = w1 w2 x must leave the coefficient of Gibbs, 0.339 with a unit prior."""
    rng = np.random.default_rng(5)
    eta, batch = 0.08, 4
    w = rng.standard_normal((512, 2)) * 0.5
    total = np.zeros(512)
    for step in range(4000):
        s = pulls(rng, w[:, 0] * w[:, 1], batch)
        w = w - eta * s[:, None] * w[:, ::-1]
        if step >= 1000:
            total += 0.5 * np.prod(w, axis=1) ** 2 / 3000
    read = total / (eta / (2 * batch))
    assert read.mean() + SIGMAS * read.std(ddof=1) / np.sqrt(512) < 0.1


@pytest.mark.parametrize("t0", [0.01, 1e-3, 1e-4])
def test_square_model_has_its_closed_form(t0):
    kappa = 0.005
    law = square_model_law(0.01, 4, t0, exact_noise=False)

    def log_density(w):
        return (-1 + t0 / kappa**2) * np.log1p(kappa * w * w / t0) - w * w / kappa

    end = min(1.0, 12 * max(t0**0.25, kappa**0.5))
    total = quad(lambda w: np.exp(log_density(w)), 0, end, limit=2000, epsabs=0, epsrel=1e-10)[0]
    loss = quad(lambda w: 0.5 * w**4 * np.exp(log_density(w)), 0, end, limit=2000, epsabs=0, epsrel=1e-10)[0]
    assert law.excess == pytest.approx(loss / total, rel=1e-7)
    printed = {0.01: 0.2560, 1e-3: 0.2691, 1e-4: 0.3113}
    assert law.excess_coefficient == pytest.approx(printed[t0], abs=1e-4)
    assert np.trapezoid(law.density, law.w) == pytest.approx(0.5, abs=1e-5)
    assert not law.is_gibbs and not law.flags


@pytest.mark.parametrize(
    ("eta", "batch", "t0"),
    [(0.04, 16, 0.01), (0.04, 16, 0.001), (0.04, 16, 0.0003), (0.02, 2, 0.003), (0.01, None, 0.003)],
)
def test_square_model_law_is_kept_by_chains(eta, batch, t0):
    """Chains from the law itself, for two of its relaxations; the law is of first order, and errs by about η K''."""
    law = square_model_law(eta, batch, t0)
    rng = np.random.default_rng(6)
    below = np.concatenate([[0.0], np.cumsum(0.5 * (law.density[1:] + law.density[:-1]) * np.diff(law.w))])
    start = np.interp(rng.uniform(0, below[-1], 1500), below, law.w)[:, None]

    def gradient(w):
        value = w[:, 0]
        if batch is None:
            s = value**2
        else:
            # mean x² and mean xy of a minibatch, by their own laws: a χ² and a normal given it
            square = rng.chisquare(batch, len(value)) / batch
            s = value**2 * square - np.sqrt(square / batch) * rng.standard_normal(len(value))
        return (2 * s * value - np.sqrt(2 * t0 / eta) * rng.standard_normal(len(value)))[:, None]

    steps = int(2 / (eta * np.sqrt(law.excess)))
    values = run(gradient, start, eta, steps, look=lambda w: 0.5 * w[:, 0] ** 4, burn_in=steps // 2)
    error = values.std(ddof=1) / np.sqrt(len(values))
    curvature = 6 * np.trapezoid(2 * law.density * law.w**2, law.w)
    assert abs(values.mean() - law.excess) < SIGMAS * error + eta * curvature * law.excess
    assert error < 0.03 * law.excess


def test_without_minibatch_noise_the_square_model_is_gibbs_and_with_much_it_collapses():
    law = square_model_law(0.01, None, 0.003)
    assert law.is_gibbs and law.excess_coefficient == pytest.approx(0.25, rel=1e-9)
    kappa = 2 * 0.05 / 4
    read = [square_model_law(0.05, 4, c * kappa**2).excess / kappa**2 for c in (1.0, 1e-2, 1e-4, 1e-6)]
    assert np.all(np.diff(read) < 0) and read[-1] < 0.02 * read[0]
    assert square_model_law(1.0, 1, 0.01).flags


@pytest.mark.parametrize(("exponents", "eta", "steps"), [([2], 0.02, 6000), ([1, 1], 0.01, 12_000)])
@pytest.mark.slow
def test_isotropic_noise_reads_the_gibbs_coefficient_of_singular_losses(exponents, eta, steps):
    """T = 0.1 and a unit prior as weight decay; ⟨w·∇U⟩ − (η/2)⟨|∇U|²⟩ = dT at stationarity whatever the loss."""
    t, rng, d = 0.1, np.random.default_rng(7), len(exponents)
    exact = monomial_local_coefficient(exponents, 1.0, 1 / t)
    w = 0.5 * np.ones((800, d))
    total, virial = np.zeros(800), np.zeros(800)
    for step in range(steps):
        loss = np.prod(w ** (2 * np.array(exponents)), axis=1)
        gradient = w ** (2 * np.array(exponents) - 1) * 2 * np.array(exponents)
        if d == 2:
            gradient = gradient * w[:, ::-1] ** 2
        slope = gradient + t * w
        if step >= steps // 2:
            total += loss
            virial += np.sum(w * slope, axis=1) - 0.5 * eta * np.sum(slope**2, axis=1)
        w = w - eta * slope + np.sqrt(2 * eta * t) * rng.standard_normal(w.shape)
    ratio = total / (steps - steps // 2) / t / exact
    assert abs(ratio.mean() - 1) < 0.03
    assert np.abs(scores(virial / (steps - steps // 2) / t, float(d))) < SIGMAS


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: monomial_flow(1.0, 1.5, 1.0), "degree"),
        (lambda: monomial_flow_loss(4, 0.0), "time"),
        (lambda: monomial_flow_loss(4, 1.0, -1.0), "scale"),
        (lambda: product_flow_loss(-1.0), "time"),
        (lambda: product_flow_loss_at(1.0, 1.0, np.nan), "time"),
        (lambda: balance_rate(0.0, 1), "step_size"),
        (lambda: balance_rate(0.1, 1, -1.0), "mean_square_product"),
        (lambda: balance_after(1.0, [0.1], 0.0), "step_size"),
        (lambda: square_model_law(0.1, 4, 0.0), "temperature"),
        (lambda: square_model_law(0.1, 0, 0.1), "batch_size"),
        (lambda: square_model_law(0.1, 4, 0.1, exact_noise=1), "exact_noise"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(InputError, match=named):
        call()
