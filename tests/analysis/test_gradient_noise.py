"""Gradient noise against formulas written out, and temperatures against the exact laws of noisy linear maps."""

from __future__ import annotations

import math

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import models, posteriors
from singular.analysis import effective_temperature, gradient_noise, noise_along
from singular.errors import InputError
from singular.models.problem import Problem

N, B = 60, 6
QUIET = {"progress": False}
SETTLED = {"runs": 200, "steps": 1200, "keep": range(200, 1201, 10), **QUIET}


@pytest.fixture(scope="module")
def problem():
    """Linear regression whose inputs differ in size: the curvatures of the loss do too."""

    def line(x, y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)

    rng = np.random.default_rng(8)
    x = rng.normal(size=(N, 2)) * np.array([1.3, 0.6])
    return Problem.from_numpyro(line, x=x, y=x @ np.array([0.7, -0.4]) + rng.normal(size=N))


@pytest.fixture(scope="module")
def linear(problem):
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    return x.T @ x / N, best, (x * (y - x @ best)[:, None] ** 2).T @ x / N


@pytest.fixture(scope="module")
def isotropic(problem, linear):
    """(T, found) under isotropic noise."""
    runs = posteriors.sgd(
        problem, learning_rate=0.2, noise="isotropic", sigma=0.8, batch_size=4, start=linear[1], **SETTLED
    )
    return runs.attrs["temperature"], effective_temperature(runs, problem)


@pytest.fixture(scope="module")
def minibatches(problem, linear):
    return posteriors.sgd(problem, learning_rate=0.3, batch_size=B, replacement=False, start=linear[1], **SETTLED)


# ------------------------------------------------------------------------------------------------ at a point


def test_a_regression_away_from_its_minimum(problem, linear):
    x, y, w = problem.kwargs["x"], problem.kwargs["y"], np.array([0.2, 1.0])
    rows = -x * (y - x @ w)[:, None]
    covariance = np.cov(rows.T, bias=True)
    found = gradient_noise(problem, {"w": w})
    assert np.allclose(found.covariance, covariance, rtol=1e-10)
    assert np.allclose(found.hessian, linear[0], rtol=1e-10)
    assert np.allclose(found.gradient, rows.mean(axis=0), rtol=1e-10)
    inner, size, curvature = np.sum(covariance * linear[0]), np.linalg.norm(covariance), np.linalg.norm(linear[0])
    assert found.trace == pytest.approx(np.trace(covariance))
    assert found.alignment == pytest.approx(inner / (size * curvature))
    assert found.proportionality == pytest.approx(inner / curvature**2)
    assert found.proportional_misfit == pytest.approx(math.sqrt(1 - found.alignment**2))
    assert found.variance == pytest.approx(np.trace(covariance) / 2)
    assert found.isotropic_misfit == pytest.approx(np.linalg.norm(covariance - found.variance * np.eye(2)) / size)


def test_a_logistic_regression():
    logistic = models.problem("logistic-2", n=80)
    found = gradient_noise(logistic, logistic.reference.z)
    h = found.hessian
    scores = found.covariance + np.outer(found.gradient, found.gradient)
    x, y = logistic.kwargs["x"], logistic.kwargs["y"]
    p = 1 / (1 + np.exp(-x @ logistic.reference.z))
    assert np.allclose(h, (x * (p * (1 - p))[:, None]).T @ x / 80, rtol=1e-8)
    assert np.allclose(scores, (x * ((p - y) ** 2)[:, None]).T @ x / 80, rtol=1e-8)


def test_at_the_truth_of_many_data_the_noise_is_the_hessian():
    many = models.problem("linear-4", n=20_000)
    found = gradient_noise(many, many.model.optimum)
    assert found.proportionality == pytest.approx(1, abs=0.03) and found.proportional_misfit < 0.05


def test_a_flat_direction_has_no_share_in_the_variance():
    """y = ab x + noise at (1, 0): the gradient moves b alone."""
    product = models.problem("product", n=50)
    found = gradient_noise(product, {"w1": 1.0, "w2": 0.0})
    x, y = product.kwargs["x"], product.kwargs["y"]
    assert np.allclose(found.covariance, np.diag([0.0, np.var(x * y)]), atol=1e-12)
    with pytest.raises(InputError, match="has shape"):
        gradient_noise(product, np.zeros(3))


def test_observations_that_have_no_gradients_apart():
    def coins(y):
        p = numpyro.sample("p", dist.Beta(1.0, 1.0))
        with numpyro.plate("tosses", 3):
            heavy = numpyro.sample("heavy", dist.Bernoulli(p))
            numpyro.sample("y", dist.Normal(heavy * 1.0, 1.0), obs=y)

    with pytest.raises(InputError, match="discrete"):
        gradient_noise(Problem.from_numpyro(coins, y=np.array([0.0, 1.0, 1.5])), np.zeros(1))

    def two_lengths(x, y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(w, 1.0), obs=x)
        numpyro.sample("y", dist.Normal(w, 1.0), obs=y)

    uneven = Problem.from_numpyro(two_lengths, x=np.zeros(3), y=np.zeros(4)).replace(n=4)
    with pytest.raises(InputError, match="one row for each of n=4"):
        gradient_noise(uneven, np.zeros(1))


# ------------------------------------------------------------------------------------------------ along the runs


@pytest.mark.slow
def test_the_noise_met_has_the_covariance_of_the_place(problem, minibatches):
    table = noise_along(minibatches, problem, runs=200, steps=[200, 700, 1200])
    assert len(table) == 600 and (table["rank"] == 2).all()
    gap = (table["drawn_trace"] - table["trace"]).to_numpy()  # independent noise, whatever the place
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / math.sqrt(gap.size)
    assert table["trace"].std() > 1e-3 and np.allclose(table["hessian_trace"], table["hessian_trace"][0])
    at = table[(table["run"] == 3) & (table["step"] == 700)].iloc[0]
    z = posteriors.ensemble_points(minibatches, problem)[3, 50]
    assert at["trace"] == pytest.approx(gradient_noise(problem, z).trace)
    assert at["alignment"] == pytest.approx(gradient_noise(problem, z).alignment)
    with pytest.raises(InputError, match="recorded steps"):
        noise_along(minibatches, problem, steps=[201])


# ------------------------------------------------------------------------------------------------ temperatures


def test_isotropic_noise_has_one_temperature(linear, isotropic):
    temperature, found = isotropic
    assert abs(found.noise.value - temperature) < 4 * found.noise.mcse < 0.1 * temperature
    factor = 1 / (1 - 0.2 * np.sort(np.linalg.eigvalsh(linear[0]))[::-1] / 2)
    assert np.allclose(found.directions["step_factor"], factor)
    assert abs(found.equipartition.value - temperature * factor.mean()) < 4 * found.equipartition.mcse
    assert found.equipartition.discretisation_error == pytest.approx(temperature * (factor.mean() - 1), rel=0.1)
    assert abs(found.departure.value) < 4 * found.departure.mcse
    for name, exact in (("equipartition", temperature * factor), ("noise", temperature)):
        assert (np.abs(found.directions[name] - exact) < 4 * found.directions[f"{name}_mcse"]).all()
    assert found.noise.flags == () and found.departure.flags == ()
    assert all("finite step" in flag for flag in found.equipartition.flags) and found.equipartition.flags


@pytest.mark.parametrize("mu", [0.5, 0.9])
def test_momentum_divides_by_what_it_forgets(problem, linear, mu):
    rate = 0.4 * (1 - mu)
    runs = posteriors.sgd(
        problem, learning_rate=rate, optimiser="momentum", momentum=mu, noise="isotropic", start=linear[1], **SETTLED
    )
    found, temperature = effective_temperature(runs, problem), rate / (2 * (1 - mu))
    h = np.linalg.eigvalsh(linear[0])
    factor = 2 * (1 + mu) / (2 * (1 + mu) - rate * h)
    assert abs(found.noise.value - temperature) < 4 * found.noise.mcse
    assert abs(found.equipartition.value - temperature * factor.mean()) < 4 * found.equipartition.mcse
    assert abs(found.departure.value) < 4 * found.departure.mcse
    assert found.noise.flags == ()


def test_minibatches_agree_by_both_routes_and_have_no_one_temperature(problem, linear, minibatches):
    """The noise at the minimum is (C/B)(n − B)/(n − 1), nearly σ²H: directions are as warm as they are curved."""
    found = effective_temperature(minibatches, problem)
    assert abs(found.departure.value) < 4 * found.departure.mcse < 0.1 * found.equipartition.value
    spread = (N - B) / (B * (N - 1))
    additive = 0.3 * spread * np.trace(linear[2]) / (2 * 2)
    assert 0 < found.noise.value - additive < 0.5 * additive  # away from the minimum residuals are larger
    assert found.directions["noise"][0] > 2 * found.directions["noise"][1]
    for estimate in (found.equipartition, found.noise):
        assert any("no one temperature: the noises" in flag for flag in estimate.flags)
    assert any("no one temperature: the energies" in flag for flag in found.equipartition.flags)


@pytest.mark.parametrize("runs", [20, 120])
def test_errors_cover_as_they_should(problem, linear, runs):
    """Forty ensembles: the departures in their own errors have mean square 1."""
    ratios = []
    settings = {"learning_rate": 0.2, "noise": "isotropic", "start": linear[1], "runs": runs}
    settings |= {"steps": 360, "keep": range(60, 361, 4)} if runs < 100 else {"steps": 100, "keep": range(60, 101, 4)}
    h = np.linalg.eigvalsh(linear[0])
    exact = 0.1 * np.mean(1 / (1 - 0.2 * h / 2))
    for seed in range(40):
        found = effective_temperature(posteriors.sgd(problem, seed=seed, **settings, **QUIET), problem)
        ratios.append(
            [
                (found.equipartition.value - exact) / found.equipartition.mcse,
                (found.noise.value - 0.1) / found.noise.mcse,
                found.departure.value / found.departure.mcse,
            ]
        )
    square = np.mean(np.square(ratios), axis=0)
    assert (np.abs(square - 1) < 4 * math.sqrt(2 / 40)).all()


def test_few_records_leave_the_runs(problem, linear):
    runs = posteriors.sgd(
        problem, learning_rate=0.2, noise="isotropic", runs=3000, steps=200, keep=[200], start=linear[1], **QUIET
    )
    found = effective_temperature(runs, problem)
    factor = np.mean(1 / (1 - 0.2 * np.linalg.eigvalsh(linear[0]) / 2))
    assert abs(found.equipartition.value - 0.1 * factor) < 4 * found.equipartition.mcse
    assert found.equipartition.mcse == pytest.approx(0.1 * factor / math.sqrt(3000), rel=0.15)
    assert any("1 records a run" in flag for flag in found.equipartition.flags)


# ------------------------------------------------------------------------------------------------ conditions


def test_runs_on_their_way_are_not_stationary(problem):
    runs = posteriors.sgd(problem, learning_rate=0.05, noise="isotropic", runs=200, steps=40, keep=range(41), **QUIET)
    found = effective_temperature(runs, problem)
    assert any("not stationary" in flag for flag in found.equipartition.flags)
    assert any("the routes differ" in flag for flag in found.equipartition.flags)
    with pytest.raises(InputError, match="burn_in=41"):
        effective_temperature(runs, problem, burn_in=41)


def test_a_quartic_is_no_quadratic():
    quartic = models.problem("monomial-2", n=50)
    runs = posteriors.sgd(
        quartic, learning_rate=0.02, noise="isotropic", **{**SETTLED, "steps": 4000, "keep": range(2000, 4001, 20)}
    )
    found = effective_temperature(runs, quartic)
    assert any("not quadratic" in flag for flag in found.equipartition.flags)
    assert abs(found.noise.value - 0.01) < 4 * found.noise.mcse


def test_a_direction_that_is_flat_holds_no_energy():
    """y = ab x + noise: H at a maximum-likelihood point has rank 1, to be told from what an optimiser leaves of it."""
    product = models.problem("product", n=50)
    start = np.array([1.0, product.reference.z.prod()])
    runs = posteriors.sgd(product, learning_rate=0.01, noise="isotropic", sigma=0.1, start=start, **SETTLED)
    found = effective_temperature(runs, product)
    assert len(found.directions) == 1
    assert abs(found.noise.value - 0.01 * 0.1**2 / 2) < 4 * found.noise.mcse
    assert any("not quadratic" in flag for flag in found.equipartition.flags)


def test_weight_decay_is_told(problem):
    runs = posteriors.sgd(problem, learning_rate=0.2, noise="isotropic", weight_decay=0.3, **SETTLED)
    flags = effective_temperature(runs, problem).equipartition.flags
    assert any("weight decay" in flag for flag in flags) and any("routes differ" in flag for flag in flags)


def test_adam_has_a_loss_and_no_temperature(problem, linear):
    runs = posteriors.sgd(problem, learning_rate=0.01, optimiser="adam", batch_size=B, start=linear[1], **SETTLED)
    found = effective_temperature(runs, problem)
    assert math.isnan(found.noise.value) and found.equipartition.value > 0
    assert all(any("no temperature is defined" in flag for flag in e.flags) for e in (found.equipartition, found.noise))


def test_runs_that_left_are_told_and_left_out():
    quartic = models.problem("monomial-2", n=50)
    start = np.full((40, 1), 0.3)
    start[:3] = 80.0
    runs = posteriors.sgd(
        quartic, learning_rate=0.02, noise="isotropic", runs=40, steps=400, keep=range(0, 401, 10), start=start, **QUIET
    )
    found = effective_temperature(runs, quartic, burn_in=200)
    assert found.equipartition.flags[:2] == ("3 of 40 runs left for infinity", "the mean is over the runs that stayed")
    assert np.isfinite(found.equipartition.value)
    assert len(noise_along(runs, quartic, runs=4, steps=[400])) == 1


def test_without_noise_there_is_nothing_to_read(problem):
    runs = posteriors.sgd(problem, learning_rate=0.2, runs=5, steps=20, **QUIET)
    with pytest.raises(InputError, match="no gradient noise"):
        effective_temperature(runs, problem)
    assert noise_along(runs, problem, runs=1, steps=[20])["drawn_trace"].isna().all()
