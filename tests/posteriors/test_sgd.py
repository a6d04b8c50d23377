"""Ensembles of gradient descent against the exact laws of linear maps with noise, worked out here by hand."""

from __future__ import annotations

import contextlib
import importlib
import json
import math

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
import pytest

from singular import models, posteriors
from singular.errors import InputError
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows
from singular.posteriors.langevin import own_seed
from singular.posteriors.progress import Silent

N, B, RATE = 32, 8, 0.4
QUIET = {"progress": False}
SMALL = {"runs": 3, "steps": 12, "progress": False}


@pytest.fixture(scope="module")
def problem():
    """y = w·x + noise with inputs of unequal size."""

    def line(x, y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
        numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)

    rng = np.random.default_rng(5)
    x = rng.normal(size=(N, 3)) * np.array([1.5, 0.8, 0.5])
    return Problem.from_numpyro(line, x=x, y=x @ np.array([1.0, -0.5, 0.3]) + rng.normal(size=N))


@pytest.fixture(scope="module")
def linear(problem):
    """Hessian of the mean loss, least-squares point, covariance of one observation's gradient there."""
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ best
    return x.T @ x / N, best, (x * residual[:, None] ** 2).T @ x / N


def settled(problem, hessian, best, **settings):
    """Return (run, step, d) in the eigenbasis of H about the minimum, and the excess, of runs that have settled."""
    settings = {"runs": 800, "steps": 1000, "keep": range(500, 1001, 25), "start": best, **QUIET, **settings}
    tree = posteriors.sgd(problem, **settings)
    vectors = np.linalg.eigh(hessian)[1]
    return (posteriors.ensemble_points(tree, problem) - best) @ vectors, tree["sample_stats"]["excess"].to_numpy(), tree


def errors_off(series, exact):
    """Return how far the mean of (run, step, …) is from exact in errors of independent runs."""
    means = series.mean(axis=1)
    return np.abs(means.mean(axis=0) - exact) / (means.std(axis=0, ddof=1) / math.sqrt(len(means)))


def multiplicative_covariance(x, linear, rate, spread):
    """Stationary covariance of w under minibatches: E[A_b⊗A_b] = H⊗H + ρ(E[A⊗A] − H⊗H), A = xxᵀ."""
    hessian, _, noise = linear
    d = len(hessian)
    eye = np.eye(d)
    squares = np.mean([np.kron(np.outer(row, row), np.outer(row, row)) for row in x], axis=0)
    twice = np.kron(hessian, hessian)
    second = twice + spread * (squares - twice)
    step = np.eye(d * d) - rate * (np.kron(hessian, eye) + np.kron(eye, hessian)) + rate**2 * second
    return np.linalg.solve(np.eye(d * d) - step, rate**2 * spread * noise.ravel()).reshape(d, d)


# ------------------------------------------------------------------------------------------------ no noise


def test_gradient_descent_is_the_power_of_a_matrix(problem, linear):
    hessian, best, _ = linear
    tree = posteriors.sgd(problem, learning_rate=0.3, runs=5, steps=40, records=9, **QUIET)
    z, steps = posteriors.ensemble_points(tree, problem), tree["sample_stats"]["step"].to_numpy()
    assert steps[0] == 0 and steps[-1] == 40
    for k, step in enumerate(steps):
        power = np.linalg.matrix_power(np.eye(3) - 0.3 * hessian, step)
        assert np.allclose(z[:, k] - best, (z[:, 0] - best) @ power, rtol=0, atol=1e-12)
    excess = 0.5 * np.einsum("rki,ij,rkj->rk", z - best, hessian, z - best)
    assert np.allclose(tree["sample_stats"]["excess"], excess, rtol=0, atol=1e-9)
    assert np.allclose(tree["sample_stats"]["gradient_norm"], np.linalg.norm((z - best) @ hessian, axis=-1))
    assert tree.attrs["temperature"] == 0.0 and tree.attrs["temperature_note"] == ""
    assert "gradient_noise" not in tree["sample_stats"]
    assert tree.attrs["gradient_evaluations"] == 5 * 40 + 5 * len(steps) == tree.attrs["data_passes"]


def test_the_heavy_ball_without_noise(problem, linear):
    hessian, best, _ = linear
    rate, mu = 0.2, 0.7
    tree = posteriors.sgd(
        problem, learning_rate=rate, optimiser="momentum", momentum=mu, runs=2, steps=9, keep=range(10), **QUIET
    )
    z = posteriors.ensemble_points(tree, problem)
    at, velocity = z[:, 0].copy(), np.zeros((2, 3))
    for k in range(1, 10):
        velocity = mu * velocity - rate * (at - best) @ hessian
        at = at + velocity
        assert np.allclose(z[:, k], at, rtol=0, atol=1e-12)


def test_adam_without_noise_has_no_temperature(problem, linear):
    hessian, best, _ = linear
    tree = posteriors.sgd(problem, learning_rate=0.05, optimiser="adam", runs=2, steps=9, keep=range(10), **QUIET)
    z = posteriors.ensemble_points(tree, problem)
    at, first, second = z[:, 0].copy(), 0.0, 0.0
    for k in range(1, 10):
        gradient = (at - best) @ hessian
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        at = at - 0.05 * (first / (1 - 0.9**k)) / (np.sqrt(second / (1 - 0.999**k)) + 1e-8)
        assert np.allclose(z[:, k], at, rtol=0, atol=1e-10)
    assert math.isnan(tree.attrs["temperature"]) and "no temperature" in tree.attrs["temperature_note"]


def test_fewer_rows_with_the_same_sums_descend_alike(problem):
    settings = {"learning_rate": 0.3, "noise": "isotropic", "batch_size": 4, **SMALL}
    whole, few = (posteriors.sgd(p, **settings) for p in (problem, equivalent_rows(problem)))
    assert np.allclose(whole["posterior"]["w"], few["posterior"]["w"], rtol=0, atol=1e-12)
    assert np.allclose(whole["sample_stats"]["excess"], few["sample_stats"]["excess"], rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------------------------ stationary laws


@pytest.mark.parametrize("replacement", [True, False])
def test_minibatches_of_a_regression_settle_in_the_law_with_random_curvature(problem, linear, replacement):
    hessian, best, _ = linear
    spread = 1 / B if replacement else (N - B) / (B * (N - 1))
    exact = multiplicative_covariance(problem.kwargs["x"], linear, RATE, spread)
    z, excess, tree = settled(
        problem, hessian, best, learning_rate=RATE, batch_size=B, replacement=replacement, seed=int(replacement)
    )
    assert errors_off(excess, 0.5 * np.trace(hessian @ exact)) < 4
    vectors = np.linalg.eigh(hessian)[1]
    products = np.einsum("rki,rkj->rkij", z, z)
    assert (errors_off(products, vectors.T @ exact @ vectors) < 4).all()
    assert tree.attrs["spread"] == pytest.approx(spread) and math.isnan(tree.attrs["temperature"])
    assert tree.attrs["data_passes"] == pytest.approx(800 * 1000 * B / N + 800 * 21)
    # what it would see: the other way to draw, and noise that does not depend on the place
    other = multiplicative_covariance(problem.kwargs["x"], linear, RATE, 1 / B + (N - B) / (B * (N - 1)) - spread)
    assert errors_off(excess, 0.5 * np.trace(hessian @ other)) > 4
    h = np.linalg.eigvalsh(hessian)
    additive = RATE * spread * np.diag(vectors.T @ linear[2] @ vectors) / (2 * (2 - RATE * h))
    assert errors_off(excess, additive.sum()) > 4


@pytest.mark.parametrize(("optimiser", "mu"), [("sgd", 0.0), ("momentum", 0.5), ("momentum", 0.9)])
def test_isotropic_noise_is_gibbs_but_for_the_step(problem, linear, optimiser, mu):
    """Var = T/h × 2(1 + μ)/(2(1 + μ) − ηh) in each direction, T = ησ²/(2B(1 − μ))."""
    hessian, best, _ = linear
    rate = 0.3 * (1 - mu)
    settings = {"optimiser": optimiser, **({"momentum": mu} if mu else {})}
    z, excess, tree = settled(
        problem, hessian, best, learning_rate=rate, noise="isotropic", sigma=0.7, batch_size=4, **settings
    )
    temperature = rate * 0.7**2 / (2 * 4 * (1 - mu))
    assert tree.attrs["temperature"] == pytest.approx(temperature)
    h = np.linalg.eigvalsh(hessian)
    factor = 2 * (1 + mu) / (2 * (1 + mu) - rate * h)
    assert (errors_off(z**2, temperature / h * factor) < 4).all()
    assert errors_off(excess, 0.5 * temperature * factor.sum()) < 4
    assert errors_off(excess, 0.5 * temperature * 3) > (4 if mu < 0.6 else -1)  # the step is seen


def test_noise_like_the_hessian_has_energy_in_proportion_to_curvature(problem, linear):
    hessian, best, _ = linear
    z, excess, tree = settled(problem, hessian, best, learning_rate=0.2, noise=hessian, sigma=0.6, batch_size=2)
    h, scale = np.linalg.eigvalsh(hessian), 0.2 * 0.6**2 / (2 * 2)
    assert (errors_off(z**2, scale / (1 - 0.2 * h / 2)) < 4).all()
    assert errors_off(excess, scale * np.sum(h / (2 - 0.2 * h))) < 4
    assert tree.attrs["temperature_scale"] * 0.6**2 == pytest.approx(scale) and math.isnan(tree.attrs["temperature"])


def test_mixed_noise_adds_up(problem, linear):
    hessian, best, noise = linear
    _, excess, _ = settled(problem, hessian, best, learning_rate=RATE, batch_size=B, noise="mixed", sigma=1.5)
    forced = (hessian, best, noise + 1.5**2 * np.eye(3))
    exact = multiplicative_covariance(problem.kwargs["x"], forced, RATE, 1 / B)
    assert errors_off(excess, 0.5 * np.trace(hessian @ exact)) < 4


def test_the_priors_own_decay_gives_the_tempered_posterior(problem, linear):
    """T ∇(−log φ) with φ = N(0, I): curvature h + T, pulled towards 0, and the decay in numbers is the same."""
    hessian, best, _ = linear
    rate, sigma = 0.1, 2.0
    settings = {"learning_rate": rate, "noise": "isotropic", "sigma": sigma}
    z, _, tree = settled(problem, hessian, best, weight_decay="prior", **settings)
    temperature = rate * sigma**2 / 2
    h, vectors = np.linalg.eigh(hessian)
    a = h + temperature
    assert tree.attrs["weight_decay"] == pytest.approx(temperature)
    assert (errors_off(z, -temperature * (best @ vectors) / a) < 4).all()
    centred = z + temperature * (best @ vectors) / a
    assert (errors_off(centred**2, temperature / (a * (1 - rate * a / 2))) < 4).all()
    same = posteriors.sgd(problem, weight_decay=temperature, **settings, **SMALL)
    own = posteriors.sgd(problem, weight_decay="prior", **settings, **SMALL)
    assert np.allclose(same["posterior"]["w"], own["posterior"]["w"], rtol=0, atol=1e-12)


def test_the_way_there(problem, linear):
    """Variance a_i/τ + T(1 − a_i)/(h_i(1 − ηh_i/2)) and mean (1 − ηh_i)^N times its start, a_i = (1 − ηh_i)^2N."""
    hessian, best, _ = linear
    rate, temperature = 0.1, 0.1 / 2
    tree = posteriors.sgd(
        problem, learning_rate=rate, noise="isotropic", runs=20_000, steps=20, keep=[3, 20], seed=4, **QUIET
    )
    h, vectors = np.linalg.eigh(hessian)
    z = (posteriors.ensemble_points(tree, problem) - best) @ vectors
    for k, step in enumerate((3, 20)):
        shrunk = (1 - rate * h) ** step
        mean = -shrunk * (best @ vectors)
        variance = shrunk**2 + temperature * (1 - shrunk**2) / (h * (1 - rate * h / 2))
        at = z[:, k : k + 1]
        assert (errors_off(at, mean) < 4).all()
        assert (errors_off((at - mean) ** 2, variance) < 4).all()


# ------------------------------------------------------------------------------------------------ what is recorded


def test_the_noise_recorded_is_that_of_the_next_step(problem, linear):
    hessian, best, _ = linear
    for settings in ({}, {"noise": "mixed"}, {"noise": "isotropic"}, {"replacement": False}):
        tree = posteriors.sgd(
            problem, learning_rate=0.1, batch_size=5, runs=3, steps=6, keep=range(7), **settings, **QUIET
        )
        z = posteriors.ensemble_points(tree, problem)
        met = (z[:, :-1] - z[:, 1:]) / 0.1 - (z[:, :-1] - best) @ hessian
        assert np.allclose(tree["sample_stats"]["gradient_noise"][:, :-1], met, rtol=0, atol=1e-12)
        assert np.abs(met).min() > 1e-6


def test_a_run_is_the_same_whatever_is_kept_of_it(problem):
    settings = {"learning_rate": 0.1, "batch_size": 5, "steps": 30, "optimiser": "momentum", **QUIET}
    many = posteriors.sgd(problem, runs=4, keep=range(31), **settings)
    few = posteriors.sgd(problem, runs=2, keep=[7, 30], **settings)
    assert np.allclose(many["posterior"]["w"].sel(run=[0, 1], step=[7, 30]), few["posterior"]["w"], rtol=0, atol=1e-13)
    other = posteriors.sgd(problem, runs=2, keep=[7, 30], seed=1, **settings)
    assert np.abs(few["posterior"]["w"] - other["posterior"]["w"]).min() > 1e-3


def test_a_singular_model_keeps_its_balance():
    """y = abx + noise: a² − b² shrinks by 1 − η²s² a step, s what both gradients share."""
    product = models.problem("product", n=40)
    tree = posteriors.sgd(product, learning_rate=0.1, batch_size=4, runs=8, steps=30, keep=range(31), **QUIET)
    a, b = (tree["posterior"][name].to_numpy() for name in ("w1", "w2"))
    shared = (a[:, :-1] - a[:, 1:]) / (0.1 * b[:, :-1])
    balance = a**2 - b**2
    assert np.allclose(balance[:, 1:], balance[:, :-1] * (1 - 0.1**2 * shared**2), rtol=1e-10)


def test_starts(problem):
    def first(**settings):
        tree = posteriors.sgd(problem, learning_rate=0.1, steps=2, **settings, **QUIET)
        return tree["posterior"]["w"].isel(step=0).to_numpy(), tree.attrs["start"]

    box, told = first(start="box", box=0.25, runs=500)
    assert told == "box 0.25" and np.abs(box).max() < 0.25
    assert errors_off(box[:, None] ** 2, 0.25**2 / 3).max() < 4
    prior, told = first(runs=500)
    assert told == "prior" and errors_off(prior[:, None] ** 2, 1.0).max() < 4
    given = np.arange(6.0).reshape(2, 3)
    assert np.allclose(first(start=given, runs=2)[0], given)
    assert np.allclose(first(start=given[1], runs=4)[0], given[1])
    drawn, told = first(start=lambda key: 3 + 0.1 * jax.random.normal(key, (3,)), runs=500)
    assert told == "function" and errors_off(drawn[:, None], 3.0).max() < 4


def test_an_own_transformation_is_run_as_it_is(problem):
    plain = posteriors.sgd(problem, learning_rate=0.1, batch_size=4, **SMALL)
    for rate in (0.1, 0.2):
        own = posteriors.sgd(problem, optimiser=optax.sgd(rate), batch_size=4, **SMALL)
        assert np.allclose(own["posterior"]["w"], plain["posterior"]["w"], rtol=0, atol=1e-13) == (rate == 0.1)
    assert math.isnan(own.attrs["temperature"]) and math.isnan(own.attrs["learning_rate"])


# ------------------------------------------------------------------------------------------------ runs that leave


def test_runs_that_leave_are_kept_and_told():
    quartic = models.problem("monomial-2", n=50)
    start = np.array([[0.1], [30.0], [-0.2], [-50.0]])
    tree = posteriors.sgd(quartic, learning_rate=0.1, runs=4, steps=50, start=start, **QUIET)
    stats = tree["sample_stats"]
    assert stats["diverged"].to_numpy().tolist() == [False, True, False, True]
    assert tree["posterior"].sizes["run"] == 4
    assert np.isfinite(stats["nll"].to_numpy()[[0, 2]]).all() and not np.isfinite(stats["nll"].to_numpy()[1, -1])
    assert tree.attrs["diverged"] == 2 and "2 of 4 runs left for infinity" in tree.attrs["flags"]


def test_a_step_beyond_stability_loses_every_run(problem, linear):
    rate = 2.05 / np.linalg.eigvalsh(linear[0]).max()
    assert posteriors.sgd(problem, learning_rate=rate, runs=3, steps=20_000, records=4, **QUIET).attrs["diverged"] == 3
    below = posteriors.sgd(problem, learning_rate=0.95 * rate, runs=3, steps=20_000, records=4, **QUIET)
    assert below.attrs["diverged"] == 0 and below.attrs["flags"] == ""


def test_what_there_is_on_ctrl_c(problem, monkeypatch):
    class Stopped(Silent):
        def advance(self, rounds):
            raise KeyboardInterrupt

    module = importlib.import_module("singular.posteriors.sgd")  # the package has the function by this name
    monkeypatch.setattr(module, "progress_line", lambda _: contextlib.nullcontext(Stopped()))
    tree = posteriors.sgd(problem, learning_rate=0.1, runs=2, steps=99, keep=range(100))
    assert tree.attrs["complete"] == 0 and tree["posterior"].sizes["step"] == 5


# ------------------------------------------------------------------------------------------------ several settings


def test_settings_side_by_side(problem, tmp_path):
    rates = [{"learning_rate": rate, "batch_size": size} for rate, size in ((0.05, 2), (0.1, 2), (0.1, 8))]
    tree = posteriors.sgd_settings(problem, rates, noise="isotropic", sigma=2.0, seed=3, **SMALL)
    stats = tree["sample_stats"].to_dataset()
    assert stats["nll"].dims == ("run", "step", "setting") and tree["posterior"]["w"].dims[:3] == stats["nll"].dims
    assert np.allclose(stats["temperature"], [0.05 * 4 / 4, 0.1 * 4 / 4, 0.1 * 4 / 16])
    assert stats.swap_dims(setting="temperature")["nll"].dims[-1] == "temperature"
    assert [one["batch_size"] for one in json.loads(tree.attrs["settings"])] == [2, 2, 8]
    alone = posteriors.sgd(
        problem, learning_rate=0.1, batch_size=2, noise="isotropic", sigma=2.0, seed=own_seed(3, 1), **SMALL
    )
    assert np.array_equal(stats["nll"][..., 1], alone["sample_stats"]["nll"])
    assert posteriors.ensemble_points(alone, problem).shape == (3, alone["posterior"].sizes["step"], 3)
    assert posteriors.load(posteriors.save(tree, tmp_path / "several.nc")).identical(tree)


@pytest.mark.parametrize("settings", [{}, {"optimiser": "adam", "batch_size": 4}])
def test_an_ensemble_is_stored_and_comes_back(problem, tmp_path, settings):
    tree = posteriors.sgd(problem, learning_rate=0.1, **settings, **SMALL)
    back = posteriors.load(posteriors.save(tree, tmp_path / "runs.nc"))
    assert back.identical(tree)
    assert np.array_equal(posteriors.ensemble_points(back, problem), posteriors.ensemble_points(tree, problem))


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "learning_rate=None"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"learning_rate": True}, "learning_rate=True"),
        ({"learning_rate": 0.1, "optimiser": "sdg"}, "did you mean 'sgd'"),
        ({"learning_rate": 0.1, "optimiser": optax.sgd(0.1)}, "has its own"),
        ({"learning_rate": 0.1, "momentum": 0.5}, "optimiser='momentum'"),
        ({"learning_rate": 0.1, "momentum": 1.0, "optimiser": "momentum"}, "below 1"),
        ({"learning_rate": 0.1, "batch_size": 0}, "batch_size=0"),
        ({"learning_rate": 0.1, "batch_size": N + 1}, f"from 1 to {N}"),
        ({"learning_rate": 0.1, "replacement": 1}, "replacement=1"),
        ({"learning_rate": 0.1, "noise": "isotopic"}, "did you mean 'isotropic'"),
        ({"learning_rate": 0.1, "noise": np.eye(2)}, "3 × 3"),
        ({"learning_rate": 0.1, "noise": -np.eye(3)}, "no eigenvalue below 0"),
        ({"learning_rate": 0.1, "noise": "mixed"}, "batch_size=None"),
        ({"learning_rate": 0.1, "sigma": 2.0}, "sigma=2.0"),
        ({"learning_rate": 0.1, "noise": "isotropic", "sigma": -1.0}, "sigma=-1.0"),
        ({"learning_rate": 0.1, "weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"learning_rate": 0.1, "weight_decay": "prio"}, "did you mean 'prior'"),
        ({"learning_rate": 0.1, "weight_decay": "prior", "batch_size": 4}, "not known to be isotropic"),
        ({"learning_rate": 0.1, "runs": 0}, "runs=0"),
        ({"learning_rate": 0.1, "steps": 0}, "steps=0"),
        ({"learning_rate": 0.1, "records": 1}, "records=1"),
        ({"learning_rate": 0.1, "keep": "geometrical"}, "did you mean 'geometric'"),
        ({"learning_rate": 0.1, "keep": [3, 2]}, "ascending"),
        ({"learning_rate": 0.1, "keep": [0, 2000]}, "from 0 to 1000"),
        ({"learning_rate": 0.1, "keep": [0.5]}, "whole numbers"),
        ({"learning_rate": 0.1, "start": "priory"}, "did you mean 'prior'"),
        ({"learning_rate": 0.1, "start": np.zeros((2, 3))}, "100 × 3"),
        ({"learning_rate": 0.1, "start": "box", "box": 0}, "box=0"),
        ({"learning_rate": 0.1, "seed": -1}, "seed=-1"),
    ],
)
def test_bad_input(problem, settings, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        posteriors.sgd(problem, **settings, **QUIET)


def test_bad_settings_and_trees(problem):
    with pytest.raises(InputError, match="at least one mapping"):
        posteriors.sgd_settings(problem, [])
    with pytest.raises(InputError, match="only for all settings together"):
        posteriors.sgd_settings(problem, [{"learning_rate": 0.1, "runs": 3}])
    with pytest.raises(InputError, match=r"models\.problem"):
        posteriors.sgd("linear-2", learning_rate=0.1)
    tree = posteriors.sgd_settings(problem, [{"learning_rate": 0.1}] * 2, **SMALL)
    with pytest.raises(InputError, match="isel"):
        posteriors.ensemble_points(tree, problem)
    one = posteriors.sgd(problem, learning_rate=0.1, **SMALL)
    with pytest.raises(InputError, match="does not have the data"):
        posteriors.ensemble_points(one, models.problem("linear-2", n=50))
